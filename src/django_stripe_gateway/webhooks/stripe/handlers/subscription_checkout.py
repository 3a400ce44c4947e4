"""Checkout Sessions in subscription mode: used, or never used."""

from __future__ import annotations

import logging

from django_stripe_gateway.choices import WebhookState
from django_stripe_gateway.exceptions import GatewayError
from django_stripe_gateway.gateways.registry import get_billing_gateway
from django_stripe_gateway.models import Subscription
from django_stripe_gateway.services.snapshots import SnapshotMismatch
from django_stripe_gateway.services.subscriptions.checkouts import note_checkout
from django_stripe_gateway.services.subscriptions.sync import lock_subscription
from django_stripe_gateway.services.transactions import payments_database
from django_stripe_gateway.webhooks.events import Event, clean_id
from django_stripe_gateway.webhooks.stripe.billing import speaks_for, verify_livemode
from django_stripe_gateway.webhooks.stripe.registration import handles

logger = logging.getLogger(__name__)


@handles("checkout.session.completed", "checkout.session.expired")
def handle_subscription_checkout(event: Event) -> WebhookState:
    """Note which subscription a page has started; the subscription's own events bring the rest."""
    if event.object.get("mode") != "subscription":
        return WebhookState.IGNORED
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
