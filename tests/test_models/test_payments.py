"""The payment model: predicates, amounts, what it shows of itself, and how it is stored."""

from __future__ import annotations

import itertools
import json
from decimal import Decimal
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import ProtectedError
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase
from payments import get_payment_model

from django_stripe_gateway.choices import PaymentStatus
from django_stripe_gateway.models import PaymentLog, Refund
from django_stripe_gateway.money import CURRENCIES, MAX_MINOR_UNITS, currency_format, from_minor_units, to_minor_units
from tests.factories import make_paid_payment, make_payment

PREDICATES = {
    "payable": "is_payable",
    "preauthorized": "is_preauthorized",
    "confirmed": "is_confirmed",
    "cancellable": "is_cancellable",
    "refundable": "is_refundable",
    "partially_refunded": "is_partially_refunded",
}
LARGEST = [
    ("IDR", "9999999999.99"),
    ("VND", "999999999999"),
    ("KRW", "999999999999"),
    ("KWD", "999999999.990"),
    ("USD", "9999999999.99"),
    ("UGX", "9999999999"),
]


@pytest.mark.django_db
@pytest.mark.parametrize("name", PREDICATES)
def test_predicates__agree_with_their_filters(name: str) -> None:
    model = get_payment_model()
    amounts = [Decimal("0"), Decimal("0.001"), Decimal("9.999"), Decimal("10"), Decimal("10.001")]
    model.objects.bulk_create(
        model(status=status, captured_amount=captured, refunded_amount=refunded, total=Decimal(10), currency="KWD")
        for status, captured, refunded in itertools.product(PaymentStatus.values, amounts, amounts)
        if refunded <= captured
    )
    filtered = set(getattr(model.objects, name)().values_list("pk", flat=True))
    expected = {payment.pk for payment in model.objects.all() if getattr(payment, PREDICATES[name])}
    assert filtered == expected
    assert 0 < len(expected) < model.objects.count()


class TestStoredAmounts(TestCase):
    """What is written is what is read."""

    @given(st.sampled_from(sorted(CURRENCIES)), st.integers(0, MAX_MINOR_UNITS))
    @settings(max_examples=60, deadline=None)
    def test_round_trip(self, currency: str, number: int) -> None:
        minor = number - number % currency_format(currency).step
        payment = make_payment(total=from_minor_units(minor, currency), currency=currency)
        payment.refresh_from_db()
        assert to_minor_units(payment.total, payment.currency) == minor


@pytest.mark.django_db
@pytest.mark.parametrize(("currency", "amount"), LARGEST)
def test_largest_amounts__are_stored_exactly(currency: str, amount: str) -> None:
    payment = make_payment(
        total=Decimal(amount), captured_amount=Decimal(amount), refunded_amount=Decimal(amount), currency=currency
    )
    Refund.objects.create(payment=payment, amount=Decimal(amount), currency=currency, status="succeeded")
    payment.refresh_from_db()
    for stored in (payment.total, payment.captured_amount, payment.refunded_amount, payment.refunds.get().amount):
        assert stored == Decimal(amount)
    assert payment.display_amount() == f"{amount} {currency}"
    assert type(payment).objects.filter(total=Decimal(amount)).exists()
    assert payment.refundable_amount() == 0


@pytest.mark.django_db
def test_amounts__of_other_types_become_decimals() -> None:
    payment = make_payment(total=10, delivery="1.50", tax=0)
    assert (payment.total, payment.delivery) == (Decimal(10), Decimal("1.50"))
    assert str(payment) == f"Payment {payment.pk}: 10.00 USD (waiting)"
    with pytest.raises(ValidationError):
        make_payment(total="ten")


@pytest.mark.django_db
def test_currency__is_stored_in_upper_case() -> None:
    assert make_payment(currency="eur").currency == "EUR"


