"""What an order has been paid: nothing else than money that was taken for it, and is still here, counts."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from payments import get_payment_model

from django_stripe_gateway.models import Refund
from tests.factories import make_paid_payment, make_payment, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def paid(user: Any) -> Any:
    """Return a function that asks what the user has paid for the order "17" in euros."""

    def ask(**changed: Any) -> Decimal:
        asked = {"owner": user, "order_id": "17", "currency": "EUR"} | changed
        return get_payment_model().objects.paid_amount(**asked)

    return ask


def pay(owner: Any, **fields: Any) -> Any:
    """Return a payment of 10.00 EUR for the order "17"."""
    return make_paid_payment(**{"owner": owner, "order_id": "17", "currency": "EUR"} | fields)


def test_nothing_yet(paid: Any) -> None:
    assert (paid(), type(paid())) == (0, Decimal)


def test_several_payments__in_one_query(user: Any, paid: Any) -> None:
    # Floats make 0.30000000000000004 of these.
    for amount in ("0.10", "0.20"):
        pay(user, captured_amount=Decimal(amount))
    with CaptureQueriesContext(
        connection,
    ) as queries:
        assert (paid(), str(paid(currency="eur"))) == (Decimal("0.30"), "0.300")
    assert len(queries) == 2


def test_what_was_captured__not_what_was_asked(user: Any, paid: Any) -> None:
    pay(user, total=Decimal("240.00"), captured_amount=Decimal("0.50"))
    assert paid() == Decimal("0.50")


@pytest.mark.parametrize("status", ["waiting", "input", "preauth", "error", "rejected", "cancelled"])
def test_what_was_not_taken(user: Any, paid: Any, status: str) -> None:
    make_payment(owner=user, order_id="17", currency="EUR", status=status)
    assert paid() == 0


def test_somebody_else(user: Any, paid: Any) -> None:
    stranger = make_user()
    pay(stranger)
    pay(None)
    assert (paid(), paid(owner=stranger), paid(owner=None)) == (0, 10, 10)


def test_another_currency_and_another_order(user: Any, paid: Any) -> None:
    pay(user, currency="USD")
    pay(user, order_id="18")
    assert (paid(), paid(currency="USD"), paid(order_id=18)) == (0, 10, 10)


def test_numbers_are_compared_exactly(user: Any, paid: Any) -> None:
    pay(user, order_id="a1")
    assert (paid(order_id="a1"), paid(order_id="A1"), paid(order_id="a1 ")) == (10, 0, 0)


def test_refunds(user: Any, paid: Any) -> None:
    pay(user, captured_amount=Decimal("18.00"), refunded_amount=Decimal("17.99"))
    assert paid() == Decimal("0.01")
    get_payment_model().objects.update(status="refunded", refunded_amount=Decimal("18.00"))
    assert paid() == 0


@pytest.mark.parametrize(
    ("status", "left"),
    [("pending", "3.00"), ("requires_action", "3.00"), ("failed", "20.00"), ("canceled", "20.00")],
)
def test_refunds_under_way(user: Any, paid: Any, status: str, left: str) -> None:
    payment = pay(user)
    pay(user)
    for amount in ("8.00", "9.00"):
        Refund.objects.create(payment=payment, amount=Decimal(amount), currency="EUR", status=status)
    assert paid() == Decimal(left)


def test_refunds__a_succeeded_one_counts_once(user: Any, paid: Any) -> None:
    payment = pay(user, refunded_amount=Decimal("4.00"))
    Refund.objects.create(payment=payment, amount=Decimal("4.00"), currency="EUR", status="succeeded")
    assert paid() == Decimal("6.00")


@pytest.mark.parametrize(("fraud_status", "counts"), [("unknown", 10), ("accept", 10), ("review", 0), ("reject", 0)])
def test_disputes(user: Any, paid: Any, fraud_status: str, counts: int) -> None:
    pay(user, fraud_status=fraud_status)
    assert paid() == counts


@pytest.mark.parametrize("order_id", ["", None])
def test_no_order(user: Any, paid: Any, order_id: Any) -> None:
    pay(user, order_id="")
    with pytest.raises(ValueError, match="which order"):
        paid(order_id=order_id)


def test_part_of_a_queryset(user: Any) -> None:
    pay(user, description="first")
    pay(user)
    first = get_payment_model().objects.filter(description="first")
    assert first.paid_amount(owner=user, order_id="17", currency="EUR") == 10


@pytest.mark.parametrize(("key", "counted"), [("sk_test_fake", 10), ("sk_live_fake", 7)])
def test_another_mode(user: Any, paid: Any, settings: Any, key: str, counted: int) -> None:
    """A test card pays nothing once the site is live, nor live money what is tried with a test key."""
    pay(user, livemode=False)
    pay(user, livemode=True, captured_amount=Decimal("7.00"))
    settings.STRIPE_GATEWAY_API_KEY = key
    assert paid() == counted


def test_another_account(user: Any, paid: Any, settings: Any) -> None:
    settings.STRIPE_GATEWAY_ACCOUNT_ID = "acct_ours"
    for account_id, amount in (("acct_ours", "1.00"), ("acct_theirs", "2.00"), ("", "4.00")):
        pay(user, account_id=account_id, captured_amount=Decimal(amount))
    pay(user, variant="gone", captured_amount=Decimal("8.00"))
    # Whose account nobody knew counts by its mode.
    assert paid() == Decimal("5.00")
    settings.STRIPE_GATEWAY_ACCOUNT_ID = "acct_theirs"
    assert paid() == Decimal("6.00")


def test_another_account__refunds_under_way(user: Any, paid: Any) -> None:
    foreign = pay(user, livemode=True)
    Refund.objects.create(payment=foreign, amount=Decimal("4.00"), currency="EUR", status="pending")
    pay(user)
    assert paid() == 10


def test_totals__of_configured_account(user: Any) -> None:
    pay(user, livemode=True)
    pay(user, captured_amount=Decimal("3.00"))
    rows = get_payment_model().objects
    assert (rows.totals()["EUR"]["net"], rows.of_configured_account().totals()["EUR"]["net"]) == (13, 3)
