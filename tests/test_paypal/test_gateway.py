from __future__ import annotations

import dataclasses
import itertools
import json
from decimal import Decimal
from typing import Any

import pytest

from django_stripe_gateway.exceptions import (
    InvalidAmount,
    PaymentDeclined,
    ProviderError,
    ProviderStateError,
    ProviderUnavailable,
    UnsupportedCurrency,
)
from django_stripe_gateway.gateways.paypal.payments import PayPalGateway
from django_stripe_gateway.gateways.registry import get_gateway, is_supported_variant
from django_stripe_gateway.gateways.values import LineItem, PaymentRef, PaymentRequest, PaymentSnapshot, ProviderStatus
from tests.fake_paypal.server import CLIENT_SECRET, FakePayPal

TEN = Decimal("10.00")
_numbers = itertools.count(1)


def key() -> str:
    return f"key-{next(_numbers)}"


def make_request(amount: str = "10.00", currency: str = "USD", **fields: Any) -> PaymentRequest:
    values: dict[str, Any] = {
        "token": "token-of-the-payment",
        "metadata": {"payment_id": "7", "token": "token-of-the-payment", "order_id": "A-17"},
        "description": "Order 7",
        "items": [LineItem("Shoes", Decimal(amount))],
        "success_url": "https://shop.test/success?signature=x",
        "cancel_url": "https://shop.test/cancel",
    }
    return PaymentRequest(amount=Decimal(amount), currency=currency, **values | fields)


def ref_of(snapshot: PaymentSnapshot) -> PaymentRef:
    return PaymentRef(snapshot.object_id, snapshot.intent_id, snapshot.currency)


class Buyer:
    """The gateway under test, and a buyer."""

    def __init__(self, fake: FakePayPal) -> None:
        self.fake = fake
        gateway = get_gateway("paypal")
        assert isinstance(gateway, PayPalGateway)
        self.gateway = gateway

    def create(self, **fields: Any) -> PaymentSnapshot:
        return self.gateway.create_payment(make_request(**fields), idempotency_key=key())

    def approved(self, **fields: Any) -> PaymentRef:
        ref = ref_of(self.create(**fields))
        self.fake.approve(ref.object_id)
        return ref

    def confirm(self, ref: PaymentRef, *, manual: bool = False, idempotency_key: str = "") -> PaymentSnapshot:
        request = make_request(manual_capture=manual)
        return self.gateway.confirm_payment(ref, request, idempotency_key=idempotency_key or key())

    def paid(self, *, manual: bool = False) -> PaymentRef:
        return ref_of(self.confirm(self.approved(manual_capture=manual), manual=manual))

    def refund(self, ref: PaymentRef, amount: str, **fields: Any) -> Any:
        values: dict[str, Any] = {"reason": "", "metadata": {}, "idempotency_key": key()}
        return self.gateway.refund_payment(ref, Decimal(amount), **values | fields)


@pytest.fixture
def buyer(paypal: FakePayPal) -> Buyer:
    return Buyer(paypal)


def test_registry(paypal: FakePayPal) -> None:
    assert isinstance(get_gateway("paypal"), PayPalGateway)
    assert is_supported_variant("paypal")


def test_create(buyer: Buyer, paypal: FakePayPal) -> None:
    snapshot = buyer.create(customer_email="ada@example.com")
    assert (snapshot.status, snapshot.amount, snapshot.currency) == (ProviderStatus.OPEN, TEN, "USD")
    assert snapshot.amount_received is None
    assert snapshot.redirect_url == f"{paypal.url}/checkoutnow?token={snapshot.object_id}"
    assert snapshot.intent_id == ""
    body = paypal.requests[-1].body
    assert body["intent"] == "CAPTURE"
    unit = body["purchase_units"][0]
    assert (unit["custom_id"], unit["reference_id"]) == ("token-of-the-payment", "7")
    assert unit["invoice_id"].startswith("A-17-7-")
    assert unit["amount"]["breakdown"]["item_total"] == {"currency_code": "USD", "value": "10.00"}
    context = body["payment_source"]["paypal"]["experience_context"]
    assert (context["user_action"], context["return_url"]) == ("PAY_NOW", "https://shop.test/success?signature=x")


