"""Trials: how they go on through changes, how they end, and without a card."""

from __future__ import annotations

from typing import Any

import pytest
import stripe

from tests.test_fake_stripe.billing_shop import BillingShop, types
from tests.test_fake_stripe.shop import plain

DAY = 86400


def ending(behavior: str) -> dict[str, Any]:
    """Return the settings that say what a trial without a card comes to."""
    return {"end_behavior": {"missing_payment_method": behavior}}


def test_update__keeps_a_running_trial(billing: BillingShop) -> None:
    made = billing.subscribe(billing.customer(), billing.price(), trial_period_days=10)
    item = made["items"]["data"][0]
    change = {"items": [{"id": item["id"], "price": billing.price(9000)}, {"price": billing.price(500)}]}
    updated = plain(billing.v1.subscriptions.update(made["id"], change))
    assert (updated["status"], updated["trial_end"]) == ("trialing", made["trial_end"])
    assert {found["current_period_end"] for found in updated["items"]["data"]} == {made["trial_end"]}
    assert billing.fake.all("invoiceitem") == []
    billing.fake.advance_to(made["trial_end"] + 7200)
    assert billing.v1.invoices.list({"subscription": made["id"]}).data[0].amount_paid == 9500


def test_trial_end__moved_and_ended(billing: BillingShop) -> None:
    made = billing.subscribe(billing.customer(), billing.price(), trial_period_days=10)
    later = made["trial_end"] + 20 * DAY
    moved = plain(billing.v1.subscriptions.update(made["id"], {"trial_end": later}))
    assert (moved["status"], moved["trial_end"], moved["billing_cycle_anchor"]) == ("trialing", later, later)
    with pytest.raises(stripe.InvalidRequestError) as caught:
        billing.v1.subscriptions.update(made["id"], {"trial_end": 1_000_000_000})
    assert caught.value.param == "trial_end"
    ended = plain(billing.v1.subscriptions.update(made["id"], {"trial_end": "now", "expand": ["latest_invoice"]}))
    assert (ended["status"], ended["latest_invoice"]["amount_paid"]) == ("active", 2000)
    assert ended["trial_end"] == ended["billing_cycle_anchor"] < made["trial_end"]
    assert plain(billing.v1.subscriptions.update(made["id"], {"trial_end": "now"})) == plain(
        billing.v1.subscriptions.retrieve(made["id"])
    )


def test_trial_end__begins_one_on_a_running_subscription(billing: BillingShop) -> None:
    customer = billing.customer()
    made = billing.subscribe(customer, billing.price(3000))
    end = billing.fake.state.now() + 60 * DAY
    updated = plain(billing.v1.subscriptions.update(made["id"], {"trial_end": end, "expand": ["latest_invoice"]}))
    assert (updated["status"], updated["trial_end"]) == ("trialing", end)
    assert updated["latest_invoice"]["total"] in range(-3000, -2990)
    assert billing.fake.get(customer)["balance"] == updated["latest_invoice"]["total"]


@pytest.mark.parametrize(
    ("behavior", "status", "events"),
    [
        ("cancel", "canceled", ["deleted"]),
        ("pause", "paused", ["updated", "paused"]),
        ("create_invoice", "past_due", ["updated", "updated"]),
    ],
)
@pytest.mark.parametrize("how", ["in time", "at once"])
def test_trial__without_a_card(billing: BillingShop, behavior: str, status: str, events: list[str], how: str) -> None:
    made = billing.subscribe(
        billing.customer(""), billing.price(), trial_period_days=2, trial_settings=ending("create_invoice")
    )
    billing.v1.subscriptions.update(made["id"], {"trial_settings": ending(behavior)})
    before = len(billing.fake.events())
    if how == "in time":
        billing.fake.advance(days=2, hours=2)
    else:
        billing.v1.subscriptions.update(made["id"], {"trial_end": "now"})
    assert billing.status(made) == status
    assert types(billing.fake.events()[before:]) == events


@pytest.mark.parametrize(("collection", "given"), [("if_required", False), ("always", True)])
@pytest.mark.parametrize("free", ["trial", "discount"])
def test_checkout__payment_method_collection(billing: BillingShop, collection: str, given: bool, free: str) -> None:
    customer = billing.customer("")
    params: dict[str, Any] = {"subscription_data": {"trial_period_days": 7, "trial_settings": ending("cancel")}}
    if free == "discount":
        coupon = billing.fake.coupon(percent_off=100, duration="forever")["id"]
        params = {"discounts": [{"coupon": coupon}]}
    session = billing.v1.checkout.sessions.create(
        {
            "mode": "subscription",
            "success_url": "https://shop.example/",
            "customer": customer,
            "line_items": [{"price": billing.price(), "quantity": 1}],
            "payment_method_collection": collection,
            **params,
        }
    )
    assert session.payment_method_collection == collection
    billing.fake.complete_checkout(session.id)
    shown = billing.fake.get(session.id)
    assert (shown["status"], shown["payment_status"]) == ("complete", "no_payment_required")
    made = billing.fake.get(shown["subscription"])
    assert bool(made["default_payment_method"]) is given
    assert made["status"] == ("trialing" if free == "trial" else "active")
    billing.fake.advance(days=8)
    assert billing.status(made) == ("active" if given or free == "discount" else "canceled")


def test_longest(billing: BillingShop) -> None:
    made = billing.subscribe(billing.customer(), billing.price(), trial_period_days=10)
    later = made["trial_start"] + 730 * DAY
    assert billing.v1.subscriptions.update(made["id"], {"trial_end": later}).trial_end == later
    lines = [{"price": billing.price(), "quantity": 1}]
    page: Any = {"mode": "subscription", "success_url": "https://shop.example/", "line_items": lines}
    asked: list[Any] = [
        lambda: billing.v1.subscriptions.update(made["id"], {"trial_end": later + 1}),
        lambda: billing.subscribe(billing.customer(), billing.price(), trial_end=later + DAY),
        lambda: billing.subscribe(billing.customer(), billing.price(), trial_period_days=731),
        lambda: billing.v1.checkout.sessions.create({**page, "subscription_data": {"trial_period_days": 731}}),
        lambda: billing.v1.checkout.sessions.create({**page, "subscription_data": {"trial_period_days": 0}}),
    ]
    for ask in asked:
        with pytest.raises(stripe.InvalidRequestError, match="number of trial period days"):
            ask()


def test_checkout__payment_method_collection_is_of_subscriptions(billing: BillingShop) -> None:
    with pytest.raises(stripe.InvalidRequestError) as caught:
        billing.session(payment_method_collection="if_required")
    assert caught.value.param == "payment_method_collection"
    session = billing.v1.checkout.sessions.create(
        {
            "mode": "subscription",
            "success_url": "https://shop.example/",
            "line_items": [{"price": billing.price(), "quantity": 1}],
            "payment_method_collection": "if_required",
        }
    )
    # There is something to pay, so a card is asked for all the same.
    billing.fake.complete_checkout(session.id)
    assert billing.fake.get(billing.fake.get(session.id)["subscription"])["default_payment_method"]
