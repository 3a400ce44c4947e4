"""What a site must say of a customer's subscriptions, worked out from Stripe's objects alone, and what it says.

None of this is asked of the package: plans, limits and who has them are computed here by the documented rules.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from rest_framework.test import APIClient

from django_stripe_gateway.models import Invoice, Subscription
from django_stripe_gateway.services.subscriptions.plan_access import active_plan, has_plan
from tests.fake_stripe import FakeStripe

DAYS = {"month": 30, "year": 365}
ENDED = ("canceled", "incomplete_expired")


@dataclass(frozen=True)
class SoldPlan:
    """What the seller has put on the list: limits of everybody, and limits of each unit."""

    fixed: Mapping[str, int]
    each: Mapping[str, int] = field(default_factory=dict)
    is_add_on: bool = False

    def limits(self, quantity: int) -> dict[str, int]:
        """Return what so many of it allow."""
        return {**self.fixed, **{metric: limit * quantity for metric, limit in self.each.items()}}


class Truth:
    """What Stripe holds of one customer.

    Args:
        sold: the plans by their keys.
        plans: which plan a price at Stripe is of, by its product too: {"prod_…" or "price_…": key}.
        default: the plan of who has none.
    """

    def __init__(self, fake: FakeStripe, sold: Mapping[str, SoldPlan], plans: Mapping[str, str], default: str) -> None:
        self.fake, self.sold, self.plans, self.default = fake, sold, plans, default

    def subscriptions(self, customer_id: str) -> list[dict[str, Any]]:
        """Return a customer's subscriptions, the oldest first."""
        return [one for one in self.fake.all("subscription") if one["customer"] == customer_id]

    def invoices(self, customer_id: str) -> list[tuple[Any, ...]]:
        """Return the state of a customer's invoices that are drafts no more."""
        mine = [one for one in self.fake.all("invoice") if one["customer"] == customer_id]
        names = ("id", "status", "total", "amount_paid")
        return sorted(tuple(one[name] for name in names) for one in mine if one["status"] != "draft")

    def owing(self, customer_id: str) -> set[str]:
        """Return a customer's subscriptions with an invoice to pay, but for what a change costs that waits for that."""
        waiting = {one["latest_invoice"] for one in self.subscriptions(customer_id) if one["pending_update"]}
        mine = [one for one in self.fake.all("invoice") if one["customer"] == customer_id and one["total"] > 0]
        return {of_subscription(one) for one in mine if one["status"] in ("draft", "open") and one["id"] not in waiting}

    def charged(self) -> Counter[str]:
        """Return what was charged of each subscription, and is to be with its next invoice, less what was credited."""
        charged: Counter[str] = Counter()
        for invoice in self.fake.all("invoice"):
            charged[of_subscription(invoice)] += invoice["total"]
        for item in self.fake.all("invoiceitem"):
            charged[of_subscription(item)] += item["amount"] if item["invoice"] is None else 0
        return charged

    def plan_of(self, item: Mapping[str, Any]) -> str:
        """Return whose price an item is charged; empty for nobody's here."""
        price = item["price"]
        return self.plans.get(price["id"]) or self.plans.get(price["product"], "")

    def is_plan(self, item: Mapping[str, Any]) -> bool:
        """Return whether an item is of a plan, be it only what a meter counts of it."""
        key = self.plan_of(item)
        return bool(key) and not self.sold[key].is_add_on

    def main(self, found: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Return the item that is the plan: the dearest by the day, and a metered one only where there is no other.

        Of the prices of one plan, one that is sold comes first, then the one that was charged first.
        """
        items = found["items"]["data"]
        plans = [item for item in items if self.is_plan(item)]
        if plans:
            dearest = max(plans, key=rank)
            of_plan = [item for item in plans if self.plan_of(item) == self.plan_of(dearest)]
            return max(
                of_plan,
                key=lambda item: (
                    not is_metered(item),
                    item["price"]["id"] in self.plans,
                    -item["created"],
                    rank(item),
                ),
            )
        unknown = [item for item in items if not self.plan_of(item) and not is_metered(item)]
        return unknown[0] if len(unknown) == 1 else None

    def is_valid(self, found: Mapping[str, Any]) -> bool:
        """Return whether it gives anything: who pays late has paid before."""
        if found["status"] != "past_due":
            return found["status"] in ("active", "trialing")
        return any(
            invoice["amount_paid"] > 0 and invoice["status"] == "paid"
            for invoice in self.fake.all("invoice")
            if invoice["parent"] and invoice["parent"]["subscription_details"]["subscription"] == found["id"]
        )

    def row(self, found: Mapping[str, Any]) -> dict[str, Any]:
        """Return what the row of a subscription must hold."""
        main = self.main(found)
        pause = found["pause_collection"]
        # Pages of Stripe's name a date where they once set the flag.
        ends = {item["current_period_end"] for item in found["items"]["data"]}
        kept = "status cancel_at canceled_at ended_at trial_end collection_method"
        schedule = found["schedule"] if found["status"] not in ENDED else None
        return {
            **{name: found[name] for name in kept.split()},
            "cancel_at_period_end": found["cancel_at_period_end"] or found["cancel_at"] in ends,
            # Of one that is over Stripe makes a last invoice, and says no more of the subscription.
            "latest_invoice": None if found["status"] in ENDED else found["latest_invoice"],
            "pause": pause["behavior"] if pause else "",
            "schedule": schedule or "",
            "plan": self.plan_of(main) if main else "",
            "main": (main["id"], main["price"]["id"], main.get("quantity", 1)) if main else ("", "", 1),
            "period": (main["current_period_start"], main["current_period_end"]) if main else None,
            "items": sorted(
                (item["id"], item["price"]["id"], item.get("quantity", 1)) for item in found["items"]["data"]
            ),
        }

    def access(self, customer_id: str) -> dict[str, Any]:
        """Return the plan and the limits that a customer must have."""
        valid = [one for one in self.subscriptions(customer_id) if self.is_valid(one)]
        charged = [(number, item) for number, one in enumerate(valid) for item in one["items"]["data"]]
        mains = [(number, main) for number, one in enumerate(valid) if (main := self.main(one)) is not None]
        plans = [(number, main) for number, main in mains if self.is_plan(main)]
        best = max(plans, key=lambda found: (*rank(found[1])[:2], found[0]), default=None)
        main_ids = {main["id"] for _number, main in plans}
        having = [item for _number, item in charged if self.is_plan(item) and not is_metered(item)]
        having += [main for _number, main in plans if is_metered(main)]
        limits: dict[str, int] = {}
        for item in having:
            given = {**self.sold[self.default].limits(1), **self.sold[self.plan_of(item)].limits(quantity_of(item))}
            limits = {metric: max(limit, limits.get(metric, 0)) for metric, limit in given.items()}
        limits = limits or self.sold[self.default].limits(1)
        for _number, item in charged:
            if self.plan_of(item) and not self.is_plan(item):
                for metric, limit in self.sold[self.plan_of(item)].limits(quantity_of(item)).items():
                    limits[metric] = limits.get(metric, 0) + limit
        keys = {self.plan_of(item) for _number, item in charged if not is_metered(item) or item["id"] in main_ids}
        return {
            "active": self.plan_of(best[1]) if best else self.default,
            "has": (keys - {""}) | (set() if plans else {self.default}),
            "limits": limits,
        }


def of_subscription(charge: Mapping[str, Any]) -> str:
    """Return which subscription an invoice, or an item that waits for one, is of."""
    return str(charge["parent"]["subscription_details"]["subscription"])


def is_metered(item: Mapping[str, Any]) -> bool:
    """Return whether an item is charged by what a meter counts."""
    return bool(item["price"]["recurring"]["usage_type"] == "metered")


def quantity_of(item: Mapping[str, Any]) -> int:
    """Return how many of an item are charged."""
    return int(item.get("quantity", 1))


def rank(item: Mapping[str, Any]) -> tuple[bool, float, str]:
    """Return what plans are compared by."""
    price = item["price"]
    daily = price["unit_amount"] * quantity_of(item) / DAYS[price["recurring"]["interval"]]
    return not is_metered(item), daily, item["id"]


def row_as_known(row: Subscription) -> dict[str, Any]:
    """Return what a row holds, as ``Truth.row`` writes it."""
    moments = "cancel_at canceled_at ended_at trial_end".split()
    starts, ends = seconds(row.current_period_start), seconds(row.current_period_end)
    return {
        **{name: seconds(getattr(row, name)) for name in moments},
        "status": row.status,
        "cancel_at_period_end": row.cancel_at_period_end,
        "latest_invoice": None if row.has_ended else row.latest_invoice_id or None,
        "collection_method": row.collection_method,
        "pause": row.pause_behavior,
        "schedule": row.schedule_id,
        "plan": row.plan.slug if row.plan else "",
        "main": (row.item_id, row.price_id, row.quantity),
        "period": (starts, ends) if row.item_id else None,
        "items": sorted((item.provider_id, item.price_id, item.quantity) for item in row.items.all()),
    }


def invoices_as_known(rows: Iterable[Invoice]) -> list[tuple[Any, ...]]:
    """Return what rows of invoices hold, as ``Truth.invoices`` writes it."""
    return sorted(
        (row.provider_id, row.status, int(row.total * 100), int(row.amount_paid * 100))
        for row in rows
        if row.status != "draft"
    )


def access_as_known(owner: Any, client: APIClient, keys: Iterable[str]) -> dict[str, Any]:
    """Return what the site lets an owner have, as ``Truth.access`` writes it."""
    answer = client.get("/api/v1/subscriptions/me/limits/").json()
    plan = active_plan(owner)
    return {
        "active": plan.slug if plan else "",
        "has": {key for key in keys if has_plan(owner, key)},
        "limits": {limit["metric"]: limit["limit"] for limit in answer["limits"]},
    }


def seconds(moment: datetime | None) -> int | None:
    """Return a moment as Stripe writes it."""
    return None if moment is None else int(moment.timestamp())
