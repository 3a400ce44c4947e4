"""Renewals that are announced, some days before, by an invoice that is not there yet."""

from __future__ import annotations

import logging

from django.utils import timezone

from django_stripe_gateway import signals
from django_stripe_gateway.choices import WebhookState
from django_stripe_gateway.gateways.stripe.fields import moment
from django_stripe_gateway.services.snapshots import SnapshotMismatch
from django_stripe_gateway.services.subscriptions.announcements import announce
from django_stripe_gateway.webhooks.events import Event, clean_id
from django_stripe_gateway.webhooks.stripe.billing import find_subscription, read_invoice, verify_account
from django_stripe_gateway.webhooks.stripe.registration import handles

logger = logging.getLogger(__name__)


@handles("invoice.upcoming")
def handle_upcoming(event: Event) -> WebhookState:
    """Announce a renewal, unless the subscription ends before, or it is over already.

    The days before are set in the account (https://docs.stripe.com/api/events/types#event_types-invoice.upcoming).
    """
    said = read_invoice(event)
    if said is None:
        return WebhookState.MISMATCHED
    subscription = find_subscription(event, clean_id(said.subscription_id))
    if subscription is None:
        return WebhookState.PROCESSED
    try:
        verify_account(event, subscription)
        if said.customer_id and not subscription.customer.is_known_as(said.customer_id):
            raise SnapshotMismatch("customer differs")
    except SnapshotMismatch as mismatch:
        logger.error("The event %s contradicts subscription %s: %s.", event.id, subscription.pk, mismatch)
        return WebhookState.MISMATCHED
    # Its own period is the one that ends with the renewal; what its lines are for begins then, or is over.
    renews_at = moment(event.object.get("period_end")) or subscription.current_period_end
    if renews_at is not None and renews_at > timezone.now() and not subscription.is_cancelled:
        announce(
            signals.subscription_renewal_coming,
            subscription,
            renews_at=renews_at,
            amount=said.amount_due,
            currency=said.currency,
        )
    return WebhookState.PROCESSED
