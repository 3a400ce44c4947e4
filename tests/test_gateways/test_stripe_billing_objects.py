from __future__ import annotations

import contextlib
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from django_stripe_gateway.exceptions import ProviderError
from django_stripe_gateway.gateways.stripe.billing_objects import invoice_snapshot, subscription_snapshot
from django_stripe_gateway.gateways.stripe.catalogue_objects import (
    billing_checkout_snapshot,
    customer_snapshot,
    page_url,
    payment_method_snapshot,
    price_snapshot,
    product_snapshot,
    promotion_code_snapshot,
    setup_snapshot,
)
from django_stripe_gateway.gateways.stripe.fields import page_of

START, END = 1_700_000_000, 1_702_592_000
PRICE = {"id": "price_1", "object": "price", "currency": "usd", "unit_amount": 2000, "product": "prod_1"}
PLAN = {"id": "plan_1", "object": "plan", "currency": "usd", "amount": 2000, "product": "prod_1"}


def moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def item(**fields: Any) -> dict[str, Any]:
    period = {"current_period_start": START, "current_period_end": END}
    return {"id": "si_1", "object": "subscription_item", "price": PRICE, "quantity": 3, **period, **fields}


def subscription(**fields: Any) -> dict[str, Any]:
    base = {"id": "sub_1", "object": "subscription", "status": "active", "customer": "cus_1", "livemode": False}
    return {**base, "items": {"object": "list", "data": [item()]}, "latest_invoice": "in_1", **fields}


def old_subscription(**fields: Any) -> dict[str, Any]:
    """Return one as before 2025-03-31, and as localstripe makes it."""
    data = [{"id": "si_1", "object": "subscription_item", "plan": PLAN, "quantity": 3}]
    period = {"current_period_start": START, "current_period_end": END}
    return subscription(items={"object": "list", "data": data}, **period, **fields)


def invoice(**fields: Any) -> dict[str, Any]:
    base = {"id": "in_1", "object": "invoice", "status": "open", "currency": "usd", "customer": "cus_1"}
    amounts = {"total": 2200, "subtotal": 2000, "amount_due": 2200, "amount_paid": 0, "amount_remaining": 2200}
    parent = {"type": "subscription_details", "subscription_details": {"subscription": "sub_1"}}
    return {**base, **amounts, "parent": parent, "created": START, "lines": {"data": [line()]}, **fields}


def line(**fields: Any) -> dict[str, Any]:
    details = {"proration": False, "subscription_item": "si_1"}
    parent = {"type": "subscription_item_details", "subscription_item_details": details}
    pricing = {"type": "price_details", "price_details": {"price": "price_1", "product": "prod_1"}}
    span = {"start": START, "end": END}
    return {"id": "il_1", "amount": 2000, "parent": parent, "pricing": pricing, "period": span, "quantity": 3, **fields}


@pytest.mark.parametrize(("obj", "price"), [(subscription(), "price_1"), (old_subscription(), "plan_1")])
def test_subscription__period_and_price(obj: dict[str, Any], price: str) -> None:
    snapshot = subscription_snapshot(obj)
    assert (snapshot.current_period_start, snapshot.current_period_end) == (moment(START), moment(END))
    (found,) = snapshot.items
    assert (found.price_id, found.product_id, found.quantity) == (price, "prod_1", 3)
    assert (found.item_id, snapshot.latest_invoice_id, snapshot.latest_invoice) == ("si_1", "in_1", None)


@pytest.mark.parametrize(
    ("price", "amount"),
    [
        (PRICE, None),
        ({**PRICE, "currency_options": {"usd": {"unit_amount": 2000}, "eur": {"unit_amount": 1800}}}, Decimal("18.00")),
        ({**PRICE, "currency_options": {"gbp": {"unit_amount": 1600}}}, None),
        ({**PRICE, "currency": "eur"}, Decimal("20.00")),
    ],
)
def test_subscription__in_its_own_currency(price: dict[str, Any], amount: Decimal | None) -> None:
    (found,) = subscription_snapshot(subscription(currency="eur", items={"data": [item(price=price)]})).items
    assert (found.currency, found.amount) == ("EUR", amount)


def test_subscription__expanded() -> None:
    expanded = {"id": "prod_9", "object": "product", "name": "Gold"}
    obj = subscription(
        customer={"id": "cus_9", "object": "customer", "email": "ada@example.com"},
        items={"data": [item(price={**PRICE, "product": expanded})]},
        default_payment_method={"id": "pm_9"},
        pause_collection={"behavior": "void", "resumes_at": END},
        pending_update={"expires_at": END, "subscription_items": [item(), {"id": "si_8", "price": "price_8"}]},
        cancel_at_period_end=True,
        cancel_at=END,
    )
    snapshot = subscription_snapshot(obj)
    assert (snapshot.customer_id, snapshot.items[0].product_id) == ("cus_9", "prod_9")
    assert snapshot.default_payment_method == "pm_9"
    assert (snapshot.pause_behavior, snapshot.pause_resumes_at) == ("void", moment(END))
    assert snapshot.has_pending_update
    assert snapshot.pending_prices == {snapshot.items[0].item_id: PRICE["id"], "si_8": "price_8"}
    assert (snapshot.cancel_at_period_end, snapshot.cancel_at) == (True, moment(END))
    assert "ada@example.com" not in repr(snapshot)