def test_create__items_that_do_not_add_up(buyer: Buyer, paypal: FakePayPal) -> None:
    buyer.create(items=[LineItem("Shoes", Decimal("9.00"))])
    assert "items" not in paypal.requests[-1].body["purchase_units"][0]


def test_create__invoice_ids_differ_between_shops(buyer: Buyer, paypal: FakePayPal) -> None:
    buyer.create()
    buyer.create(token="another")
    buyer.create()
    first, second, third = (request.body["purchase_units"][0]["invoice_id"] for request in paypal.requests[1:])
    assert first == third != second


@pytest.mark.parametrize(
    ("amount", "currency", "value"),
    [("1000", "JPY", "1000"), ("1000.00", "HUF", "1000"), ("30.000", "TWD", "30"), ("10.5", "EUR", "10.50")],
)
def test_create__currencies(buyer: Buyer, paypal: FakePayPal, amount: str, currency: str, value: str) -> None:
    snapshot = buyer.create(amount=amount, currency=currency)
    assert (snapshot.amount, snapshot.currency) == (Decimal(amount), currency)
    assert paypal.requests[-1].body["purchase_units"][0]["amount"]["value"] == value


@pytest.mark.parametrize(
    ("amount", "currency", "error"),
    [
        ("10.50", "HUF", InvalidAmount),
        ("10.50", "TWD", InvalidAmount),
        ("10.505", "USD", InvalidAmount),
        ("NaN", "USD", InvalidAmount),
        ("-1", "USD", InvalidAmount),
        ("10.00", "KWD", UnsupportedCurrency),
        ("10.00", "XXX", UnsupportedCurrency),
    ],
)
def test_create__refused_before_paypal_is_asked(
    buyer: Buyer, paypal: FakePayPal, amount: str, currency: str, error: type[Exception]
) -> None:
    with pytest.raises(error):
        buyer.create(amount=amount, currency=currency)
    assert paypal.requests == []


def test_approve__takes_nothing(buyer: Buyer) -> None:
    snapshot = buyer.gateway.retrieve_payment(buyer.approved())
    assert (snapshot.status, snapshot.amount_received) == (ProviderStatus.APPROVED, None)


def test_confirm(buyer: Buyer) -> None:
    snapshot = buyer.confirm(buyer.approved())
    assert (snapshot.status, snapshot.amount_received) == (ProviderStatus.SUCCEEDED, TEN)
    assert snapshot.intent_id.startswith("CA")
    again = buyer.gateway.retrieve_payment(ref_of(snapshot))
    assert dataclasses.replace(again, redirect_url="", raw={}) == dataclasses.replace(snapshot, redirect_url="", raw={})


def test_confirm__minimal_answer(buyer: Buyer, paypal: FakePayPal) -> None:
    paypal.behaviour.minimal = True
    assert buyer.confirm(buyer.approved()).status == ProviderStatus.SUCCEEDED


def test_confirm__not_approved(buyer: Buyer) -> None:
    with pytest.raises(ProviderStateError) as caught:
        buyer.confirm(ref_of(buyer.create()))
    assert caught.value.code == "order_not_approved"
    assert caught.value.request_id.startswith("debug")


def test_confirm__done_before_under_a_forgotten_id(buyer: Buyer, paypal: FakePayPal) -> None:
    ref = buyer.approved()
    buyer.confirm(ref, idempotency_key="one")
    paypal.api.forget_request_ids()
    assert buyer.confirm(ref, idempotency_key="one").status == ProviderStatus.SUCCEEDED
    assert len(paypal.state.captures) == 1


@pytest.mark.parametrize(
    "issue", ["INSTRUMENT_DECLINED", "PAYER_ACTION_REQUIRED", "TRANSACTION_REFUSED", "PAYER_CANNOT_PAY"]
)
def test_confirm__declined(buyer: Buyer, paypal: FakePayPal, issue: str) -> None:
    ref = buyer.approved()
    paypal.behaviour.decline = issue
    with pytest.raises(PaymentDeclined) as caught:
        buyer.confirm(ref)
    assert caught.value.code == caught.value.extra["decline_code"] == issue.lower()
    assert "ada@example.com" not in caught.value.detail
    paypal.behaviour.decline = ""
    assert buyer.confirm(ref).status == ProviderStatus.SUCCEEDED


