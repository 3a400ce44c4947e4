"""Short ways to subscription schedules, for their tests."""

from __future__ import annotations

from typing import Any

from tests.test_fake_stripe.billing_shop import BillingShop
from tests.test_fake_stripe.shop import plain

SCHEDULE = "subscription_schedule."


def prices(obj: dict[str, Any]) -> list[str]:
    """Return what a subscription or a phase sells."""
    items = obj["items"]["data"] if "object" in obj else obj["items"]
    return [item["price"]["id"] if isinstance(item["price"], dict) else item["price"] for item in items]


def kept(schedule: Any) -> dict[str, Any]:
    """Return the current phase as an update gives it again."""
    phase = plain(schedule)["phases"][-1]
    items = [{"price": item["price"], "quantity": item["quantity"]} for item in phase["items"]]
    return {"start_date": phase["start_date"], "end_date": phase["end_date"], "items": items}


def scheduled(billing: BillingShop, made: dict[str, Any], price: str, **params: Any) -> Any:
    """Let a subscription change to another price at the end of its period, as merchants do: in two requests."""
    schedule = billing.v1.subscription_schedules.create({"from_subscription": made["id"]})
    phases = [kept(schedule), {"items": [{"price": price, "quantity": 1}]}]
    return billing.v1.subscription_schedules.update(schedule.id, {"phases": phases, **params})
