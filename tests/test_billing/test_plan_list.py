"""What the list of plans shows: plans or add-ons, and only what everybody may choose."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from rest_framework.test import APIClient

from tests.billing_factories import make_plan, make_pricing
from tests.test_webhooks.test_cost import counted

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def catalogue() -> None:
    """A plan with several prices, an add-on, and what nobody sees."""
    gold = make_plan("gold")
    make_pricing(gold, is_default=True, lookup_key="gold")
    make_pricing(gold, amount=Decimal(5), is_public=False)
    make_pricing(gold, amount=Decimal(6), is_active=False)
    make_pricing(gold, amount=Decimal("0.0004"), usage_type="metered", metric="calls")
    gold.limits.create(metric="minutes", limit=5, is_per_unit=True)
    extra = make_plan("extra", is_add_on=True)
    make_pricing(extra, may_be_added=True)
    make_pricing(make_plan("deal"), is_public=False)
    make_pricing(make_plan("old", is_active=False))
    make_plan("free", is_default=True)


def listed(**query: Any) -> Any:
    return APIClient().get("/api/v1/subscriptions/plans/", query)


def test_plans() -> None:
    gold, free = listed().json()["results"]
    assert (gold["slug"], free["slug"], free["pricing"]) == ("gold", "free", [])
    by_use, main = gold["pricing"]
    assert {name: main[name] for name in ("amount", "is_default", "usage_type", "metric", "lookup_key")} == {
        **{"amount": "20.00", "is_default": True, "usage_type": "licensed", "metric": "", "lookup_key": "gold"}
    }
    assert (by_use["amount"], by_use["usage_type"], by_use["metric"]) == ("0.0004", "metered", "calls")
    assert [limit["is_per_unit"] for limit in gold["limits"]] == [True]
    assert listed(kind="plan").json() == listed().json()


def test_price_that_the_provider_does_not_have() -> None:
    make_pricing(make_plan("new"), stripe_price_id=None)
    assert {plan["slug"]: plan["pricing"] for plan in listed().json()["results"]}["new"] == []


def test_add_ons() -> None:
    (extra,) = listed(kind="add_on").json()["results"]
    assert (extra["slug"], extra["pricing"][0]["may_be_added"]) == ("extra", True)


@pytest.mark.parametrize("kind", ["", "metered", "Plan"])
def test_kind__refused(kind: str) -> None:
    answer = listed(kind=kind)
    assert (answer.status_code, answer.json()["field"]) == (400, "kind")


def test_cost() -> None:
    for query in ({}, {"kind": "add_on"}):
        with counted() as cost:
            assert listed(**query).status_code == 200
        assert len(cost.statements) == 3