def test_confirm__captured_but_declined(buyer: Buyer, paypal: FakePayPal) -> None:
    paypal.behaviour.capture_status = "DECLINED"
    snapshot = buyer.confirm(buyer.approved())
    assert snapshot.status == ProviderStatus.REJECTED
    assert snapshot.failure is not None
    assert snapshot.failure.decline_code == "5120"


def test_confirm__pending(buyer: Buyer, paypal: FakePayPal) -> None:
    paypal.behaviour.pending = True
    snapshot = buyer.confirm(buyer.approved())
    assert (snapshot.status, snapshot.amount_received) == (ProviderStatus.PROCESSING, None)


def test_authorize(buyer: Buyer) -> None:
    snapshot = buyer.confirm(buyer.approved(manual_capture=True), manual=True)
    assert (snapshot.status, snapshot.amount_received) == (ProviderStatus.AUTHORIZED, None)
    assert snapshot.intent_id.startswith("AU")


@pytest.mark.parametrize("amount", ["10.00", "4.00"])
@pytest.mark.parametrize("minimal", [False, True])
def test_capture(buyer: Buyer, paypal: FakePayPal, amount: str, minimal: bool) -> None:
    ref = buyer.paid(manual=True)
    paypal.behaviour.minimal = minimal
    if minimal:
        # An answer without amounts is read again from the order; whoever repeats it finds the capture.
        with pytest.raises(ProviderUnavailable):
            buyer.gateway.capture_payment(ref, Decimal(amount), idempotency_key="minimal")
        snapshot = buyer.gateway.retrieve_payment(ref)
    else:
        snapshot = buyer.gateway.capture_payment(ref, Decimal(amount), idempotency_key=key())
    assert (snapshot.status, snapshot.amount, snapshot.amount_received) == (
        ProviderStatus.SUCCEEDED,
        TEN,
        Decimal(amount),
    )
    # The id that a payment keeps does not change when it is captured.
    assert snapshot.intent_id == ref.intent_id
    assert paypal.acted("/capture")[-1].body == {
        "amount": {"currency_code": "USD", "value": amount},
        "final_capture": True,
    }


def test_capture__without_the_authorisations_id(buyer: Buyer) -> None:
    ref = dataclasses.replace(buyer.paid(manual=True), intent_id="")
    assert buyer.gateway.capture_payment(ref, TEN, idempotency_key=key()).status == ProviderStatus.SUCCEEDED


def test_capture__refused(buyer: Buyer) -> None:
    ref = buyer.paid(manual=True)
    with pytest.raises(ProviderStateError):
        buyer.gateway.capture_payment(ref, Decimal("10.01"), idempotency_key=key())
    buyer.gateway.capture_payment(ref, Decimal("4.00"), idempotency_key=key())
    with pytest.raises(ProviderStateError):
        buyer.gateway.capture_payment(ref, Decimal("4.00"), idempotency_key=key())


@pytest.mark.parametrize("minimal", [False, True])
def test_void(buyer: Buyer, paypal: FakePayPal, minimal: bool) -> None:
    ref = buyer.paid(manual=True)
    paypal.behaviour.minimal = minimal
    assert buyer.gateway.cancel_payment(ref, idempotency_key=key()).status == ProviderStatus.CANCELED
    assert buyer.gateway.retrieve_payment(ref).status == ProviderStatus.CANCELED
    with pytest.raises(ProviderStateError):
        buyer.gateway.capture_payment(ref, TEN, idempotency_key=key())
    with pytest.raises(ProviderStateError):
        buyer.gateway.cancel_payment(ref, idempotency_key=key())


@pytest.mark.parametrize("approved", [False, True])
def test_cancel__unpaid(buyer: Buyer, paypal: FakePayPal, approved: bool) -> None:
    ref = buyer.approved() if approved else ref_of(buyer.create())
    count = len(paypal.acted(""))
    assert buyer.gateway.cancel_payment(ref, idempotency_key=key()).status == ProviderStatus.CANCELED
    assert len(paypal.acted("")) == count


