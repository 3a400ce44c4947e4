from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from django_stripe_gateway.exceptions import ProviderError
from django_stripe_gateway.gateways.stripe.fields import page_of
from django_stripe_gateway.gateways.stripe.payment_objects import (
    charge_refunds,
    dispute_snapshot,
    object_id,
    payment_snapshot,
    recorded,
    refund_snapshot,
    refunded_total,
)
from django_stripe_gateway.gateways.values import Failure, PaymentSnapshot, ProviderStatus

TEN = Decimal("10.00")
ERROR = {"code": "card_declined", "decline_code": "lost_card", "message": "No.", "payment_method": {"id": "pm_1"}}


def intent(**fields: Any) -> dict[str, Any]:
    obj = {"id": "pi_1", "object": "payment_intent", "amount": 1000, "currency": "usd", "status": "succeeded"}
    return obj | {"amount_received": 1000, "livemode": False, "client_secret": "pi_1_secret_x"} | fields


def session(**fields: Any) -> dict[str, Any]:
    obj = {"id": "cs_1", "object": "checkout.session", "amount_total": 1000, "currency": "usd", "livemode": True}
    return obj | {"status": "complete", "payment_status": "paid", "payment_intent": "pi_1"} | fields


def unpaid(intent_status: str) -> dict[str, Any]:
    return session(payment_status="unpaid", payment_intent=intent(status=intent_status))


def refund(**fields: Any) -> dict[str, Any]:
    obj = {"id": "re_1", "object": "refund", "amount": 300, "currency": "usd", "status": "succeeded"}
    return obj | {"payment_intent": "pi_1", "metadata": {"operation": "1"}, "reason": None} | fields


def without(obj: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in obj.items() if name not in names}


@pytest.mark.parametrize(
    ("obj", "status", "received"),
    [
        (intent(), ProviderStatus.SUCCEEDED, TEN),
        (intent(amount_received=400), ProviderStatus.SUCCEEDED, Decimal("4.00")),
        # As the last API version sends it, and those that embedded the charges.
        (intent(latest_charge="ch_1"), ProviderStatus.SUCCEEDED, TEN),
        (intent(charges={"object": "list", "data": [{"id": "ch_1"}]}), ProviderStatus.SUCCEEDED, TEN),
        (intent(latest_charge={"id": "ch_1", "refunds": None}), ProviderStatus.SUCCEEDED, TEN),
        (intent(status="requires_capture", amount_received=0), ProviderStatus.AUTHORIZED, None),
        (intent(status="requires_payment_method"), ProviderStatus.OPEN, None),
        (intent(status="requires_payment_method", last_payment_error=ERROR), ProviderStatus.FAILED, None),
        (intent(status="requires_confirmation"), ProviderStatus.OPEN, None),
        (intent(status="requires_action"), ProviderStatus.REQUIRES_ACTION, None),
        (intent(status="requires_action", last_payment_error=ERROR), ProviderStatus.REQUIRES_ACTION, None),
        (intent(status="processing"), ProviderStatus.PROCESSING, None),
        (intent(status="canceled"), ProviderStatus.CANCELED, None),
        (intent(status="a_new_one"), ProviderStatus.PROCESSING, None),
        # localstripe says nowhere how much it took.
        (without(intent(), "amount_received", "livemode"), ProviderStatus.SUCCEEDED, TEN),
        (
            without(intent(latest_charge={"id": "ch_1", "refunds": {"data": [{"amount": 600}]}}), "amount_received"),
            ProviderStatus.SUCCEEDED,
            Decimal("4.00"),
        ),
        (
            without(
                intent(latest_charge={"refunds": {"data": [{"amount": 600, "payment_intent": "pi_1"}]}}),
                "amount_received",
            ),
            ProviderStatus.SUCCEEDED,
            TEN,
        ),
        (session(), ProviderStatus.SUCCEEDED, TEN),
        (session(payment_intent=intent(amount_received=400)), ProviderStatus.SUCCEEDED, Decimal("4.00")),
        (session(payment_intent=None, payment_status="no_payment_required"), ProviderStatus.SUCCEEDED, TEN),
        (session(payment_status="unpaid"), ProviderStatus.PROCESSING, None),
        (unpaid("processing"), ProviderStatus.PROCESSING, None),
        (unpaid("requires_capture"), ProviderStatus.AUTHORIZED, None),
        (unpaid("canceled"), ProviderStatus.CANCELED, None),
        (
            session(
                payment_status="unpaid",
                payment_intent=intent(status="requires_payment_method", last_payment_error=ERROR),
            ),
            ProviderStatus.REJECTED,
            None,
        ),
        (session(status="open", payment_status="unpaid", payment_intent=None), ProviderStatus.OPEN, None),
        (
            session(
                status="open",
                payment_status="unpaid",
                payment_intent=intent(status="requires_payment_method", last_payment_error=ERROR),
            ),
            ProviderStatus.OPEN,
            None,
        ),
        (session(status="expired", payment_status="unpaid", payment_intent=None), ProviderStatus.REJECTED, None),
        # Before 2021-10 sessions had no status of their own.
        (without(session(payment_status="unpaid", payment_intent=None), "status"), ProviderStatus.OPEN, None),
        (without(session(), "status"), ProviderStatus.SUCCEEDED, TEN),
    ],
)
def test_payment(obj: dict[str, Any], status: ProviderStatus, received: Decimal | None) -> None:
    snapshot = payment_snapshot(obj)
    assert (snapshot.status, snapshot.amount_received) == (status, received)
    assert snapshot.kind == obj["object"]
    assert snapshot.object_id == obj["id"]
    assert snapshot.currency == "USD"


