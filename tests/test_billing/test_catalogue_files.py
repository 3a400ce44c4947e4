"""A host's own catalogue: what a file may hold, what is refused, and that the rows are what it says."""

from __future__ import annotations

import json
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.core.management.base import CommandError
from hypothesis import given
from hypothesis import strategies as st

from django_stripe_gateway.exceptions import InvalidInput
from django_stripe_gateway.models import Plan, PlanLimit, PlanPricing
from django_stripe_gateway.services.catalogue.files import read_catalogue_file, read_plans
from tests.fake_stripe.server import FakeStripe
from tests.test_billing.catalogue_shop import seed

EXAMPLE = Path(__file__).parent.parent.parent / "docs" / "howto" / "examples" / "plans.yaml"
GOLD: dict[str, Any] = {"slug": "gold", "name": "Gold"}


def faults(*plans: Any, **top: Any) -> list[str]:
    """Return what is wrong with some plans."""
    return read_plans({"plans": list(plans)} | top, currency="USD")[1]


def gold(**fields: Any) -> dict[str, Any]:
    return GOLD | fields


def priced(**fields: Any) -> dict[str, Any]:
    return gold(prices=[{"amount": "5"} | fields])


def limited(**fields: Any) -> dict[str, Any]:
    return gold(limits=[{"metric": "minutes", "limit": 5} | fields])


@pytest.mark.parametrize(
    ("plan", "fault"),
    [
        ("gold", "plans[0]: must be a mapping of keys to values"),
        ({"name": "Gold"}, "plans[0]: slug is missing"),
        (gold(name=" "), "plans[0] (gold): name is empty"),
        (gold(name="x" * 129), "plans[0] (gold): name has more than 128 characters"),
        (gold(slug="go ld"), "plans[0] (go ld): slug may have letters, digits, hyphens and underscores only"),
        (gold(nmae="x"), "plans[0] (gold): unknown key 'nmae'; there are slug, name"),
        (gold(auto_renew="yes"), "plans[0] (gold): auto_renew must be true or false, not 'yes'"),
        (gold(position=-1), "plans[0] (gold): position must be from 0 to 32767, not -1"),
        (gold(position=True), "plans[0] (gold): position must be a whole number, not True"),
        (gold(prices={}), "plans[0] (gold): prices must be a list, not {}"),
        (gold(default=True, active=False), "plans[0] (gold): The default plan must be active."),
        (gold(prices=[{"amount": 5}, {"amount": "5.00"}]), "plans[0] (gold): two prices are the same"),
        (gold(prices=[{}]), "plans[0] (gold), prices[0]: amount is missing"),
        (priced(amount="9.999"), "plans[0] (gold), prices[0] (9.999): amount: USD amounts must be multiples of 0.01."),
        (priced(amount="lots"), "plans[0] (gold), prices[0] (lots): amount must be a number, such as 9.99"),
        (priced(amount=5.5), "plans[0] (gold), prices[0]: amount must be a number, such as 9.99, not 5.5"),
        (priced(amount=-1), "plans[0] (gold), prices[0] (-1): amount: The amount must not be negative."),
        (priced(currency="XXX"), "plans[0] (gold), prices[0] (5): currency: This is not a currency"),
        (priced(usage_type="metered"), "price 5.00 USD: A metered price needs a metric."),
        (priced(metric="calls"), "price 5.00 USD: Only a metered price has a metric."),
        (
            priced(usage_type="metered", metric="calls", per_seat=True),
            "price 5.00 USD: A metered price is charged by use, not per seat.",
        ),
        (priced(usage_type="tiered"), "usage_type must be one of licensed, metered, not 'tiered'"),
        (
            priced(amount="0.000000001", usage_type="metered", metric="calls"),
            "amount: The amount of one unit has at most 8 decimals, and 15 digits.",
        ),
        (priced(amount="0.0004"), "amount: USD amounts must be multiples of 0.01."),
        (priced(default=True, public=False), "The default price must be public."),
        (priced(customers_may_add=True), "Customers can add add-ons and metered prices only."),
        (priced(customers_may_add=True, public=False) | {"add_on": True}, "Customers can add public prices only."),
        (priced(trial_days=3) | {"add_on": True}, "An add-on has no trial: its plan has."),
        (priced(trial_days=3) | {"auto_renew": False}, "A plan that does not renew has no trial"),
        (priced(lookup_key="x" * 201), "lookup_key has more than 200 characters"),
        (gold(default=True, add_on=True), "plans[0] (gold): An add-on cannot be the default plan."),
        (gold(add_on=True, auto_renew=False), "An add-on renews with the plan that it was added to."),
        (
            gold(prices=[{"amount": 5, "default": True}, {"amount": 50, "interval": "year", "default": True}]),
            "plans[0] (gold): Only one price in USD can be the default.",
        ),
        (
            gold(prices=[{"amount": 5, "lookup_key": "a"}, {"amount": 50, "interval": "year", "lookup_key": "a"}]),
            "plans[0] (gold): Only one price can have the lookup key a.",
        ),
        (priced(interval="decade"), "interval must be one of day, week, month, year, not 'decade'"),
        (priced(amount=1_000_000), "amount: A price in USD is 999999.99 at most."),
        (priced(amount=100_000_000, currency="JPY"), "amount: A price in JPY is 99999999 at most."),
        (priced(amount="1000000.5", usage_type="metered", metric="calls"), "A price in USD is 999999.99 at most."),
        (priced(interval_count=37), "price 5.00 USD: A price covers three years at most: 36 of these intervals."),
        (priced(interval="year", interval_count=4), "three years at most: 3 of these intervals."),
        (priced(interval="week", interval_count=157), "three years at most: 156 of these intervals."),
        (priced(interval="day", interval_count=1096), "three years at most: 1095 of these intervals."),
        (priced(trial_days=731), "price 5.00 USD: A trial has 730 days at most."),
        (gold(description="x" * 40_001), "plans[0] (gold): A description has 40000 characters at most."),
        (priced(interval_count=0), "interval_count must be from 1 to 32767, not 0"),
        (priced(seats=1), "plans[0] (gold), prices[0] (5): unknown key 'seats'"),
        (limited(limit="many"), "plans[0] (gold), limits[0] (minutes): limit must be a whole number or null"),
        (limited(limit=-1), "limit must be from 0 to"),
        (limited(limit=None, per_unit=True), "plans[0] (gold), limits[0] (minutes): What has no limit has none"),
        (limited(per_unit=1), "per_unit must be true or false, not 1"),
        (limited(period="hour"), "period must be one of day, week, month, billing_period, lifetime, not 'hour'"),
        (gold(limits=[{"metric": "minutes"}]), "plans[0] (gold), limits[0] (minutes): limit is missing"),
        (gold(limits=[{"metric": "m", "limit": 1}] * 2), "plans[0] (gold): two limits have the same metric"),
    ],
)
def test_faults(plan: Any, fault: str) -> None:
    (found,) = faults(plan)
    assert fault in found


