"""Let a subscription change when its period ends, take that back, and let go of it where something else is wanted.

A change of that kind is a Subscription Schedule at the provider, of which a subscription has one at most. It is made in
two calls, so that a killed attempt can leave a schedule in which nothing changes: whoever comes next goes on with it.

A schedule of somebody else's may hold what the seller has agreed on with a customer. It is shown like ours, and no
request of a customer's undoes it, but one: who cancels loses a single change to come, which nobody would be charged.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django_stripe_gateway.choices import BillingOperationKind
from django_stripe_gateway.exceptions import (
    GatewayError,
    InvalidInput,
    ProviderStateError,
    ProviderUnavailable,
    UnsupportedByGateway,
    WrongState,
)
from django_stripe_gateway.gateways.billing import BillingGateway
from django_stripe_gateway.gateways.billing_values import (
    InvoiceSnapshot,
    ItemChange,
    SubscriptionChange,
    SubscriptionSnapshot,
)
from django_stripe_gateway.gateways.schedule_values import ScheduledChange, ScheduleSnapshot
from django_stripe_gateway.models import PlanPricing, Subscription, SubscriptionItem
from django_stripe_gateway.services.accounts import billing_gateway_of
from django_stripe_gateway.services.operations.verbs import register
from django_stripe_gateway.services.origins import SYSTEM, Origin
from django_stripe_gateway.services.subscriptions.credits import check_credit
from django_stripe_gateway.services.subscriptions.items import left_with_plan
from django_stripe_gateway.services.subscriptions.line import (
    CustomerClaim,
    SubscriptionVerb,
    check_changeable,
    run_on_subscription,
)
from django_stripe_gateway.services.subscriptions.metered import check_charged_once_changed
from django_stripe_gateway.services.subscriptions.one_bill import check_may_have
from django_stripe_gateway.services.subscriptions.plan_meters import with_next_plan
from django_stripe_gateway.services.subscriptions.planned_again import LET_GO, keep_plan
from django_stripe_gateway.services.subscriptions.previews import preview
from django_stripe_gateway.services.transactions import payments_database


class ScheduleChangeVerb(SubscriptionVerb):
    """Change price or quantity from the next period on."""

    kind = BillingOperationKind.SCHEDULE_CHANGE

    def check_subscription(self, claim: CustomerClaim, subscription: Subscription) -> None:
        """Let only what runs and goes on be changed, to something else than it would be in its next period."""
        check_may_schedule(subscription)
        params = claim.params
        params.update(_left(subscription, params))
        now = (subscription.price_id, subscription.quantity)
        wanted = _wanted(subscription, params)
        if wanted == (_planned(subscription) or now):
            raise InvalidInput("This would change nothing.", code="nothing_to_change")
        # What is charged now shall be charged on: there is nothing to plan.
        params["takes_back"] = wanted == now
        if params["plan_pk"] is not None:
            # Again, under the lock: another request may have subscribed to that plan meanwhile.
            check_may_have(subscription, params["plan_pk"])
            check_charged_once_changed(subscription, [params["price_id"]], params["left_item_ids"])
            pricing = PlanPricing.objects.using(payments_database()).get(pk=params["pricing_pk"])
            params["with_plan"] = with_next_plan(subscription, pricing, left_ids=params["left_item_ids"])

    def call(self, claim: CustomerClaim) -> SubscriptionSnapshot:
        """Plan the change, in the schedule that an earlier attempt or change has left, or in a new one."""
        gateway, subscription_id = claim.gateway, claim.seen.provider_id
        found: SubscriptionSnapshot = gateway.retrieve_subscription(subscription_id)
        if claim.params["takes_back"]:
            return _released(claim, found)
        change, schedule = _scheduled_change(claim.seen, claim.params, found), found.schedule
        if found.cancel_at_period_end or found.cancel_at is not None:
            # A schedule that goes on would take it back.
            raise _ends(ProviderStateError, is_agreed=not found.cancel_at_period_end)
        if schedule is None:
            schedule = gateway.start_schedule(subscription_id, idempotency_key=f"{claim.key}-start")
        elif _is_planned(schedule, change):
            return found
        elif not _may_go(schedule, claim.seen):
            raise _has_schedule()
        try:
            planned: SubscriptionSnapshot = gateway.schedule_change(schedule, change, idempotency_key=claim.key)
        except ProviderUnavailable:
            # Who carries it on finds the schedule.
            raise
        except GatewayError:
            if schedule.holds_nothing:
                # Nothing is planned in it, and nothing will be: it must not stand in anybody's way.
                gateway.release_schedule(schedule.schedule_id, idempotency_key=f"{claim.key}-release")
            raise
        return planned


class CancelChangeVerb(SubscriptionVerb):
    """Take back what was to change with the next period."""

    kind = BillingOperationKind.CANCEL_CHANGE

    def check_subscription(self, claim: CustomerClaim, subscription: Subscription) -> None:
        """Let only what is planned be taken back."""
        if subscription.scheduled_change_at is None:
            raise WrongState("Nothing is scheduled for this subscription.", code="nothing_scheduled")

    def call(self, claim: CustomerClaim) -> SubscriptionSnapshot:
        """Let the subscription go on without its schedule; one that has none any more is as it shall be."""
        found = claim.gateway.retrieve_subscription(claim.seen.provider_id)
        return _released(claim, found, whosever=claim.params["any_schedule"])


SCHEDULE_CHANGE = register(ScheduleChangeVerb())
CANCEL_CHANGE = register(CancelChangeVerb())


def schedule_change(
    subscription: Subscription,
    pricing: PlanPricing | None,
    asked: Mapping[str, Any],
    idempotency_key: str | None,
    origin: Origin,
) -> Subscription:
    """Let price or quantity change with the next period, in place of what was planned before.

    Args:
        asked: ``pricing_pk``, ``price_id``, ``quantity`` and ``plan_pk`` of the change, checked already.
    """
    params = {"plan_pk": asked["plan_pk"], "pricing_pk": asked["pricing_pk"], **_asked(subscription, pricing, asked)}
    return run_on_subscription(SCHEDULE_CHANGE, subscription, params, idempotency_key, origin)


def _asked(subscription: Subscription, pricing: PlanPricing | None, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a price and a quantity make a schedule hold."""
    item: PlanPricing | SubscriptionItem | None = pricing
    if item is None:
        item = subscription.items.using(payments_database()).filter(provider_id=subscription.item_id).first()
    plan = subscription.plan if pricing is None else pricing.plan
    return {
        "price_id": asked["price_id"],
        "quantity": asked["quantity"],
        "interval": (item.interval if item else "") or "month",
        "interval_count": item.interval_count if item else 1,
        "is_metered": item is not None and item.is_metered,
        "renews": plan is None or plan.auto_renew,
    }


