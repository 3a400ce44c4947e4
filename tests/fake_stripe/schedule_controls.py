"""What tests make the merchant's Dashboard do about subscription schedules."""

from __future__ import annotations

from typing import Any

from tests.fake_stripe import scheduling
from tests.fake_stripe.controls import Controls, Events
from tests.fake_stripe.state import Object, Scope


class ScheduleControls(Controls):
    """Methods of `FakeStripe`. Those that make events return them, in their order, as those of `Controls` do."""

    def schedule_subscription(
        self,
        subscription_id: str,
        phases: list[dict[str, Any]] | None = None,
        *,
        end_behavior: str = "release",
        deliver: bool = True,
    ) -> Events:
        """Let the merchant give a subscription a schedule; `phases`, as in the API, follow its current period."""

        def change(scope: Scope, subscription: Object) -> None:
            schedule = scheduling.create(scope, {"from_subscription": subscription["id"]})
            (first,) = schedule["phases"]
            names = ("start_date", "end_date", "items", "proration_behavior")
            kept = {name: first[name] for name in names}
            kept["items"] = [
                {name: item[name] for name in item if name in {"price", "quantity"}} for item in kept["items"]
            ]
            kept["discounts"] = [{"discount": item["discount"]} for item in first["discounts"]]
            if first["trial_end"]:
                kept["trial_end"] = first["trial_end"]
            scheduling.update(scope, schedule, {"end_behavior": end_behavior, "phases": [kept, *(phases or [])]})

        return self.act(subscription_id, change, deliver=deliver)

    def release_schedule(self, schedule_id: str, *, deliver: bool = True) -> Events:
        """Let the merchant stop a schedule; its subscription goes on."""
        return self.act(schedule_id, lambda scope, found: scheduling.release(scope, found, {}), deliver=deliver)

    def cancel_schedule(self, schedule_id: str, *, deliver: bool = True) -> Events:
        """Let the merchant end a schedule, and its subscription with it."""
        return self.act(schedule_id, lambda scope, found: scheduling.cancel(scope, found, {}), deliver=deliver)


#: What may be called over HTTP, at `/_fake/control/<name>`, besides what the other controls offer.
SCHEDULES_OVER_HTTP = ("schedule_subscription", "release_schedule", "cancel_schedule")