def test_payment__fields() -> None:
    snapshot = payment_snapshot(session(status="open", payment_status="unpaid", url="https://pay", expires_at=86400))
    assert snapshot.redirect_url == "https://pay"
    assert snapshot.expires_at == datetime(1970, 1, 2, tzinfo=UTC)
    assert (snapshot.intent_id, snapshot.livemode) == ("pi_1", True)
    assert payment_snapshot(intent()).client_secret == "pi_1_secret_x"
    failed = payment_snapshot(intent(status="requires_payment_method", last_payment_error=ERROR))
    assert failed.failure == Failure("card_declined", "lost_card", "No.")
    assert payment_snapshot(intent(last_payment_error={})).failure == Failure("payment_failed", "", "")


@pytest.mark.parametrize(
    ("minor", "currency", "expected"),
    [(1000, "usd", "10.00"), (1000, "JPY", "1000"), (12340, "kwd", "12.340"), (500, "ugx", "5"), (500, "isk", "5")],
)
def test_amounts(minor: int, currency: str, expected: str) -> None:
    amounts = [
        payment_snapshot(intent(amount=minor, amount_received=minor, currency=currency)).amount_received,
        payment_snapshot(session(amount_total=minor, currency=currency)).amount,
        refund_snapshot(refund(amount=minor, currency=currency)).amount,
        dispute_snapshot({"id": "dp_1", "status": "lost", "amount": minor, "currency": currency}).amount,
        refunded_total({"amount": minor, "captured": True, "amount_refunded": minor, "currency": currency}),
    ]
    assert [str(amount) for amount in amounts] == [expected] * 5


@pytest.mark.parametrize("name", ["id", "amount", "currency", "status"])
@pytest.mark.parametrize("value", ["absent", None, "", 1.5, True, -1, [], {}, {"a": 1}])
def test_intent__half_formed(name: str, value: Any) -> None:
    with pytest.raises(ProviderError) as caught:
        payment_snapshot(without(intent(), name) if value == "absent" else intent(**{name: value}))
    assert caught.value.code == "malformed_object"


@pytest.mark.parametrize(
    "fields",
    [
        {"id": None},
        {"id": 7},
        {"amount_total": "1000"},
        {"amount_total": -1},
        {"currency": "xxx"},
        {"payment_status": None},
        {"payment_status": {}},
        {"expires_at": 10**20},
        {"expires_at": "soon"},
        {"expires_at": {"a": 1}},
        {"payment_intent": {"id": "pi_1"}},
    ],
)
def test_session__half_formed(fields: dict[str, Any]) -> None:
    with pytest.raises(ProviderError):
        payment_snapshot(session(**fields))


