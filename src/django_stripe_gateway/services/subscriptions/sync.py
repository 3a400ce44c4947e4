"""Bring a subscription's row to what its provider says: the one place where that becomes our state."""

from __future__ import annotations

from typing import Any

from django.utils import timezone

from django_stripe_gateway.choices import SubscriptionLogEvent, SubscriptionStatus
from django_stripe_gateway.gateways.billing_values import SubscriptionSnapshot
from django_stripe_gateway.models import Customer, PlanPricing, Subscription
from django_stripe_gateway.services.arrivals import handle_arrivals
from django_stripe_gateway.services.origins import Origin
from django_stripe_gateway.services.snapshots import SnapshotMismatch, verify_lengths
from django_stripe_gateway.services.subscriptions.audit import Before, announce_change, log_subscription
from django_stripe_gateway.services.transactions import payments_database
from django_stripe_gateway.transitions import can_transition_subscription

# Fields of the row that carry the same name in the snapshot.
MIRRORED = (
    "quantity price_id item_id cancel_at_period_end cancel_at canceled_at ended_at start current_period_start "
    "current_period_end trial_start trial_end pause_behavior pause_resumes_at has_pending_update latest_invoice_id "
    "default_payment_method"
).split()
# What was known and then missing says that an old answer lacks it, not that it is gone.
KEPT_WHEN_MISSING = frozenset({"start", "current_period_start", "current_period_end", "item_id", "price_id"})
NEWS = ("provider_time", "fetched_at")


def apply_subscription(subscription: Subscription, snapshot: SubscriptionSnapshot, origin: Origin) -> bool:
    """Move the locked ``subscription`` to what ``snapshot`` says, as far as the transition table allows.

    The caller has seen to it that the snapshot is newer than the row, and has noted so on the row.

    Returns:
        Whether anything changed that people are told of.

    Raises:
        SnapshotMismatch: ids or live mode contradict the row.
    """
    verify_subscription(subscription, snapshot)
    before = Before.of(subscription)
    old = _values(subscription)
    subscription.provider_id = snapshot.subscription_id
    # What has ended stays as it was when it ended, but for the ids.
    if not subscription.has_ended:
        _take_status(subscription, snapshot)
        _take_values(subscription, snapshot)
    changed = [name for name, value in _values(subscription).items() if value != old[name]]
    if "provider_id" in changed:
        handle_arrivals(snapshot.subscription_id)
    subscription.save(using=payments_database(), update_fields=[*changed, *NEWS, "modified"])
    if not changed:
        return False
    announce_change(subscription, before, changed, origin)
    return True


def verify_subscription(subscription: Subscription, snapshot: SubscriptionSnapshot) -> None:
    """Compare what a provider claims with the row; see ``apply_subscription`` for what is raised."""
    verify_lengths(subscription, snapshot, MIRRORED)
    if subscription.provider_id and snapshot.subscription_id != subscription.provider_id:
        raise SnapshotMismatch("subscription differs")
    if snapshot.customer_id and not subscription.customer.is_known_as(snapshot.customer_id):
        raise SnapshotMismatch("customer differs")
    if snapshot.livemode is not None and snapshot.livemode != subscription.livemode:
        raise SnapshotMismatch("live mode differs")


def add_subscription(customer: Customer, snapshot: SubscriptionSnapshot, origin: Origin) -> Subscription:
    """Store a subscription that was made elsewhere (the Dashboard, another system) for a customer of ours."""
    subscription = Subscription(
        customer=customer,
        variant=customer.variant,
        provider_id=snapshot.subscription_id,
        livemode=bool(snapshot.livemode),
        metadata=dict(snapshot.metadata),
    )
    subscription.save(using=payments_database())
    handle_arrivals(snapshot.subscription_id)
    log_subscription(subscription, SubscriptionLogEvent.CREATED, origin, "found at the provider")
    return subscription


def find_pricing(variant: str, price_id: str) -> PlanPricing | None:
    """Return the price that the provider knows as ``price_id``."""
    if not price_id:
        return None
    rows = PlanPricing.objects.using(payments_database()).select_related("plan")
    return rows.filter(variant=variant, stripe_price_id=price_id).first()


def _take_status(subscription: Subscription, snapshot: SubscriptionSnapshot) -> None:
    target = snapshot.status
    if target == subscription.status or not can_transition_subscription(subscription.status, target):
        return
    subscription.status = target
    if target == SubscriptionStatus.PAST_DUE:
        subscription.past_due_since = subscription.past_due_since or timezone.now()
    elif target != SubscriptionStatus.UNPAID:
        subscription.past_due_since = None


def _take_values(subscription: Subscription, snapshot: SubscriptionSnapshot) -> None:
    for name in MIRRORED:
        value = getattr(snapshot, name)
        if not value and name in KEPT_WHEN_MISSING:
            continue
        setattr(subscription, name, value)
    if snapshot.price_id and (
        subscription.pricing is None or subscription.pricing.stripe_price_id != snapshot.price_id
    ):
        pricing = find_pricing(subscription.variant, snapshot.price_id)
        subscription.pricing = pricing
        # A price that is unknown here says nothing of the plan.
        subscription.plan = pricing.plan if pricing is not None else None


def _values(subscription: Subscription) -> dict[str, Any]:
    names = ("status", "provider_id", "past_due_since", *MIRRORED)
    return {name: getattr(subscription, name) for name in names} | {
        "pricing": subscription.pricing_id,
        "plan": subscription.plan_id,
    }
