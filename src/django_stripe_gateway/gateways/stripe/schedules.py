"""Subscription Schedules at Stripe: what becomes of a subscription when its period ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from django_stripe_gateway.exceptions import ProviderStateError
from django_stripe_gateway.gateways.billing_values import InvoiceSnapshot, SubscriptionChange, SubscriptionSnapshot
from django_stripe_gateway.gateways.schedule_values import ScheduledChange, ScheduleSnapshot
from django_stripe_gateway.gateways.scheduling import ScheduleGateway
from django_stripe_gateway.gateways.stripe.billing_objects import invoice_snapshot
from django_stripe_gateway.gateways.stripe.calls import ask, seconds
from django_stripe_gateway.gateways.stripe.fields import Object, reads
from django_stripe_gateway.gateways.stripe.schedule_objects import schedule_snapshot
from django_stripe_gateway.gateways.stripe.whole_subscriptions import (
    Answer,
    StripeWholeSubscriptions,
    subscription_answer,
)

# The version that refuses a number of iterations as the length of a phase, and takes a duration instead.
ITERATIONS_GONE = "2025-09-30"
# What a phase sells, with the products that the prices are of.
PRICES = "phases.items.price"
# What is charged, as a phase and the settings of all phases name it.
METHOD = "default_payment_method"
# What one phase says of its own time.
OF_ONE_PHASE = frozenset({"start_date", "end_date", "trial_end", "billing_cycle_anchor", "proration_behavior"})


class StripeSchedules(StripeWholeSubscriptions, ScheduleGateway):
    """Plans ahead in one Stripe account."""

    supports_schedules = True

    def start_schedule(self, subscription_id: str, *, idempotency_key: str) -> ScheduleSnapshot:
        """Give a subscription a schedule, which Stripe makes of it as it is: it takes nothing else in this call."""
        params = {"from_subscription": subscription_id, "expand": [PRICES]}
        create = self.v1.subscription_schedules.create
        return self._send(create, schedule_snapshot, idempotency_key, params=params, about_state=True)

    def schedule_change(
        self, schedule: ScheduleSnapshot, change: ScheduledChange, *, idempotency_key: str
    ) -> SubscriptionSnapshot:
        """Let a schedule hold the present phase, until the period ends, and one in which one price is another.

        A payment method that the present phase has is kept as the schedule's own, in the one place where Stripe keeps
        that of a subscription of which it makes a schedule. Without any, Stripe says, the customer's default one is
        charged, and most customers of a subscription with its own have none.
        """
        planned = self._planned(schedule, change)
        present, following = planned["phases"]
        if following["items"] == present["items"]:
            raise ProviderStateError("The subscription is not charged this price any more.", code="other_items")
        params = {**planned, "metadata": dict(change.metadata), "expand": ["subscription", PRICES]}
        if own := schedule.present.get(METHOD):
            params["default_settings"] = {METHOD: own}
        update = self.v1.subscription_schedules.update
        return self._whole(
            self._send(update, _subscription_of, idempotency_key, schedule.schedule_id, params=params, about_state=True)
        )

    def clear_schedule_payment_method(self, schedule: ScheduleSnapshot, *, idempotency_key: str) -> ScheduleSnapshot:
        """Take what a schedule has in its settings, and what its phases have, which are sent anew as a whole."""
        params: dict[str, Any] = {
            "default_settings": {METHOD: ""},
            "proration_behavior": "none",
            "expand": [PRICES],
        }
        phases = [phase for phase in (schedule.present, *schedule.following) if phase]
        if any(METHOD in phase for phase in phases):
            params["phases"] = [{name: phase[name] for name in phase if name != METHOD} for phase in phases]
        update = self.v1.subscription_schedules.update
        return self._send(
            update, schedule_snapshot, idempotency_key, schedule.schedule_id, params=params, about_state=True
        )

    def preview_schedule(
        self, schedule: ScheduleSnapshot, change: ScheduledChange, *, instead: SubscriptionChange | None = None
    ) -> InvoiceSnapshot:
        """Return the invoice to come: Stripe shows that of the schedule, and of its subscription no other."""
        details = self._planned(schedule, change) if instead is None else self._at_once(schedule, change, instead)
        params = {"customer": schedule.customer_id, "schedule": schedule.schedule_id, "schedule_details": details}
        return ask(lambda: self.v1.invoices.create_preview(params=params), invoice_snapshot, about_state=True)

    def retrieve_schedule(self, schedule_id: str) -> ScheduleSnapshot:
        """Ask where a schedule stands."""
        params = {"expand": [PRICES]}
        return ask(lambda: self.v1.subscription_schedules.retrieve(schedule_id, params=params), schedule_snapshot)

    def release_schedule(self, schedule_id: str, *, idempotency_key: str) -> ScheduleSnapshot:
        """Let a subscription go on as it is; the end that the schedule has set on it would go too, unless kept."""
        params = {"preserve_cancel_date": True}
        release = self.v1.subscription_schedules.release
        return self._send(release, schedule_snapshot, idempotency_key, schedule_id, params=params, about_state=True)

    def read_schedule(self, obj: Mapping[str, Any]) -> ScheduleSnapshot:
        """Return the snapshot of an event's object, of whichever API generation."""
        return schedule_snapshot(obj)

    def _planned(self, schedule: ScheduleSnapshot, change: ScheduledChange) -> dict[str, Any]:
        present = {**schedule.present, "end_date": seconds(change.at)}
        present.pop(METHOD, None)
        following = {name: value for name, value in present.items() if name not in OF_ONE_PHASE}
        following["items"] = self._changed(following["items"], change)
        return {
            "phases": [present, {**following, "proration_behavior": "none", **self._length(change)}],
            "end_behavior": "release" if change.renews else "cancel",
            # Nothing of the present phase changes.
            "proration_behavior": "none",
        }

    def _at_once(
        self, schedule: ScheduleSnapshot, change: ScheduledChange, instead: SubscriptionChange
    ) -> dict[str, Any]:
        present = {**schedule.present, "end_date": seconds(change.at)}
        present["items"] = self._changed(present["items"], change)
        if instead.ends_trial:
            present.pop("trial_end", None)
        elif instead.trial_end is not None:
            present["trial_end"] = seconds(instead.trial_end)
        # An end that the schedule has set already stays.
        has_end = schedule.ends and not schedule.later
        ends = has_end if instead.cancel_at_period_end is None else instead.cancel_at_period_end
        return {
            "phases": [present],
            "end_behavior": "cancel" if ends else "release",
            "proration_behavior": instead.proration,
        }

    def _changed(self, items: Sequence[Mapping[str, Any]], change: ScheduledChange) -> list[dict[str, Any]]:
        """Return the items of a phase after a change: those that it is not about stay."""
        changed = [dict(item) for item in items if item["price"] not in change.left_price_ids]
        for item in changed:
            if item["price"] != change.from_price_id:
                continue
            item["price"] = change.price_id
            if change.is_metered:
                item.pop("quantity", None)
            elif change.quantity is not None:
                item["quantity"] = change.quantity
        sold = {item["price"] for item in changed}
        return changed + [{"price": price_id} for price_id in change.with_plan if price_id not in sold]

    def _length(self, change: ScheduledChange) -> dict[str, Any]:
        if self.account.api_version and self.account.api_version < ITERATIONS_GONE:
            return {"iterations": 1}
        return {"duration": {"interval": change.interval, "interval_count": change.interval_count}}


@reads("a subscription schedule")
def _subscription_of(obj: Object) -> Answer:
    schedule, (found, subscription) = schedule_snapshot(obj), subscription_answer(obj["subscription"])
    return replace(found, schedule_id=schedule.schedule_id, schedule=schedule), subscription