@pytest.mark.parametrize(
    ("status", "expected"),
    [("succeeded",) * 2, ("pending",) * 2, ("failed",) * 2, ("a_new_one", "pending"), (None, "succeeded")],
)
def test_refund(status: str | None, expected: str) -> None:
    snapshot = refund_snapshot(refund(status=status, failure_reason="lost", reason="duplicate"))
    assert (snapshot.refund_id, snapshot.status, snapshot.amount) == ("re_1", expected, Decimal("3.00"))
    assert (snapshot.reason, snapshot.failure_reason) == ("duplicate", "lost")
    assert (snapshot.intent_id, snapshot.metadata) == ("pi_1", {"operation": "1"})


@pytest.mark.parametrize(
    ("obj", "expected"),
    [
        ({"refunds": {"data": [refund()]}}, ["re_1"]),
        ({"refunds": {"data": []}}, []),
        ({"refunds": {"data": [refund()], "has_more": True}}, None),
        ({"refunds": None}, None),
        ({"refunds": {"data": {}}}, None),
        ({}, None),
        ([], None),
    ],
)
def test_charge_refunds(obj: Any, expected: list[str] | None) -> None:
    found = charge_refunds(obj)
    assert (None if found is None else [snapshot.refund_id for snapshot in found]) == expected


def test_page_of() -> None:
    read = page_of(refund_snapshot)
    items, next_after = read({"data": [refund(), refund(id="re_2")], "has_more": True})
    assert [snapshot.refund_id for snapshot in items] == ["re_1", "re_2"]
    assert next_after == "re_2"
    assert read({"data": [refund()], "has_more": False})[1] == read({"data": [], "has_more": True})[1] == ""


@pytest.mark.parametrize(
    ("value", "expected"),
    [("pi_1", "pi_1"), ({"id": "pi_1"}, "pi_1"), (None, ""), ({}, ""), ({"id": 7}, ""), (7, ""), ([], "")],
)
def test_object_id(value: Any, expected: str) -> None:
    assert object_id(value) == expected


def test_recorded__keeps_nothing_private() -> None:
    private = {
        "client_secret": "cs_secret_x",
        "customer_details": {"email": "ada@example.com", "name": "Ada"},
        "customer_email": "ada@example.com",
        "shipping": {"address": {"line1": "Street 1"}},
        "receipt_email": "ada@example.com",
        "payment_method": {"card": {"last4": "4242"}},
        "last_payment_error": {"payment_method": {"billing_details": {"email": "ada@example.com"}}},
        "payment_intent": intent(client_secret="pi_secret_x", receipt_email="ada@example.com"),
        "latest_charge": {"id": "ch_1", "billing_details": {"email": "ada@example.com"}},
        # Of a wrong type, and so with who knows what inside.
        "cancellation_reason": {"email": "ada@example.com"},
        "url": ["ada@example.com"],
    }
    kept = recorded(session(**private, metadata={"token": "t", "n": 1}))
    text = json.dumps(kept)
    for part in ("ada@", "Ada", "secret", "4242", "Street"):
        assert part not in text
    assert (kept["payment_intent"], kept["latest_charge"]) == ("pi_1", "ch_1")
    assert kept["metadata"] == {"token": "t", "n": "1"}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
NAMES = sorted({*intent(), *session(), *refund(), "expires_at", "latest_charge", "refunds", "data", "has_more", "url"})
LIKELY = st.sampled_from("usd jpy isk succeeded paid payment_intent checkout.session complete".split())
BASES = [{}, intent(), without(intent(), "amount_received"), session(), refund()]
OBJECTS = st.recursive(
    st.dictionaries(st.sampled_from(NAMES), JSON | LIKELY, max_size=12),
    lambda inner: st.dictionaries(st.sampled_from(NAMES), inner | JSON | LIKELY | st.lists(inner), max_size=12),
    max_leaves=6,
)
READERS: list[Callable[[Any], Any]] = [
    payment_snapshot,
    refund_snapshot,
    dispute_snapshot,
    charge_refunds,
    refunded_total,
    page_of(refund_snapshot),
]


@settings(max_examples=300, deadline=None)
@given(obj=OBJECTS | JSON, base=st.sampled_from(BASES))
def test_any_json(obj: Any, base: dict[str, Any]) -> None:
    if isinstance(obj, dict):
        obj = base | obj
    for read in READERS:
        # Any other exception fails the test.
        with contextlib.suppress(ProviderError):
            found = read(obj)
            if isinstance(found, PaymentSnapshot):
                json.dumps(dict(found.raw), allow_nan=False)