def _left(subscription: Subscription, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Return which prices a schedule charges no more: the plan's, and what else ends with the plan."""
    left = left_with_plan(subscription, subscription.item_id, asked["plan_pk"], asked["price_id"])
    return {
        "from_price_id": subscription.price_id,
        "left_price_ids": [item.price_id for item in left],
        "left_item_ids": [item.provider_id for item in left],
    }


def cancel_change(
    *,
    subscription: Subscription,
    any_schedule: bool = False,
    idempotency_key: str | None = None,
    origin: Origin = SYSTEM,
) -> Subscription:
    """Take back the change that was scheduled for the end of the period; the subscription goes on as it is.

    Args:
        any_schedule: ``True`` also drops what somebody else has planned, in Stripe's Dashboard for instance.

    Raises:
        WrongState: nothing is scheduled ("nothing_scheduled"), or by somebody else ("has_schedule").
        UnsupportedByGateway: this provider cannot plan ahead.
        ProviderError: the provider refused or failed.
    """
    check_supports_schedules(subscription)
    return run_on_subscription(CANCEL_CHANGE, subscription, {"any_schedule": any_schedule}, idempotency_key, origin)


def preview_scheduled(
    subscription: Subscription, pricing: PlanPricing | None, asked: Mapping[str, Any]
) -> InvoiceSnapshot:
    """Return what the next period would cost after a change; nothing is changed.

    Args:
        asked: ``item_id``, ``price_id``, ``quantity`` and ``plan_pk`` of the change, checked already.
    """
    check_may_schedule(subscription)
    left_ids = _left(subscription, asked)["left_item_ids"]
    with_plan = with_next_plan(subscription, pricing, left_ids=left_ids)
    items = [
        ItemChange(asked["item_id"], asked["price_id"], asked["quantity"]),
        *(ItemChange(item_id, is_removed=True) for item_id in left_ids),
        *(ItemChange(price_id=price_id) for price_id in with_plan),
    ]
    return preview_with_schedule(subscription, pricing, asked, SubscriptionChange(items, proration="none"), later=True)


def preview_with_schedule(
    subscription: Subscription,
    pricing: PlanPricing | None,
    asked: Mapping[str, Any],
    change: SubscriptionChange,
    *,
    later: bool = False,
) -> InvoiceSnapshot:
    """Return what a change would cost that drops, as it is made, what a schedule holds.

    Args:
        asked: ``price_id``, ``quantity`` and ``plan_pk`` of the change, checked already.
        later: from the next period on.
    """

    def ask(gateway: BillingGateway) -> InvoiceSnapshot:
        check_credit(gateway, subscription, change)
        subscription_id, customer_id = subscription.provider_id or "", subscription.customer.provider_id or ""
        found = gateway.retrieve_subscription(subscription_id) if subscription.schedule_id else None
        if found is None or found.schedule is None or not found.schedule.is_running:
            return gateway.preview_change(subscription_id, customer_id, change)
        if not _may_go(found.schedule, subscription):
            raise _has_schedule()
        params = {**_asked(subscription, pricing, asked), **_left(subscription, asked)}
        params["with_plan"] = with_next_plan(subscription, pricing, left_ids=params["left_item_ids"])
        planned = _scheduled_change(subscription, params, found)
        return gateway.preview_schedule(found.schedule, planned, instead=None if later else change)

    return preview(subscription, ask)


def check_not_prorated(proration: str, proration_date: datetime | None) -> None:
    """Raise ``InvalidInput`` if a change at the period's end is to be prorated: there is nothing to share out."""
    if proration or proration_date is not None:
        field = "proration" if proration else "proration_date"
        raise InvalidInput("A change at the period's end is not prorated.", field=field)


def check_may_schedule(subscription: Subscription) -> None:
    """Raise if nothing can be planned for a subscription, which ends, or whose provider cannot plan."""
    check_supports_schedules(subscription)
    check_changeable(subscription)
    if subscription.cancel_at_period_end or subscription.cancel_at is not None:
        raise _ends(WrongState, subscription.ends_as_agreed)


def check_supports_schedules(subscription: Subscription) -> None:
    """Raise ``UnsupportedByGateway`` where the provider cannot plan ahead."""
    if not billing_gateway_of(subscription).supports_schedules:
        raise UnsupportedByGateway("This gateway cannot let a subscription change at the end of its period.")


def let_go(claim: CustomerClaim, *, of_one_change: bool = False) -> None:
    """Release the schedule of a subscription about which something else is asked, before that is called.

    If that is refused, what was planned is planned again.

    Args:
        of_one_change: also of a schedule of somebody else's that holds one change to come, and no more.

    Raises:
        ProviderStateError: somebody else has planned what becomes of it ("has_schedule").
    """
    if not claim.seen.schedule_id and LET_GO not in claim.params:
        return
    schedule = claim.gateway.retrieve_subscription(claim.seen.provider_id).schedule
    if schedule is None or not schedule.is_running:
        return
    if not (_may_go(schedule, claim.seen) or (of_one_change and schedule.is_one_change)):
        raise _has_schedule()
    keep_plan(claim, schedule)
    # A later attempt lets go of another one.
    key = f"{claim.key}-release-{schedule.schedule_id}"
    claim.gateway.release_schedule(schedule.schedule_id, idempotency_key=key)


def _released(claim: CustomerClaim, found: SubscriptionSnapshot, *, whosever: bool = False) -> SubscriptionSnapshot:
    """Release the schedule of a subscription, and return the subscription as it is without."""
    if found.schedule is None:
        return found
    if not (whosever or _may_go(found.schedule, claim.seen)):
        raise _has_schedule()
    claim.gateway.release_schedule(found.schedule.schedule_id, idempotency_key=f"{claim.key}-release")
    released: SubscriptionSnapshot = claim.gateway.retrieve_subscription(claim.seen.provider_id)
    return released


def _scheduled_change(
    subscription: Subscription, params: Mapping[str, Any], found: SubscriptionSnapshot
) -> ScheduledChange:
    """Return what is to be planned, from the end of the period that runs at the provider."""
    price_id = params["from_price_id"]
    at = next((item.current_period_end for item in found.items if item.price_id == price_id), None)
    if at is None:
        raise ProviderStateError("The subscription is not charged this price any more.", code="other_items")
    return ScheduledChange(
        at=at,
        from_price_id=price_id,
        price_id=params["price_id"] or price_id,
        quantity=params["quantity"],
        interval=params["interval"],
        interval_count=params["interval_count"],
        is_metered=params["is_metered"],
        renews=params["renews"],
        with_plan=params.get("with_plan", ()),
        metadata={"token": subscription.token},
        left_price_ids=params["left_price_ids"],
    )


def _wanted(subscription: Subscription, params: Mapping[str, Any]) -> tuple[str, int]:
    """Return price and quantity that are asked for; a meter's price has no quantity, which is kept as one."""
    quantity = 1 if params["is_metered"] else params["quantity"] or subscription.quantity
    return params["price_id"] or subscription.price_id, quantity


def _planned(subscription: Subscription) -> tuple[str, int | None] | None:
    if subscription.scheduled_change_at is None:
        return None
    return subscription.scheduled_price_id, subscription.scheduled_quantity


def _is_planned(schedule: ScheduleSnapshot, change: ScheduledChange) -> bool:
    """Return whether a schedule of ours holds a change already, as an earlier attempt has left it."""
    if not schedule.is_running or len(schedule.later) != 1 or schedule.ends == change.renews:
        return False
    (phase,) = schedule.later
    sold = {item.price_id: item.quantity for item in phase.items}
    is_quantity = change.is_metered or change.quantity is None or sold.get(change.price_id) == change.quantity
    is_sold = {change.price_id, *change.with_plan} <= sold.keys() and sold.keys().isdisjoint(change.left_price_ids)
    is_ours = schedule.metadata == change.metadata and phase.start == change.at
    return is_ours and is_sold and is_quantity


def _may_go(schedule: ScheduleSnapshot, subscription: Subscription) -> bool:
    """Return whether a schedule is ours to replace or to drop: by its mark, and because it holds no more than we plan.

    One that was edited since may hold another's terms.
    """
    is_ours = schedule.metadata.get("token") == subscription.token and len(schedule.later) <= 1
    return schedule.holds_nothing or is_ours


def _has_schedule() -> ProviderStateError:
    return ProviderStateError(
        "What becomes of this subscription is planned in a schedule that was not made here.", code="has_schedule"
    )


def _ends(kind: type[WrongState] | type[ProviderStateError], is_agreed: bool) -> WrongState | ProviderStateError:
    if is_agreed:
        return kind("This subscription ends on the date that was agreed on.", code="agreed_end")
    return kind("This subscription ends with its period. Resume it first.", code="ends_with_period")
