"""Checkout Sessions: completed, settled or failed later, expired."""

from __future__ import annotations

import logging

from django_stripe_gateway.choices import WebhookState
from django_stripe_gateway.exceptions import GatewayError
from django_stripe_gateway.gateways.registry import get_billing_gateway
from django_stripe_gateway.gateways.values import Failure
from django_stripe_gateway.models import Subscription
from django_stripe_gateway.services.snapshots import SnapshotMismatch
from django_stripe_gateway.services.subscriptions.checkouts import note_checkout
from django_stripe_gateway.services.subscriptions.sync import lock_subscription
from django_stripe_gateway.services.transactions import payments_database
from django_stripe_gateway.webhooks.events import Event, clean_id
from django_stripe_gateway.webhooks.stripe.billing import speaks_for, verify_livemode
from django_stripe_gateway.webhooks.stripe.payments import apply_payment_event
from django_stripe_gateway.webhooks.stripe.registration import handles

logger = logging.getLogger(__name__)

# The session says no more than that it is unpaid; its intent's event brings the bank's own reason, if it comes first.
ASYNC_FAILURE = Failure(code="async_payment_failed", message="The bank did not make the payment.")


@handles(
    "checkout.session.completed",
    "checkout.session.async_payment_succeeded",
    "checkout.session.async_payment_failed",
    "checkout.session.expired",
)
def handle_checkout_session(event: Event) -> WebhookState:
    """Bring the payment to its session's state; note which subscription a page of subscriptions has started."""
    mode = event.object.get("mode")
    if mode == "subscription" and event.type in ("checkout.session.completed", "checkout.session.expired"):
        return _handle_subscription_page(event)
    if mode not in (None, "payment"):
        return WebhookState.IGNORED
    failed = event.type == "checkout.session.async_payment_failed"
    return apply_payment_event(event, "checkout.session", failure=ASYNC_FAILURE if failed else None)


def _handle_subscription_page(event: Event) -> WebhookState:
    """Note what a page was used for; the subscription's own events bring the rest."""
    rows = Subscription.objects.using(payments_database()).filter(variant__in=speaks_for(event))
    pk = rows.filter(checkout_id=clean_id(event.object.get("id"))).values_list("pk", flat=True).first()
    if pk is None or not event.object.get("id"):
        return WebhookState.UNMATCHED
    subscription = lock_subscription(pk)
    try:
        verify_livemode(event, subscription.livemode)
        page = get_billing_gateway(subscription.variant).read_subscription_checkout(event.object)
        note_checkout(subscription, page, event.origin)
    except (SnapshotMismatch, GatewayError) as mismatch:
        logger.error("The event %s contradicts subscription %s: %s.", event.id, subscription.pk, mismatch)
        return WebhookState.MISMATCHED
    return WebhookState.PROCESSED