@pytest.mark.django_db
def test_refundable_amount__counts_refunds_under_way() -> None:
    payment = make_paid_payment(total=Decimal("10.00"))
    for amount, status in [("1", "succeeded"), ("2", "pending"), ("3", "requires_action"), ("4", "failed")]:
        Refund.objects.create(payment=payment, amount=Decimal(amount), currency="USD", status=status)
    Refund.objects.create(payment=payment, amount=Decimal(5), currency="USD", status="canceled")
    assert payment.refundable_amount() == Decimal(4)


@pytest.mark.django_db
def test_refundable_amount__asks_the_rows_own_database(settings: Any) -> None:
    payment = make_paid_payment()
    Refund.objects.create(payment=payment, amount=Decimal(10), currency="USD", status="pending")
    settings.DATABASE_ROUTERS = [ReplicaRouter()]
    assert payment.refundable_amount() == 0


class ReplicaRouter:
    """Send every read to a replica that is not there."""

    def db_for_read(self, model: Any, **hints: Any) -> str:
        return "replica"

    def db_for_write(self, model: Any, **hints: Any) -> str:
        return "default"


@pytest.mark.django_db
def test_totals__per_currency() -> None:
    make_paid_payment(total=Decimal("0.10"), refunded_amount=Decimal("0.03"))
    make_paid_payment(total=Decimal("0.20"))
    make_paid_payment(total=Decimal("1.230"), currency="KWD")
    make_payment(currency="JPY", total=Decimal(500))
    assert get_payment_model().objects.totals() == {
        "JPY": {"captured": Decimal(0), "refunded": Decimal(0), "net": Decimal(0)},
        "KWD": {"captured": Decimal("1.230"), "refunded": Decimal(0), "net": Decimal("1.230")},
        "USD": {"captured": Decimal("0.30"), "refunded": Decimal("0.03"), "net": Decimal("0.27")},
    }


@pytest.mark.django_db
def test_totals__are_exact_beyond_fifteen_digits(django_assert_num_queries: Any) -> None:
    model = get_payment_model()
    amount = Decimal("999999999999.999")
    model.objects.bulk_create(model(currency="KWD", captured_amount=amount, status="confirmed") for _ in range(1001))
    with django_assert_num_queries(1):
        totals = model.objects.filter(currency="KWD").totals()
    assert totals["KWD"]["captured"] == amount * 1001
    assert model.objects.none().totals() == {}


@pytest.mark.django_db
def test_querysets__owner_order_and_age(user: Any, other_user: Any) -> None:
    model = get_payment_model()
    mine = make_payment(owner=user, order_id="A-1")
    make_payment(owner=other_user, order_id="A-2")
    assert list(model.objects.for_owner(user)) == [mine]
    assert list(model.objects.for_order("A-1")) == [mine]
    assert not model.objects.stale().exists()
    model.objects.filter(pk=mine.pk).update(created="2020-01-01T00:00:00Z")
    assert list(model.objects.stale()) == [mine]
    model.objects.filter(pk=mine.pk).update(status="confirmed")
    assert not model.objects.stale().exists()