def test_cancel__forgotten_by_paypal(buyer: Buyer, paypal: FakePayPal) -> None:
    ref = ref_of(buyer.create())
    paypal.state.orders.clear()
    assert buyer.gateway.cancel_payment(ref, idempotency_key=key()).status == ProviderStatus.CANCELED
    with pytest.raises(ProviderError) as caught:
        buyer.gateway.retrieve_payment(ref)
    assert caught.value.code == "resource_not_found"
    assert not isinstance(caught.value, ProviderUnavailable | ProviderStateError)


@pytest.mark.parametrize("manual", [False, True])
def test_cancel__paid(buyer: Buyer, manual: bool) -> None:
    ref = buyer.paid(manual=manual)
    if manual:
        buyer.gateway.capture_payment(ref, TEN, idempotency_key=key())
    with pytest.raises(ProviderStateError):
        buyer.gateway.cancel_payment(ref, idempotency_key=key())


@pytest.mark.parametrize("manual", [False, True])
def test_refund__parts(buyer: Buyer, paypal: FakePayPal, manual: bool) -> None:
    ref = buyer.paid(manual=manual)
    if manual:
        buyer.gateway.capture_payment(ref, TEN, idempotency_key=key())
    made = [buyer.refund(ref, amount, metadata={"token": "t", "operation": amount[0]}) for amount in ("3.00", "2.50")]
    assert [refund.status for refund in made] == ["succeeded", "succeeded"]
    assert list(buyer.gateway.list_refunds(ref)) == made
    assert [refund.metadata["operation"] for refund in made] == ["3", "2"]
    assert {refund.intent_id for refund in made} == {ref.intent_id}
    assert paypal.acted("/refund")[0].body["custom_id"] == "t:3"
    # A refund is no smaller capture.
    assert buyer.gateway.retrieve_payment(ref).amount_received == TEN


def test_refund__refused(buyer: Buyer) -> None:
    with pytest.raises(ProviderStateError):
        buyer.refund(buyer.approved(), "1.00")
    ref = buyer.paid()
    with pytest.raises(ProviderStateError) as caught:
        buyer.refund(ref, "10.01")
    assert caught.value.code == "refund_amount_exceeded"
    buyer.refund(ref, "10.00")
    with pytest.raises(ProviderStateError) as caught:
        buyer.refund(ref, "1.00")
    assert caught.value.code == "capture_fully_refunded"


@pytest.mark.parametrize(
    ("paypals", "ours"),
    [("COMPLETED", "succeeded"), ("PENDING", "pending"), ("FAILED", "failed"), ("CANCELLED", "canceled")],
)
def test_refund__statuses(buyer: Buyer, paypal: FakePayPal, paypals: str, ours: str) -> None:
    paypal.behaviour.refund_status = paypals
    assert buyer.refund(buyer.paid(), "1.00").status == ours


def test_list_refunds__none(buyer: Buyer) -> None:
    assert list(buyer.gateway.list_refunds(buyer.paid())) == []


def test_every_change_carries_its_key(buyer: Buyer, paypal: FakePayPal) -> None:
    ref = buyer.paid(manual=True)
    buyer.gateway.capture_payment(ref, TEN, idempotency_key=key())
    buyer.refund(ref, "1.00")
    changes = [request for request in paypal.requests if request.acted]
    assert len(changes) == len({request.request_id for request in changes}) == 4
    assert all(request.request_id.startswith("key-") for request in changes)


def test_snapshots__are_plain(buyer: Buyer) -> None:
    snapshot = buyer.gateway.retrieve_payment(buyer.paid(manual=True))
    assert json.loads(json.dumps(dict(snapshot.raw))) == snapshot.raw
    # Of the order's addresses and names nothing is kept.
    assert "payment_source" not in json.dumps(dict(snapshot.raw))


def test_repr__holds_no_secret(buyer: Buyer) -> None:
    for text in (repr(buyer.gateway), repr(buyer.gateway.account), repr(buyer.create())):
        assert CLIENT_SECRET not in text
        assert "A21AA" not in text