def test_faults__between_plans() -> None:
    assert faults(gold(default=True), gold(), {"slug": "silver", "name": "Silver", "default": True}) == [
        "plans: 2 plans have the slug 'gold'",
        "plans: only one can be the default: gold, silver",
    ]
    assert faults(color="red") == ["the file: unknown key 'color'; there are plans"]
    assert read_plans([], currency="USD")[1] == ["the file: must be a mapping of keys to values"]
    assert read_plans({}, currency="USD")[1] == ["the file: plans is missing"]


def test_faults__lookup_key_of_two_plans() -> None:
    silver = {"slug": "silver", "name": "Silver", "prices": [{"amount": 5, "lookup_key": "a"}]}
    assert faults(priced(lookup_key="a"), silver) == ["plans: prices of gold, silver have the same lookup key 'a'"]


def test_defaults__one_of_each_currency() -> None:
    prices = [{"amount": 5, "currency": currency, "default": True} for currency in ("USD", "EUR")]
    assert faults(gold(prices=prices)) == []


def test_faults__are_all_reported() -> None:
    assert len(faults(gold(nmae="x", prices=[{"amount": "1.001"}, {"amount": "x"}]), {})) == 5
    silver = {"slug": "silver", "name": 1, "default": True}
    assert faults(gold(default=True), silver, gold()) == [
        "plans[1] (silver): name must be a text, not 1",
        "plans: 2 plans have the slug 'gold'",
        "plans: only one can be the default: gold, silver",
    ]


