"""Subscription schedules, ours and those that were made at Stripe: what they plan is shown on their subscriptions."""

from __future__ import annotations

import logging

from django_stripe_gateway.choices import SubscriptionLogEvent, WebhookState
from django_stripe_gateway.exceptions import ProviderError
from django_stripe_gateway.gateways.billing_values import SubscriptionSnapshot
from django_stripe_gateway.gateways.registry import get_billing_gateway
from django_stripe_gateway.gateways.schedule_values import ScheduleSnapshot
from django_stripe_gateway.models import Subscription
from django_stripe_gateway.services.audit import write_log
from django_stripe_gateway.services.snapshots import SnapshotMismatch
from django_stripe_gateway.services.subscriptions.identity import find_subscription_row
from django_stripe_gateway.services.subscriptions.scheduled import is_known
from django_stripe_gateway.services.subscriptions.sync import apply_subscription, lock_subscription
from django_stripe_gateway.webhooks.events import Event, clean_id
from django_stripe_gateway.webhooks.stripe.billing import newest_of, speaks_for, verify_account
from django_stripe_gateway.webhooks.stripe.registration import handles

logger = logging.getLogger(__name__)


@handles(
    "subscription_schedule.created",
    "subscription_schedule.updated",
    "subscription_schedule.released",
    "subscription_schedule.completed",
    "subscription_schedule.canceled",
    "subscription_schedule.aborted",
)
def handle_schedule(event: Event) -> WebhookState:
    """Bring the subscription of a schedule to its provider's state, unless it has what the schedule says."""
    schedule = _read(event)
    if schedule is None:
        return WebhookState.MISMATCHED
    subscription_id = clean_id(schedule.subscription_id)
    if not subscription_id:
        # It is to make its subscription later.
        return WebhookState.PROCESSED
    pk = find_subscription_row(speaks_for(event), subscription_id)
    if pk is None:
        return WebhookState.UNMATCHED
    subscription = lock_subscription(pk)
    try:
        verify_account(event, subscription)
        if not is_known(subscription, schedule):
            _look(event, subscription)
    except SnapshotMismatch as mismatch:
        logger.error("The event %s contradicts subscription %s: %s.", event.id, subscription.pk, mismatch)
        write_log(subscription, SubscriptionLogEvent.MISMATCH, event.origin, str(mismatch), {"type": event.type})
        return WebhookState.MISMATCHED
    return WebhookState.PROCESSED


def _look(event: Event, subscription: Subscription) -> None:
    """Ask for the subscription: an event about its schedule may be older than what is known."""
    gateway, subscription_id = get_billing_gateway(subscription.variant), subscription.provider_id or ""
    nothing: SubscriptionSnapshot | None = None
    newest = newest_of(
        event,
        subscription,
        nothing,
        retrieve=lambda: gateway.retrieve_subscription(subscription_id),
        is_over=subscription.has_ended,
        is_in_doubt=True,
    )
    if newest is not None:
        apply_subscription(subscription, newest, event.origin, said_at=event.created)


def _read(event: Event) -> ScheduleSnapshot | None:
    try:
        if event.object.get("object") != "subscription_schedule":
            raise ProviderError("the event is not about a schedule")
        return get_billing_gateway(event.variant).read_schedule(event.object)
    except (ProviderError, RecursionError):
        logger.error("The event %s (%s) holds no readable schedule.", event.id, event.type)
        return None
