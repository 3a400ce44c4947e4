"""Capture, cancel and release."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from django_stripe_gateway import exceptions
from django_stripe_gateway.services.payments import cancel as cancelling
from django_stripe_gateway.services.payments import capture as captures
from tests.conftest import SignalRecorder
from tests.factories import make_payment
from tests.test_services.conftest import Shop

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("amount", [None, Decimal("10.00"), Decimal("4.00"), Decimal("0.01")])
def test_capture(shop: Shop, amount: Decimal | None, recorded_signals: SignalRecorder) -> None:
    payment = captures.capture_payment(payment=shop.authorized(), amount=amount)

    taken = amount or Decimal("10.00")
    assert (payment.status, payment.captured_amount) == ("confirmed", taken)
    assert shop.stripe.get(payment.intent_id)["amount_received"] == int(taken * 100)
    assert recorded_signals.names == [
        "payment_created",
        "payment_preauthorized",
        "payment_confirmed",
        "payment_captured",
    ]
    assert recorded_signals.values("payment_captured")[0]["amount"] == taken
    (call,) = shop.mutations("/capture")
    assert call.idempotency_key == str(payment.operations.get(kind="capture").idempotency_key)


@pytest.mark.parametrize(
    ("amount", "code"),
    [("10.01", "amount_too_large"), ("0", "invalid_amount"), ("-1", "invalid_amount"), ("1.234", "invalid_amount")],
)
def test_capture__bad_amount(shop: Shop, amount: str, code: str) -> None:
    payment = shop.authorized()
    with pytest.raises(exceptions.InvalidAmount) as caught:
        captures.capture_payment(payment=payment, amount=Decimal(amount))
    assert caught.value.code == code
    payment.refresh_from_db()
    assert payment.status == "preauth"
    assert not payment.operations.filter(kind="capture").exists()
    assert not shop.mutations("/capture")


def test_capture__repeated(shop: Shop) -> None:
    payment = captures.capture_payment(payment=shop.authorized(), amount=Decimal(4))
    with pytest.raises(exceptions.WrongState):
        captures.capture_payment(payment=payment, amount=Decimal(4))
    assert len(shop.mutations("/capture")) == 1


def test_capture__same_key(shop: Shop) -> None:
    payment = shop.authorized()
    for _time in range(2):
        done = captures.capture_payment(payment=payment, amount=Decimal(4), idempotency_key="k")
        assert done.captured_amount == Decimal(4)
    assert len(shop.mutations("/capture")) == 1


@pytest.mark.parametrize("status", ["waiting", "confirmed", "rejected", "refunded", "error", "cancelled", "input"])
def test_capture__wrong_state(shop: Shop, status: str) -> None:
    with pytest.raises(exceptions.WrongState):
        captures.capture_payment(payment=make_payment(status=status))
    assert not shop.stripe.requests


def test_capture__done_at_the_dashboard_meanwhile(shop: Shop) -> None:
    payment = shop.authorized()
    shop.stripe.expire_authorization(payment.intent_id)
    with pytest.raises(exceptions.WrongState):
        captures.capture_payment(payment=payment)
    payment.refresh_from_db()
    assert payment.status == "rejected"


def test_cancel__waiting(shop: Shop, recorded_signals: SignalRecorder) -> None:
    payment = cancelling.cancel_payment(payment=shop.waiting())
    assert payment.status == "cancelled"
    assert shop.stripe.get(payment.transaction_id)["status"] == "expired"
    assert recorded_signals.names == ["payment_created", "payment_cancelled"]


def test_cancel__releases_an_authorisation(shop: Shop, recorded_signals: SignalRecorder) -> None:
    payment = cancelling.cancel_payment(payment=shop.authorized())
    assert (payment.status, payment.captured_amount) == ("cancelled", 0)
    assert shop.stripe.get(payment.intent_id)["status"] == "canceled"
    assert recorded_signals.names[-1] == "payment_cancelled"


def test_cancel__never_started(shop: Shop) -> None:
    payment = cancelling.cancel_payment(payment=make_payment(owner=shop.user))
    assert payment.status == "cancelled"
    assert not shop.stripe.requests


@pytest.mark.parametrize("status", ["confirmed", "rejected", "refunded", "cancelled"])
def test_cancel__wrong_state(shop: Shop, status: str) -> None:
    for transaction_id in ("", "cs_test_1"):
        with pytest.raises(exceptions.WrongState):
            cancelling.cancel_payment(payment=make_payment(status=status, transaction_id=transaction_id))
    assert not shop.stripe.requests


def test_cancel__customer_was_faster(shop: Shop, recorded_signals: SignalRecorder) -> None:
    payment = shop.waiting()
    shop.stripe.complete_checkout(payment.transaction_id)
    with pytest.raises(exceptions.WrongState):
        cancelling.cancel_payment(payment=payment)
    payment.refresh_from_db()
    assert payment.status == "confirmed"
    assert recorded_signals.names == ["payment_created", "payment_confirmed"]


@pytest.mark.localstripe
@pytest.mark.parametrize("capture_method", ["automatic", "manual"])
def test_cancel__localstripe(localstripe: str, user: Any, capture_method: str) -> None:
    from django_stripe_gateway.services.payments import create as payments

    payment = payments.create_payment(
        owner=user,
        gateway="Stripe",
        amount=Decimal(5),
        currency="EUR",
        capture_method=capture_method,
        confirm=capture_method == "manual",
    )
    assert cancelling.cancel_payment(payment=payment).status == "cancelled"
