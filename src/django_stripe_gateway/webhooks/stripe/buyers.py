"""Completed pages that this site has not made: payment links, pricing tables, other software's."""

from __future__ import annotations

import logging
import time

from django.utils import timezone

from django_stripe_gateway.choices import WebhookState
from django_stripe_gateway.exceptions import GatewayError
from django_stripe_gateway.gateways.registry import get_billing_gateway
from django_stripe_gateway.gateways.stripe.fields import object_id
from django_stripe_gateway.services.accounts import uncontradicted_account
from django_stripe_gateway.services.snapshots import SnapshotMismatch
from django_stripe_gateway.services.subscriptions.buyers import link_buyer, take_in_subscription
from django_stripe_gateway.services.subscriptions.client_references import looks_like_ours, owner_key_of
from django_stripe_gateway.services.subscriptions.freshness import Look
from django_stripe_gateway.webhooks.answers import answers_of, needs
from django_stripe_gateway.webhooks.events import Event, clean_id
from django_stripe_gateway.webhooks.stripe.billing import claimed_modes

logger = logging.getLogger(__name__)

OTHERS_PAGE = "about a page that this site has not made, and that names none of its owners"
AWAITED = "its page is not known yet"


def take_in_buyer(event: Event) -> WebhookState:
    """Give what was bought on a page of Stripe's own to the owner whom the page's reference names.

    A reference that is not good does nothing: anybody can write one into the address of a payment link.
    """
    metadata = event.object.get("metadata")
    if isinstance(metadata, dict) and metadata.get("token"):
        # A page of ours, of which the answer is not there yet.
        return event.because(WebhookState.UNMATCHED, AWAITED)
    reference = clean_id(event.object.get("client_reference_id"))
    used = event.created.timestamp() if event.created is not None else time.time()
    owner_key = owner_key_of(reference, at=used)
    if not owner_key or event.type != "checkout.session.completed":
        if looks_like_ours(reference) and not owner_key:
            logger.warning("The event %s has a client reference that is forged, or too old.", event.id)
        return event.because(WebhookState.IGNORED, OTHERS_PAGE)
    named = (event.object.get(name) for name in ("customer", "subscription"))
    customer_id, subscription_id = (clean_id(object_id(value)) for value in named)
    try:
        account = uncontradicted_account(event.variant)
        if not customer_id or not subscription_id:
            raise SnapshotMismatch("it names no customer, or no subscription")
        if account is None or claimed_modes(event) - {account.livemode}:
            raise SnapshotMismatch("live mode differs")
        look = answers_of(event).look
        if look is None:
            gateway = get_billing_gateway(event.variant)
            began = timezone.now()
            raise needs(event, look=lambda: Look(None, began, gateway.retrieve_subscription(subscription_id)))
        if look.answer.customer_id != customer_id:
            raise SnapshotMismatch("customer differs")
        customer = link_buyer(owner_key, event.variant, customer_id)
        if customer is None:
            return event.because(WebhookState.IGNORED, "bought for an owner who is gone")
        if take_in_subscription(customer, look, event.origin) is None:
            raise SnapshotMismatch("customer differs")
    except (SnapshotMismatch, GatewayError) as mismatch:
        logger.error("The event %s contradicts what was bought: %s.", event.id, mismatch)
        return event.because(WebhookState.MISMATCHED, str(mismatch))
    return WebhookState.PROCESSED