NEW_SECRET = {"confirmation_secret": {"client_secret": "pi_1_secret_x", "type": "payment_intent"}}
OLD_SECRET = {"payment_intent": {"id": "pi_1", "client_secret": "pi_1_secret_x", "status": "requires_action"}}
SETUP = {"id": "seti_1", "client_secret": "seti_1_secret_x", "status": "requires_payment_method"}


@pytest.mark.parametrize(
    ("fields", "secret", "kind"),
    [
        ({"status": "incomplete", "latest_invoice": invoice(**NEW_SECRET)}, "pi_1_secret_x", "payment"),
        ({"status": "incomplete", "latest_invoice": invoice(**OLD_SECRET)}, "pi_1_secret_x", "payment"),
        ({"status": "past_due", "latest_invoice": invoice(**NEW_SECRET)}, "pi_1_secret_x", "payment"),
        ({"pending_update": {"expires_at": 1}, "latest_invoice": invoice(**NEW_SECRET)}, "pi_1_secret_x", "payment"),
        # Nothing is left to confirm.
        ({"status": "active", "latest_invoice": invoice(status="paid", **NEW_SECRET)}, "", ""),
        ({"status": "past_due", "latest_invoice": invoice(status="void", **NEW_SECRET)}, "", ""),
        ({"status": "active", "latest_invoice": invoice(**NEW_SECRET)}, "", ""),
        ({"status": "canceled", "latest_invoice": invoice(**NEW_SECRET)}, "", ""),
        ({"status": "incomplete_expired", "latest_invoice": invoice(status="void", **NEW_SECRET)}, "", ""),
        ({"status": "trialing", "pending_setup_intent": SETUP}, "seti_1_secret_x", "setup"),
        ({"status": "trialing", "pending_setup_intent": {**SETUP, "status": "succeeded"}}, "", ""),
        ({"status": "trialing", "pending_setup_intent": "seti_1"}, "", ""),
    ],
)
def test_subscription__client_secret(fields: dict[str, Any], secret: str, kind: str) -> None:
    snapshot = subscription_snapshot(subscription(**fields))
    assert (snapshot.client_secret, snapshot.client_secret_kind) == (secret, kind)
    assert "_secret_x" not in repr(snapshot)


def test_subscription__trial_of_localstripe() -> None:
    """Which calls it incomplete, and makes no invoice."""
    snapshot = subscription_snapshot(old_subscription(status="incomplete", trial_end=END + 5, latest_invoice=None))
    assert (snapshot.status, snapshot.current_period_end) == ("trialing", moment(END + 5))
    real = subscription_snapshot(subscription(status="incomplete", trial_end=END + 5))
    assert (real.status, real.current_period_end) == ("incomplete", moment(END))


def test_invoice() -> None:
    payments = {
        "data": [
            {"is_default": False, "payment": {"type": "payment_intent", "payment_intent": "pi_0"}},
            {"is_default": True, "payment": {"type": "payment_intent", "payment_intent": "pi_1"}},
        ]
    }
    # A renewal brings what a change in the period before has left over.
    parent = {"type": "subscription_item_details", "subscription_item_details": {"proration": True}}
    credit = line(amount=-100, parent=parent, period={"start": START - 5, "end": START})
    snapshot = invoice_snapshot(
        invoice(
            payments=payments,
            total_taxes=[{"amount": 150}, {"amount": 50}],
            number="A-1",
            hosted_invoice_url="https://pay.test/i",
            invoice_pdf="https://pay.test/i/pdf",
            status_transitions={"paid_at": END},
            next_payment_attempt=END,
            period_start=1,
            period_end=2,
            lines={"data": [credit, line()]},
        )
    )
    assert (snapshot.total, snapshot.subtotal, snapshot.tax) == (Decimal("22.00"), Decimal("20.00"), Decimal("2.00"))
    assert (snapshot.subscription_id, snapshot.intent_id, snapshot.number) == ("sub_1", "pi_1", "A-1")
    # The time that is paid for, not the one in which the items were collected.
    assert (snapshot.period_start, snapshot.period_end) == (moment(START), moment(END))
    assert (snapshot.paid_at, snapshot.next_payment_attempt) == (moment(END), moment(END))
    assert [(part.price_id, part.is_proration) for part in snapshot.lines] == [("price_1", True), ("price_1", False)]
    assert "pay.test" not in repr(snapshot)


@pytest.mark.parametrize(
    ("fields", "tax"),
    [
        ({"tax": 200}, "2.00"),
        ({"tax": None, "total_tax_amounts": [{"amount": 300}]}, "3.00"),
        ({"total_taxes": []}, "0.00"),
        ({}, "0.00"),
    ],
)
def test_invoice__tax(fields: dict[str, Any], tax: str) -> None:
    assert invoice_snapshot(invoice(**fields)).tax == Decimal(tax)


