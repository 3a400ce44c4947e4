"""Refunds."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from django_stripe_gateway import exceptions
from django_stripe_gateway.models import Refund
from django_stripe_gateway.services.payments import capture as captures
from django_stripe_gateway.services.payments import refresh as syncing
from django_stripe_gateway.services.payments import refund as refunds
from tests.conftest import SignalRecorder
from tests.factories import make_payment
from tests.test_services.conftest import Shop

pytestmark = pytest.mark.django_db(transaction=True)


def test_refund__whole(shop: Shop, recorded_signals: SignalRecorder) -> None:
    refund = refunds.refund_payment(payment=shop.completed(), reason="requested_by_customer")
    assert (refund.status, refund.amount) == ("succeeded", Decimal(10))
    assert (refund.payment.status, refund.payment.refunded_amount) == ("refunded", Decimal(10))
    assert refund.payment.captured_amount == Decimal(10)
    stripes = shop.stripe.get(refund.provider_id)
    assert (stripes["amount"], stripes["reason"]) == (1000, "requested_by_customer")
    (values,) = recorded_signals.values("payment_refunded")
    assert values["is_full"]
    assert values["amount"] == Decimal(10)


def test_refund__partial_then_the_rest(shop: Shop, recorded_signals: SignalRecorder) -> None:
    payment = shop.completed()
    first = refunds.refund_payment(payment=payment, amount=Decimal("3.00"))
    assert (first.payment.status, first.payment.refunded_amount) == ("confirmed", Decimal(3))
    second = refunds.refund_payment(payment=payment)
    assert second.amount == Decimal(7)
    assert (second.payment.status, second.payment.refunded_amount) == ("refunded", Decimal(10))
    with pytest.raises(exceptions.WrongState):
        refunds.refund_payment(payment=payment, amount=Decimal("0.01"))
    assert [values["is_full"] for values in recorded_signals.values("payment_refunded")] == [False, True]
    keys = [call.idempotency_key for call in shop.mutations("/refunds")]
    assert len(set(keys)) == 2


@pytest.mark.parametrize(
    ("amount", "code"),
    [("7.01", "amount_too_large"), ("0", "invalid_amount"), ("-3", "invalid_amount"), ("0.001", "invalid_amount")],
)
def test_refund__bad_amount(shop: Shop, amount: str, code: str) -> None:
    payment = shop.completed()
    refunds.refund_payment(payment=payment, amount=Decimal(3))
    with pytest.raises(exceptions.InvalidAmount) as caught:
        refunds.refund_payment(payment=payment, amount=Decimal(amount))
    assert caught.value.code == code
    assert len(shop.mutations("/refunds")) == 1
    assert Refund.objects.count() == 1


def test_refund__unknown_reason(shop: Shop) -> None:
    with pytest.raises(exceptions.InvalidInput) as caught:
        refunds.refund_payment(payment=shop.completed(), reason="because")
    assert caught.value.field == "reason"


def test_refund__never_above_what_was_captured(shop: Shop) -> None:
    payment = captures.capture_payment(payment=shop.authorized(), amount=Decimal(4))
    with pytest.raises(exceptions.InvalidAmount):
        refunds.refund_payment(payment=payment, amount=Decimal(5))
    assert refunds.refund_payment(payment=payment).amount == Decimal(4)


@pytest.mark.parametrize("status", ["waiting", "preauth", "rejected", "refunded", "error", "cancelled", "input"])
def test_refund__wrong_state(shop: Shop, status: str) -> None:
    with pytest.raises(exceptions.WrongState):
        refunds.refund_payment(payment=make_payment(status=status))
    assert not shop.stripe.requests


def test_refund__pending_counts_against_the_rest(shop: Shop, recorded_signals: SignalRecorder) -> None:
    shop.stripe.refunds_stay_pending = True
    payment = shop.completed()
    refund = refunds.refund_payment(payment=payment, amount=Decimal(6))
    assert refund.status == "pending"
    assert (refund.payment.status, refund.payment.refunded_amount) == ("confirmed", 0)
    assert refund.payment.refundable_amount() == Decimal(4)
    with pytest.raises(exceptions.InvalidAmount):
        refunds.refund_payment(payment=payment, amount=Decimal(5))
    refunds.refund_payment(payment=payment)
    with pytest.raises(exceptions.WrongState):
        refunds.refund_payment(payment=payment)
    assert "payment_refunded" not in recorded_signals.names

    shop.stripe.settle_refund(refund.provider_id)
    payment = syncing.sync_payment(payment=payment, with_refunds=True)
    assert payment.refunded_amount == Decimal(6)
    assert recorded_signals.names.count("payment_refunded") == 1


def test_refund__fails_after_it_succeeded(shop: Shop, recorded_signals: SignalRecorder) -> None:
    payment = shop.completed()
    refund = refunds.refund_payment(payment=payment)
    assert refund.payment.status == "refunded"
    shop.stripe.fail_refund(refund.provider_id)
    payment = syncing.sync_payment(payment=payment, with_refunds=True)
    assert (payment.status, payment.refunded_amount) == ("confirmed", 0)
    assert recorded_signals.names[-1] == "refund_failed"
    assert refunds.refund_payment(payment=payment).payment.status == "refunded"


def test_refund__refused_by_stripe(shop: Shop) -> None:
    payment = shop.completed()
    # The merchant has refunded at the dashboard, and the event has not arrived.
    shop.stripe.dashboard_refund(payment.intent_id, 800)
    with pytest.raises(exceptions.GatewayError):
        refunds.refund_payment(payment=payment)
    refund = Refund.objects.get()
    assert refund.status == "failed"
    payment = syncing.sync_payment(payment=payment, with_refunds=True)
    assert payment.refundable_amount() == Decimal(2)


def test_refund__same_key(shop: Shop) -> None:
    payment = shop.completed()
    first = refunds.refund_payment(payment=payment, amount=Decimal(3), idempotency_key="k")
    second = refunds.refund_payment(payment=payment, amount=Decimal(3), idempotency_key="k")
    assert first.pk == second.pk
    other = refunds.refund_payment(payment=payment, amount=Decimal(3), idempotency_key="l")
    assert other.pk != first.pk
    assert other.payment.refunded_amount == Decimal(6)


@pytest.mark.localstripe
def test_refund__localstripe(localstripe: str, user: Any) -> None:
    from django_stripe_gateway.services.payments import create as payments

    payment = payments.create_payment(owner=user, gateway="Stripe", amount=Decimal(10), currency="USD")
    assert refunds.refund_payment(payment=payment, amount=Decimal(3)).payment.refunded_amount == Decimal(3)
    assert refunds.refund_payment(payment=payment).payment.status == "refunded"
    with pytest.raises(exceptions.WrongState):
        refunds.refund_payment(payment=payment)