@pytest.mark.django_db
def test_tokens__are_unguessable_and_unique(django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(1):
        first = make_payment()
    second = make_payment(token="")
    assert len({first.token, second.token, ""}) == 3
    assert len(second.token) == 36
    with pytest.raises(IntegrityError), transaction.atomic():
        make_payment(token=first.token)


@pytest.mark.django_db
def test_deletion__keeps_payments_with_a_history(user: Any) -> None:
    payment = make_payment(owner=user)
    PaymentLog.objects.create(payment=payment, event="created")
    with pytest.raises(ProtectedError):
        payment.delete()
    user.delete()
    payment.refresh_from_db()
    assert payment.owner is None


@pytest.mark.django_db
def test_text__shows_nothing_secret() -> None:
    session = {"id": "cs_test_1", "url": "https://checkout.stripe.com/c/pay/cs_test_1#secret", "status": "open"}
    payment = make_payment(
        billing_email="ada@example.com", extra_data=json.dumps({"session": session}), metadata={"key": "private"}
    )
    payment.client_secret = "pi_1_secret_2"
    text = f"{payment} {payment!r} {[payment]}"
    for secret in (payment.token, payment.client_secret, "ada@", "secret", "private", "checkout.stripe.com"):
        assert secret not in text


@pytest.mark.parametrize(
    "values",
    [{}, {"total": 10}, {"total": Decimal("1.005"), "currency": "USD"}, {"currency": "XXX"}, {"total": "10"}],
)
def test_text__of_an_odd_row_is_shown(values: dict[str, Any]) -> None:
    assert "Payment None" in repr(get_payment_model()(**values))
    assert "refund" in str(Refund(amount=Decimal("1.005"), currency="XXX"))


@pytest.mark.parametrize("extra_data", ["", "null", "[]", "not json", '{"session": 1}', "{}"])
def test_stored_session__tolerates_anything(extra_data: str) -> None:
    payment = get_payment_model()(extra_data=extra_data)
    assert payment.stored_session == {}
    assert payment.gateway_url == ""


def test_gateway_url__only_while_the_customer_can_pay() -> None:
    def url(status: str, session_status: str = "open") -> str:
        extra_data = json.dumps({"session": {"url": "https://pay.test/", "status": session_status}})
        address: str = get_payment_model()(status=status, extra_data=extra_data).gateway_url
        return address

    assert url("waiting") == url("error") == "https://pay.test/"
    assert url("confirmed") == url("cancelled") == ""
    assert url("waiting", "expired") == url("waiting", "complete") == ""


@pytest.mark.django_db
def test_capture_method__is_the_variants_unless_it_is_named(settings: Any) -> None:
    provider = "django_stripe_gateway.providers.StripeProvider"
    settings.PAYMENT_VARIANTS = {"stripe": (provider, {}), "later": (provider, {"capture": False})}
    assert make_payment().capture_method == "automatic"
    assert make_payment(variant="later").capture_method == "manual"
    assert make_payment(variant="later", capture_method="automatic").capture_method == "automatic"
    assert make_payment(variant="unknown").capture_method == "automatic"
    model = get_payment_model()
    model.objects.bulk_create([model(variant="later", currency="USD", order_id="bulk")])
    assert model.objects.get(order_id="bulk").capture_method == "manual"


@pytest.mark.django_db
def test_purchased_items__default() -> None:
    payment = make_payment(delivery=Decimal(2), tax=Decimal(1), order_id="A-1")
    (item,) = payment.get_purchased_items()
    assert (item.name, item.price, item.quantity, item.sku) == ("Order A-1", Decimal(7), 1, "A-1")
    (item,) = make_payment(description="Two mugs" * 100).get_purchased_items()
    assert item.name.startswith("Two mugs")
    assert len(item.name) == 250


@pytest.mark.django_db
def test_change_fraud_status__writes_nothing_else() -> None:
    payment = make_payment(total=Decimal(10))
    type(payment).objects.filter(pk=payment.pk).update(status="confirmed", captured_amount=Decimal(10))
    payment.change_fraud_status("review", "looks odd")
    payment.refresh_from_db()
    assert (payment.fraud_status, payment.fraud_message) == ("review", "looks odd")
    assert (payment.status, payment.captured_amount) == ("confirmed", Decimal(10))
    with pytest.raises(ValueError, match="unknown, accept"):
        payment.change_fraud_status("paid")
    payment.change_fraud_status("accept", commit=False)
    payment.refresh_from_db()
    assert payment.fraud_status == "review"


@pytest.mark.django_db
def test_new_columns__cost_no_query_to_list(user: Any, django_assert_num_queries: Any) -> None:
    for _ in range(3):
        make_payment(owner=user)
    with django_assert_num_queries(1):
        for payment in get_payment_model().objects.for_owner(user)[:25]:
            assert payment.display_amount()
            assert payment.gateway_url == ""
