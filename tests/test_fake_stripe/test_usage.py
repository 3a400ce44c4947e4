"""What was used, from the events of a meter to the lines of invoices."""

from __future__ import annotations

import uuid
from typing import Any

import jsonschema
import pytest
import stripe

from tests.fake_stripe import openapi
from tests.test_fake_stripe.billing_shop import MONTH, BillingShop, types
from tests.test_fake_stripe.shop import plain


class Metered:
    """A meter of calls, and prices of it."""

    def __init__(self, billing: BillingShop) -> None:
        self.billing = billing
        given = {"display_name": "Calls", "event_name": "call", "default_aggregation": {"formula": "sum"}}
        self.meter = billing.v1.billing.meters.create(given).id

    def price(self, amount: str = "3", **params: Any) -> str:
        """Create a metered price; `amount` may be a fraction of a cent."""
        recurring = {**MONTH, "usage_type": "metered", "meter": self.meter}
        base = {"product": self.billing.product, "currency": "usd", "recurring": recurring}
        named = {} if params else {"unit_amount_decimal": amount}
        return str(self.billing.v1.prices.create({**base, **named, **params}).id)

    def use(self, customer: str, value: int = 1, **params: Any) -> None:
        """Report what a customer used."""
        payload = {"stripe_customer_id": customer, "value": str(value)}
        event = {"event_name": "call", "payload": payload, "identifier": uuid.uuid4().hex}
        self.billing.v1.billing.meter_events.create({**event, **params})

    def used(self, customer: str, since: int) -> float:
        """Return what the summary says, from the whole minute of a moment until tomorrow."""
        window = {"customer": customer, "start_time": since // 60 * 60, "end_time": since // 60 * 60 + 86400}
        (summary,) = self.billing.v1.billing.meters.event_summaries.list(self.meter, window).data
        return float(summary.aggregated_value)


@pytest.fixture
def metered(billing: BillingShop) -> Metered:
    """Return a meter."""
    return Metered(billing)


def lines(billing: BillingShop, made: dict[str, Any]) -> list[tuple[int, int]]:
    """Return quantity and amount of the lines of a subscription's latest invoice."""
    invoice = billing.fake.get(billing.fake.get(made["id"])["latest_invoice"])
    return [(line["quantity"], line["amount"]) for line in invoice["lines"]["data"]]


@pytest.mark.parametrize("generation", ["current", "acacia"])
def test_renewal(metered: Metered, billing: BillingShop, generation: str) -> None:
    billing.fake.response_generation = generation
    customer, flat = billing.customer(), billing.price(1000)
    items = [{"price": flat}, {"price": metered.price("2.5")}]
    made = plain(billing.v1.subscriptions.create({"customer": customer, "items": items}))
    item = made["items"]["data"][1]
    assert "quantity" not in item
    assert (item["price"]["unit_amount"], item["price"]["unit_amount_decimal"]) == (None, "2.5")
    assert item["price"]["recurring"]["meter"] == item["plan"]["meter"] == metered.meter
    begun = billing.fake.state.now()
    metered.use(customer, 25)
    metered.use(customer, 26)
    metered.use(billing.customer(), 1000)
    assert metered.used(customer, begun) == 51
    billing.fake.advance(days=32)
    invoice = plain(billing.v1.invoices.list({"subscription": made["id"]}).data[0])
    used, ahead = invoice["lines"]["data"]
    assert (used["quantity"], used["amount"], ahead["amount"]) == (51, 128, 1000)  # 127.5 cents
    assert (invoice["total"], invoice["status"]) == (1128, "paid")
    assert used["period"]["end"] == ahead["period"]["start"]
    price = used["pricing"]["price_details"]["price"] if generation == "current" else used["price"]["id"]
    assert price == items[1]["price"]
    assert "at $0.025 / month" in used["description"]
    # The next period begins at nothing, and the summary keeps what was.
    metered.use(customer, 4)
    billing.fake.advance(days=31)
    assert lines(billing, made)[0] == (4, 10)
    assert metered.used(customer, begun) == 51


def test_grace_period(metered: Metered, billing: BillingShop) -> None:
    customer = billing.customer()
    coupon = billing.fake.coupon(percent_off=50, duration="once")["id"]
    made = billing.subscribe(customer, metered.price("10"))
    billing.v1.subscriptions.update(made["id"], {"discounts": [{"coupon": coupon}]})
    metered.use(customer, 3)
    end = made["items"]["data"][0]["current_period_end"]
    billing.fake.advance_to(end)
    invoice = billing.fake.get(made["id"])["latest_invoice"]
    assert (billing.fake.get(invoice)["status"], lines(billing, made)) == ("draft", [(3, 30)])
    metered.use(customer, 5, timestamp=end - 60)
    metered.use(customer, 100)
    billing.fake.advance(hours=2)
    assert lines(billing, made) == [(8, 80)]
    assert (billing.fake.get(invoice)["total"], billing.fake.get(invoice)["status"]) == (40, "paid")


def test_nothing_used(metered: Metered, billing: BillingShop) -> None:
    made = billing.subscribe(billing.customer(""), metered.price())
    assert made["status"] == "active"
    billing.fake.advance(days=32)
    assert (lines(billing, made), billing.status(made)) == ([(0, 0)], "active")


def test_trial__use_costs_nothing(metered: Metered, billing: BillingShop) -> None:
    customer = billing.customer()
    made = billing.subscribe(customer, metered.price(), trial_period_days=7)
    metered.use(customer, 10)
    billing.fake.advance(days=8)
    assert (lines(billing, made), billing.status(made)) == ([], "active")
    metered.use(customer, 2)
    billing.fake.advance(days=31)
    assert lines(billing, made) == [(2, 6)]


@pytest.mark.parametrize("how", ["cancel_at_period_end", "cancel_at"])
def test_final_invoice(metered: Metered, billing: BillingShop, how: str) -> None:
    customer = billing.customer()
    made = billing.subscribe(customer, metered.price())
    end = made["items"]["data"][0]["current_period_end"]
    billing.v1.subscriptions.update(made["id"], {how: True if how == "cancel_at_period_end" else end - 86400})
    metered.use(customer, 30)
    events = billing.fake.advance(days=32)
    assert types(events) == ["deleted"]
    assert types(events, "invoice.")[-2:] == ["paid", "payment_succeeded"]
    assert lines(billing, made) == [(30, 90)]
    assert billing.status(made) == "canceled"


@pytest.mark.parametrize("now", [True, False])
def test_cancel_at_once(metered: Metered, billing: BillingShop, now: bool) -> None:
    customer = billing.customer()
    made = billing.subscribe(customer, metered.price())
    metered.use(customer, 30)
    billing.fake.advance(days=1)
    billing.v1.subscriptions.cancel(made["id"], {"invoice_now": now})
    assert lines(billing, made) == ([(30, 90)] if now else [])


@pytest.mark.parametrize(("behavior", "billed"), [("create_prorations", [(30, 90)]), ("none", [])])
def test_price_changed__bills_what_was_used_at_the_old_one(
    metered: Metered, billing: BillingShop, behavior: str, billed: list[tuple[int, int]]
) -> None:
    customer = billing.customer()
    made = billing.subscribe(customer, metered.price("3"))
    metered.use(customer, 30)
    billing.fake.advance(days=5)
    item = made["items"]["data"][0]["id"]
    change = {"items": [{"id": item, "price": metered.price("7")}], "proration_behavior": behavior}
    billing.v1.subscriptions.update(made["id"], change)
    metered.use(customer, 2)
    billing.fake.advance(days=27)
    assert lines(billing, made) == [*billed, (2, 14)]


@pytest.mark.parametrize("change", ["price", "anchor"])
def test_changed_at_once__bills_what_was_used_on_the_same_invoice(
    metered: Metered, billing: BillingShop, change: str
) -> None:
    customer = billing.customer()
    made = billing.subscribe(customer, metered.price("3"))
    item = made["items"]["data"][0]["id"]
    billing.fake.advance(days=2)
    metered.use(customer, 30)
    billing.fake.advance(days=3)
    items = {"items": [{"id": item, "price": metered.price("7")}], "proration_behavior": "always_invoice"}
    params = items if change == "price" else {"billing_cycle_anchor": "now"}
    shown = billing.v1.invoices.create_preview({"subscription": made["id"], "subscription_details": params})
    billing.v1.subscriptions.update(made["id"], params)
    assert (shown.total, lines(billing, made)) == (90, [(30, 90)])
    metered.use(customer, 2)
    billing.fake.advance(days=32)
    assert lines(billing, made) == [(2, 14 if change == "price" else 6)]


@pytest.mark.parametrize("mode", ["classic", "flexible"])
def test_price_goes__in_the_billing_modes(metered: Metered, billing: BillingShop, mode: str) -> None:
    customer = billing.customer()
    items = [{"price": billing.price(1000)}, {"price": metered.price("3")}]
    params = {"customer": customer, "items": items, "billing_mode": {"type": mode}}
    made = plain(billing.v1.subscriptions.create(params))
    metered.use(customer, 30)
    billing.fake.advance(days=5)
    billing.v1.subscription_items.delete(made["items"]["data"][1]["id"])
    assert [item["amount"] for item in billing.fake.all("invoiceitem")] == ([90] if mode == "flexible" else [])


def test_mixed_intervals__each_item_for_its_own_period(metered: Metered, billing: BillingShop) -> None:
    """What is billed by the year is not billed with each month."""
    customer = billing.customer()
    yearly = {"interval": "year", "usage_type": "metered", "meter": metered.meter}
    items = [{"price": metered.price("3")}, {"price": metered.price("1", recurring=yearly, unit_amount=1)}]
    made = plain(billing.v1.subscriptions.create({"customer": customer, "items": items}))
    metered.use(customer, 30)
    assert billing.v1.invoices.create_preview({"subscription": made["id"]}).total == 90
    billing.fake.advance(days=32)
    assert lines(billing, made) == [(30, 90)]
    billing.fake.advance(days=334)
    assert lines(billing, made) == [(0, 0), (30, 30)]


def test_quantity(metered: Metered, billing: BillingShop) -> None:
    customer, price = billing.customer(), metered.price()
    with pytest.raises(stripe.InvalidRequestError, match="quantity for a metered"):
        billing.v1.subscriptions.create({"customer": customer, "items": [{"price": price, "quantity": 1}]})
    made = billing.subscribe(customer, billing.price())
    item = made["items"]["data"][0]["id"]
    changed = billing.v1.subscriptions.update(made["id"], {"items": [{"id": item, "price": price}]})
    assert "quantity" not in plain(changed)["items"]["data"][0]
    base = {"mode": "subscription", "success_url": "https://shop.example/", "customer": customer}
    with pytest.raises(stripe.InvalidRequestError, match="Quantity should not be specified"):
        billing.v1.checkout.sessions.create({**base, "line_items": [{"price": price, "quantity": 1}]})
    session = billing.v1.checkout.sessions.create({**base, "line_items": [{"price": price}]})
    billing.fake.complete_checkout(session.id)
    assert billing.status({"id": billing.fake.get(session.id)["subscription"]}) == "active"


def test_preview(metered: Metered, billing: BillingShop) -> None:
    customer = billing.customer()
    made = billing.subscribe(customer, metered.price())
    metered.use(customer, 30)
    assert billing.v1.invoices.create_preview({"subscription": made["id"]}).total == 90


@pytest.mark.parametrize(
    ("mode", "used", "amount"),
    [("graduated", 5, 50), ("graduated", 12, 1070), ("volume", 5, 50), ("volume", 12, 1060), ("volume", 0, 0)],
)
def test_tiers(metered: Metered, billing: BillingShop, mode: str, used: int, amount: int) -> None:
    tiers = [{"up_to": 10, "unit_amount": 10}, {"up_to": "inf", "unit_amount_decimal": "5", "flat_amount": 1000}]
    if mode == "graduated":
        tiers[1]["flat_amount"] = 960
    price = metered.price(billing_scheme="tiered", tiers_mode=mode, tiers=tiers)
    shown = plain(billing.v1.prices.retrieve(price, {"expand": ["tiers"]}))
    assert (shown["billing_scheme"], shown["tiers_mode"], shown["unit_amount"]) == ("tiered", mode, None)
    assert [tier["up_to"] for tier in shown["tiers"]] == [10, None]
    assert not {"tiers", "_tiers"} & set(plain(billing.v1.prices.retrieve(price)))
    customer = billing.customer()
    made = billing.subscribe(customer, price)
    assert "_tiers" not in made["items"]["data"][0]["price"]
    metered.use(customer, used)
    billing.fake.advance(days=32)
    assert lines(billing, made) == [(used, amount)]


def test_packages(metered: Metered, billing: BillingShop) -> None:
    transform = {"divide_by": 60, "round": "up"}
    customer = billing.customer()
    made = billing.subscribe(customer, metered.price(unit_amount=1000, transform_quantity=transform))
    metered.use(customer, 150)
    billing.fake.advance(days=32)
    assert lines(billing, made) == [(150, 3000)]


def test_meters(metered: Metered, billing: BillingShop) -> None:
    meters = billing.v1.billing.meters
    assert meters.update(metered.meter, {"display_name": "API calls"}).display_name == "API calls"
    assert [meter.id for meter in meters.list({"status": "active"}).data] == [metered.meter]
    assert meters.deactivate(metered.meter).status == "inactive"
    with pytest.raises(stripe.InvalidRequestError, match="No active meter"):
        metered.use(billing.customer())
    assert meters.reactivate(metered.meter).status_transitions.deactivated_at is None
    assert meters.retrieve(metered.meter).status == "active"


def test_objects_are_what_stripe_describes(metered: Metered, billing: BillingShop) -> None:
    customer = billing.customer()
    tiers = [{"up_to": 10, "unit_amount": 10}, {"up_to": "inf", "unit_amount": 5}]
    made = billing.subscribe(customer, metered.price(billing_scheme="tiered", tiers_mode="volume", tiers=tiers))
    metered.use(customer, 3)
    billing.fake.advance(days=32)
    for kind in ("price", "subscription", "invoice", "billing.meter"):
        for obj in billing.fake.all(kind):
            jsonschema.validate(obj, openapi.response_schema(kind))
    assert lines(billing, made) == [(3, 30)]
