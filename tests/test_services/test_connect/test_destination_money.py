"""Money of destination charges: what a refund takes back, what a capture keeps, and charges of saved cards."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from django_stripe_gateway import exceptions
from django_stripe_gateway.models import ConnectedAccount, get_payment_model
from django_stripe_gateway.payments import (
    capture_payment,
    charge,
    refund_payment,
    refund_unexpected,
)
from tests.test_services.conftest import Shop
from tests.test_services.test_connect.sellers import FEE, balance, terms_of
from tests.test_services.test_saved_cards import saved_card
from tests.test_webhooks.support import deliver_all
from tests.test_webhooks.test_order import IGNORED

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize(
    ("amount", "asked", "reversed_", "returned"),
    [
        (None, {}, 1000, 150),
        (Decimal(4), {}, 400, 60),
        (Decimal(4), {"refund_application_fee": False}, 400, 0),
        (Decimal(4), {"reverse_transfer": False}, 0, 0),
        (Decimal(4), {"reverse_transfer": True, "refund_application_fee": True}, 400, 60),
        (Decimal(4), {"reverse_transfer": False, "refund_application_fee": False}, 0, 0),
    ],
)
def test_refund(
    shop: Shop, seller: ConnectedAccount, amount: Decimal | None, asked: Any, reversed_: int, returned: int
) -> None:
    payment = shop.completed(destination=seller, application_fee=FEE)
    refund_payment(payment=payment, amount=amount, **asked)
    assert balance(shop) == ([(1000, reversed_)], [(150, returned)])


@pytest.mark.parametrize(
    ("terms", "asked", "field"),
    [
        ({}, {"reverse_transfer": True}, "reverse_transfer"),
        ({}, {"refund_application_fee": True}, "refund_application_fee"),
        ({"destination"}, {"refund_application_fee": True}, "refund_application_fee"),
        (
            {"destination", "application_fee"},
            {"reverse_transfer": False, "refund_application_fee": True},
            "refund_application_fee",
        ),
    ],
)
def test_refund__impossible(shop: Shop, seller: ConnectedAccount, terms: Any, asked: Any, field: str) -> None:
    values = {"destination": seller, "application_fee": FEE}
    payment = shop.completed(**{name: values[name] for name in terms})
    with pytest.raises(exceptions.InvalidInput) as caught:
        refund_payment(payment=payment, **asked)
    assert caught.value.field == field
    assert not payment.refunds.exists()
    assert not shop.mutations("/refunds")


def test_refund__lost_answer(shop: Shop, seller: ConnectedAccount) -> None:
    payment = shop.completed(destination=seller, application_fee=FEE)
    shop.stripe.fault("POST", "/v1/refunds", kind="error_500_before")
    with pytest.raises(exceptions.ProviderUnavailable):
        refund_payment(payment=payment, amount=Decimal(4), refund_application_fee=False)
    # Another request than before, which has to wait.
    with pytest.raises(exceptions.OperationInProgress):
        refund_payment(payment=payment, amount=Decimal(4))
    refund_payment(payment=payment, amount=Decimal(4), refund_application_fee=False)
    assert balance(shop) == ([(1000, 400)], [(150, 0)])


def test_return(shop: Shop, seller: ConnectedAccount) -> None:
    """Money that was not expected goes back as it came, whatever the payment says by now."""
    payment = shop.waiting(destination=seller, application_fee=FEE)
    shop.stripe.act(payment.transaction_id, lambda scope, session: session.update(amount_total=800))
    shop.stripe.complete_checkout(payment.transaction_id)
    deliver_all([event for event in shop.stripe.events() if event["type"] not in IGNORED])
    get_payment_model().objects.update(destination_id="", application_fee=None)
    payment.refresh_from_db()
    refund_unexpected(payment=payment)
    assert balance(shop) == ([(800, 800)], [(150, 150)])


def test_capture__keeps_the_fee(shop: Shop, seller: ConnectedAccount) -> None:
    payment = shop.authorized(destination=seller, application_fee=FEE)
    assert balance(shop) == ([], [])
    capture_payment(payment=payment, amount=Decimal(6))
    assert balance(shop) == ([(600, 0)], [(150, 0)])
    assert "application_fee_amount" not in shop.mutations("/capture")[0].params


@pytest.mark.parametrize("fee", ["0.60", "6.00", "0"])
def test_capture__another_fee(shop: Shop, seller: ConnectedAccount, fee: str) -> None:
    payment = shop.authorized(destination=seller, application_fee=FEE)
    before = shop.stripe.events()
    capture_payment(payment=payment, amount=Decimal(6), application_fee=Decimal(fee))
    minor = int(Decimal(fee) * 100)
    assert balance(shop) == ([(600, 0)], [(minor, 0)] if minor else [])
    assert terms_of(payment) == (seller.provider_id, "", Decimal(fee))
    # News of before the capture, which come late, know nothing of it.
    deliver_all([event for event in before if event["type"] not in IGNORED])
    assert terms_of(payment) == (seller.provider_id, "", Decimal(fee))


@pytest.mark.parametrize(
    ("kept", "asked", "code"),
    [("6.01", None, "fee_too_large"), ("1", "6.01", "fee_too_large"), ("1", "-1", "invalid_amount")],
)
def test_capture__bad_fee(shop: Shop, seller: ConnectedAccount, kept: str, asked: str | None, code: str) -> None:
    payment = shop.authorized(destination=seller, application_fee=Decimal(kept))
    fee = None if asked is None else Decimal(asked)
    with pytest.raises(exceptions.InvalidAmount) as caught:
        capture_payment(payment=payment, amount=Decimal(6), application_fee=fee)
    assert (caught.value.code, caught.value.field) == (code, "application_fee")
    assert not payment.operations.filter(kind="capture").exists()
    assert not shop.mutations("/capture")


def test_capture__fee_of_nobody(shop: Shop) -> None:
    payment = shop.authorized()
    with pytest.raises(exceptions.InvalidInput):
        capture_payment(payment=payment, application_fee=FEE)
    assert not shop.mutations("/capture")


def test_capture__lost_answer(shop: Shop, seller: ConnectedAccount) -> None:
    payment = shop.authorized(destination=seller, application_fee=FEE)
    shop.stripe.fault("POST", "/v1/payment_intents/*/capture", kind="error_500_after")
    with pytest.raises(exceptions.ProviderUnavailable):
        capture_payment(payment=payment, amount=Decimal(6), application_fee=Decimal("0.6"))
    capture_payment(payment=payment, amount=Decimal(6), application_fee=Decimal("0.60"))
    assert balance(shop) == ([(600, 0)], [(60, 0)])


def test_capture__another_fee_than_was_not_answered(shop: Shop, seller: ConnectedAccount) -> None:
    payment = shop.authorized(destination=seller, application_fee=FEE)
    shop.stripe.fault("POST", "/v1/payment_intents/*/capture", kind="error_500_before")
    with pytest.raises(exceptions.ProviderUnavailable):
        capture_payment(payment=payment, amount=Decimal(6), application_fee=Decimal("0.60"))
    capture_payment(payment=payment, amount=Decimal(6), application_fee=Decimal("1.00"))
    assert balance(shop) == ([(600, 0)], [(100, 0)])


@pytest.mark.parametrize("fault", [None, "error_500_before", "error_500_after"])
def test_charge(shop: Shop, seller: ConnectedAccount, fault: Any) -> None:
    saved_card(shop.user)
    asked = {"owner": shop.user, "amount": Decimal(10), "currency": "USD", "idempotency_key": "k"}
    terms = {"destination": seller, "on_behalf_of": seller, "application_fee": FEE}
    if fault:
        shop.stripe.fault("POST", "/v1/payment_intents", kind=fault)
        with pytest.raises(exceptions.ProviderUnavailable):
            charge(**asked, **terms)
    # What is asked for under the key is what was asked for first.
    payment = charge(**asked, **terms if fault is None else {})
    assert payment.is_confirmed
    assert terms_of(payment) == (seller.provider_id, seller.provider_id, FEE)
    assert balance(shop) == ([(1000, 0)], [(150, 0)])


def test_charge__thief(shop: Shop) -> None:
    saved_card(shop.user)
    with pytest.raises(exceptions.InvalidInput):
        charge(owner=shop.user, amount=Decimal(10), currency="USD", application_fee=FEE)
    with pytest.raises(exceptions.InvalidInput):
        charge(owner=shop.user, amount=Decimal(10), currency="USD", destination="cus_1")
    assert not get_payment_model().objects.exists()