def test_faults__empty_word() -> None:
    assert faults(priced(interval="")) == [
        "plans[0] (gold), prices[0] (5): interval must be one of day, week, month, year, not ''"
    ]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.decimals(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["plans", "slug", "name", "prices", "limits", "amount", "currency", "limit", "metric"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(json_values)
def test_any_content_is_answered(content: Any) -> None:
    plans, found = read_plans({"plans": content}, currency="USD")
    assert found or all(plan.slug and plan.name for plan in plans)


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("a.json", "{", "cannot be parsed"),
        ("a.json", '{"plans": [], "plans": []}', "the key 'plans' is there twice"),
        ("a.json", '{"plans": NaN}', "NaN is no number"),
        ("a.json", "[" * 100_000, "cannot be parsed"),
        ("a.yaml", "plans: [", "cannot be parsed"),
        ("a.yaml", "plans: []\nplans: []", "the key 'plans' is there twice"),
        ("a.yaml", "plans: [{[slug, name]: a}]", "['slug', 'name'] is no key"),
        ("a.yaml", "? {a: 1}\n: 2", "{'a': 1} is no key"),
        ("a.yaml", "plans: !!int ''", "cannot be parsed"),
        ("a.yaml", "plans: !!bool x", "cannot be parsed"),
        ("a.yaml", "plans: !!timestamp x", "cannot be parsed"),
        ("a.yaml", "plans: !!map [1]", "cannot be parsed"),
        ("a.yaml", "plans: [{slug: a, name: a, prices: [{amount: 1:30.5}]}]", "is no number (line 1)"),
        ("a.yaml", "plans: !!python/object:os.system {}", "cannot be parsed"),
        ("a.yaml", b"\xff", "cannot be read"),
        ("a.yaml", "plans:\n- {slug: a, name: A, color: red}", "a.yaml is no catalogue:\n- plans[0] (a): unknown key"),
    ],
)
def test_file__refused(tmp_path: Path, name: str, text: str | bytes, sentence: str) -> None:
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(InvalidInput) as caught:
        read_catalogue_file(path=path, currency="USD")
    assert sentence in caught.value.detail


@pytest.mark.parametrize("suffix", ["json", "yaml"])
def test_file__amounts_are_exact(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"plans.{suffix}"
    path.write_text('{"plans": [{"slug": "a", "name": "A", "prices": [{"amount": 999999.99}]}]}', encoding="utf-8")
    (plan,) = read_catalogue_file(path=path, currency="eur")
    assert (plan.prices[0].amount, plan.prices[0].currency) == (Decimal("999999.99"), "EUR")


def test_file__without_pyyaml(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "yaml", None)
    with pytest.raises(InvalidInput, match="Install it"):
        read_catalogue_file(path=EXAMPLE, currency="USD")


@pytest.mark.django_db(transaction=True)
def test_seed__from_file(stripe_server: FakeStripe, tmp_path: Path) -> None:
    seed("--from-file", str(EXAMPLE))
    assert [plan.slug for plan in Plan.objects.all()] == ["free", "day-pass", "team", "storage", "api"]
    assert [plan.slug for plan in Plan.objects.add_ons()] == ["storage", "api"]
    prices = PlanPricing.objects.filter(plan__slug="team").order_by("pk")
    assert [(str(row), row.trial_days, row.is_per_seat) for row in prices] == [
        ("19.90 USD / month", 14, True),
        ("199.00 USD / year", 14, True),
        ("2900 JPY / month", 0, True),
    ]
    amounts = sorted(price["unit_amount"] for price in stripe_server.all("price") if not price["recurring"]["meter"])
    assert amounts == [0, 400, 500, 1990, 2900, 19900]
    assert [row.lookup_key for row in prices if row.is_default] == ["team_monthly"]
    calls = PlanPricing.objects.get(plan__slug="api")
    assert (str(calls), calls.may_be_added) == ("0.0004 USD / month (calls)", True)
    metered = stripe_server.get(calls.stripe_price_id or "")
    assert (metered["unit_amount"], metered["unit_amount_decimal"]) == (None, "0.04")
    (meter,) = stripe_server.all("billing.meter")
    assert (meter["event_name"], meter["id"]) == ("calls", metered["recurring"]["meter"])
    limits = PlanLimit.objects.filter(plan__slug="team").values_list("metric", "limit", "is_per_unit")
    assert set(limits) == {("minutes", None, False), ("megabytes", 5000, True), ("exports", 50, False)}
    out = seed("--from-file", str(EXAMPLE))
    assert all(f"{slug}: unchanged" in out for slug in ("free", "day-pass", "team", "storage", "api"))

    team = {"slug": "team", "name": "Crew", "active": True, "prices": [{"amount": "25", "trial_days": 3}]}
    path = tmp_path / "plans.json"
    path.write_text(json.dumps({"plans": [team]}), encoding="utf-8")
    out = seed("--from-file", str(path))
    assert "team: limits updated" in out
    assert not PlanLimit.objects.filter(plan__slug="team").exists()
    (sold,) = PlanPricing.objects.filter(plan__slug="team", is_active=True)
    assert (str(sold), sold.trial_days) == ("25.00 USD / month", 3)
    active = [price["unit_amount"] for price in stripe_server.all("price") if price["active"]]
    assert sorted(filter(None, active)) == [400, 500, 2500]
    assert stripe_server.get(sold.stripe_product_id)["name"] == "Crew"


def test_seed__file_refused(tmp_path: Path) -> None:
    path = tmp_path / "plans.json"
    path.write_text('{"plans": [{"slug": "gold"}]}', encoding="utf-8")
    with pytest.raises(CommandError, match="name is missing"):
        seed("--from-file", str(path))