def test_invoice__older() -> None:
    old_line = {"id": "il_1", "amount": -500, "price": PRICE, "proration": True, "type": "invoiceitem"}
    obj = invoice(
        parent=None,
        subscription="sub_1",
        payment_intent={"id": "pi_1", "status": "requires_action", "client_secret": "pi_1_secret_x"},
        lines={"data": [old_line, {**old_line, "plan": PLAN, "price": None, "proration": False}]},
        total=-500,
        period_start=START,
        period_end=END,
    )
    del obj["amount_remaining"]
    snapshot = invoice_snapshot(obj)
    assert (snapshot.subscription_id, snapshot.intent_id, snapshot.requires_action) == ("sub_1", "pi_1", True)
    assert (snapshot.total, snapshot.amount_remaining) == (Decimal("-5.00"), Decimal("22.00"))
    assert [(part.amount, part.price_id, part.is_proration) for part in snapshot.lines] == [
        (Decimal("-5.00"), "price_1", True),
        (Decimal("-5.00"), "plan_1", False),
    ]
    assert (snapshot.period_start, snapshot.period_end) == (moment(START), moment(END))
    assert "_secret_x" not in repr(snapshot)


@pytest.mark.parametrize(("currency", "total"), [("jpy", "2200"), ("kwd", "2.200"), ("usd", "22.00")])
def test_invoice__exact_in_every_currency(currency: str, total: str) -> None:
    assert str(invoice_snapshot(invoice(currency=currency)).total) == total


def test_price__of_tiers_has_no_amount() -> None:
    assert price_snapshot({**PRICE, "unit_amount": None}).amount is None
    assert price_snapshot({**PLAN, "active": "false", "interval": "week", "interval_count": 2}).is_active is False
    recurring = {"recurring": {"interval": "month", "interval_count": 3}}
    assert price_snapshot({**PRICE, **recurring}).interval_count == 3


def test_payment_method__of_other_kinds() -> None:
    bank = {"id": "pm_1", "type": "us_bank_account", "us_bank_account": {"bank_name": "TEST BANK", "last4": "6789"}}
    snapshot = payment_method_snapshot(bank)
    assert (snapshot.kind, snapshot.brand, snapshot.last4, snapshot.exp_year) == (
        "us_bank_account",
        "TEST BANK",
        "6789",
        None,
    )
    assert payment_method_snapshot({"id": "pm_1", "type": "link", "link": {"email": "a@b.c"}}).last4 == ""


PROMOTION = {"id": "promo_1", "code": "FALL", "active": True, "promotion": {"type": "coupon", "coupon": "c1"}}
CUSTOMER = {"id": "cus_1", "invoice_settings": {"default_payment_method": {"id": "pm_1"}}, "metadata": {"a": "b"}}
CARD = {"brand": "visa", "last4": "4242", "exp_month": 8, "exp_year": 2034}
METHOD = {"id": "pm_1", "type": "card", "card": CARD, "customer": "cus_1"}
SESSION = {"id": "cs_1", "status": "open", "url": "https://pay.test", "subscription": None, "expires_at": END}

READERS: list[tuple[Callable[[Any], Any], dict[str, Any], tuple[str, ...]]] = [
    (subscription_snapshot, subscription(), ("id", "status", "customer", "items")),
    (subscription_snapshot, old_subscription(), ("id", "status", "customer", "items")),
    (invoice_snapshot, invoice(), ("currency", "total", "subtotal", "amount_due", "amount_paid")),
    (price_snapshot, PRICE, ("id", "currency")),
    (product_snapshot, {"id": "prod_1", "name": "Gold"}, ("id",)),
    (promotion_code_snapshot, PROMOTION, ("id", "code")),
    (customer_snapshot, CUSTOMER, ("id",)),
    (payment_method_snapshot, METHOD, ("id", "type")),
    (setup_snapshot, SETUP, ("id", "status")),
    (billing_checkout_snapshot, SESSION, ("id", "status")),
    (page_url, {"url": "https://pay.test"}, ("url",)),
    (page_of(product_snapshot), {"data": [{"id": "prod_1"}], "has_more": True}, ("data",)),
]


@pytest.mark.parametrize(("read", "obj", "name"), [(read, obj, name) for read, obj, names in READERS for name in names])
def test_half_formed(read: Callable[[Any], Any], obj: dict[str, Any], name: str) -> None:
    read(obj)
    rest = {key: value for key, value in obj.items() if key != name}
    for broken in (rest, {**obj, name: None}, {**obj, name: 1.5}):
        with pytest.raises(ProviderError) as caught:
            read(broken)
        assert caught.value.code == "malformed_object"


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["id", "data", "amount"]), inner),
    max_leaves=5,
)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_half_formed__whatever_it_is(data: st.DataObject) -> None:
    """A reader raises for what it cannot read, and nothing else."""
    read, obj, _names = data.draw(st.sampled_from(READERS))
    names = st.sampled_from([*obj, "lines", "payments", "latest_invoice", "parent", "recurring", "trial_end"])
    broken = {**obj, **data.draw(st.dictionaries(names, ANYTHING, max_size=3))}
    with contextlib.suppress(ProviderError):
        read(broken)
