"""What is told of a change of a subscription: a line of the audit trail and signals, both effective on commit."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django_stripe_gateway import signals
from django_stripe_gateway.choices import SubscriptionLogEvent, SubscriptionStatus
from django_stripe_gateway.models import PlanPricing, Subscription
from django_stripe_gateway.services.audit import send_on_commit, write_log
from django_stripe_gateway.services.origins import Origin
from django_stripe_gateway.transitions import ENDED_SUBSCRIPTIONS

BEFORE_USE = (SubscriptionStatus.STARTING, SubscriptionStatus.INCOMPLETE)


@dataclass(frozen=True, slots=True)
class Before:
    """What a subscription was before a change, as far as anybody is told of it."""

    status: str
    pricing: PlanPricing | None
    price_id: str
    quantity: int
    is_cancelled: bool
    is_paused: bool
    current_period_end: datetime | None

    @classmethod
    def of(cls, subscription: Subscription) -> Before:
        """Return what ``subscription`` is now."""
        return cls(
            status=subscription.status,
            pricing=subscription.pricing,
            price_id=subscription.price_id,
            quantity=subscription.quantity,
            is_cancelled=subscription.is_cancelled,
            is_paused=subscription.is_paused,
            current_period_end=subscription.current_period_end,
        )


log_subscription = write_log


def announce_change(subscription: Subscription, before: Before, changed: list[str], origin: Origin) -> None:
    """Log what has changed and tell receivers."""
    if subscription.status != before.status:
        message = f"{before.status} → {subscription.status}"
        data = {"from": before.status, "to": subscription.status}
        log_subscription(subscription, SubscriptionLogEvent.STATUS_CHANGED, origin, message, data)
    if other := sorted(set(changed) - {"status"}):
        log_subscription(subscription, SubscriptionLogEvent.UPDATED, origin, ", ".join(other))
    _announce_status(subscription, before)
    _announce_rest(subscription, before)


def _announce_status(subscription: Subscription, before: Before) -> None:
    status, previous = subscription.status, before.status
    if status == previous:
        return
    if previous in BEFORE_USE and status not in (*BEFORE_USE, *ENDED_SUBSCRIPTIONS):
        # What is late already was active before, even if nobody has told us so.
        tell(signals.subscription_activated, subscription)
    if status == SubscriptionStatus.PAST_DUE:
        tell(signals.subscription_past_due, subscription)
    elif status == SubscriptionStatus.INCOMPLETE_EXPIRED:
        tell(signals.subscription_expired, subscription)
    elif status == SubscriptionStatus.CANCELED:
        if not before.is_cancelled:
            tell(signals.subscription_cancelled, subscription)
        tell(signals.subscription_ended, subscription)


def _announce_rest(subscription: Subscription, before: Before) -> None:
    if before.status != SubscriptionStatus.STARTING:
        is_other_price = subscription.price_id != before.price_id
        if (is_other_price and before.price_id) or subscription.quantity != before.quantity:
            tell(
                signals.subscription_changed,
                subscription,
                previous_pricing=before.pricing,
                previous_quantity=before.quantity,
            )
        _announce_cancellation(subscription, before)
    if subscription.is_paused != before.is_paused and not subscription.has_ended:
        tell(signals.subscription_paused if subscription.is_paused else signals.subscription_unpaused, subscription)


def _announce_cancellation(subscription: Subscription, before: Before) -> None:
    plan = subscription.plan
    if subscription.has_ended or (plan is not None and not plan.auto_renew):
        # Nobody has cancelled a plan that does not renew.
        return
    if subscription.is_cancelled and not before.is_cancelled:
        tell(signals.subscription_cancelled, subscription)
    elif before.is_cancelled and not subscription.is_cancelled:
        tell(signals.subscription_resumed, subscription)


def tell(signal: Any, subscription: Subscription, **values: Any) -> None:
    """Send ``signal`` about ``subscription`` after the transaction."""
    send_on_commit(signal, Subscription, subscription=subscription, **values)
