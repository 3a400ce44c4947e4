"""The books of all payments: what must be true, and that the command says where it is not."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection

from django_stripe_gateway.models import PaymentLog, PaymentOperation, Refund
from django_stripe_gateway.payments import capture_payment, refund_payment
from django_stripe_gateway.services.payments.verify import verify_payments
from tests.factories import make_paid_payment, make_payment
from tests.test_services.conftest import Shop

pytestmark = pytest.mark.django_db(transaction=True)


def run(*args: str) -> tuple[int, str]:
    out, code = StringIO(), 0
    try:
        call_command("verify_money", *args, stdout=out)
    except SystemExit as error:
        code = int(str(error.code))
    return code, out.getvalue()


def write(payment: Any, **columns: Any) -> None:
    """Write past every service, as somebody's SQL does."""
    type(payment)._base_manager.filter(pk=payment.pk).update(**columns)


def refunded_too_little(payment: Any) -> None:
    Refund.objects.create(payment=payment, amount=Decimal(4), currency="USD", status="succeeded", provider_id="re_1")


def waiting_with_money(payment: Any) -> None:
    write(payment, status="waiting")


def paid_with_nothing(payment: Any) -> None:
    write(payment, captured_amount=0, authorized_amount=0)


def refunded_in_part(payment: Any) -> None:
    refunded_too_little(payment)
    write(payment, refunded_amount=4, status="refunded")


def refund_in_another_currency(payment: Any) -> None:
    refunded_too_little(payment)
    Refund.objects.update(currency="EUR")
    write(payment, refunded_amount=4)


def other_status_in_the_log(payment: Any) -> None:
    PaymentLog.objects.create(payment=payment, event="status_changed", data={"from": "waiting", "to": "preauth"})


def same_intent_twice(payment: Any) -> None:
    make_paid_payment(intent_id=payment.intent_id)


def currency_without_cents(payment: Any) -> None:
    write(payment, currency="JPY", total=Decimal("10.50"))


def refund_of_a_failed_operation(payment: Any) -> None:
    now = payment.created
    operation = PaymentOperation.objects.create(payment=payment, kind="refund", state="failed", leased_until=now)
    Refund.objects.create(payment=payment, amount=Decimal(4), currency="USD", operation=operation)


def held_nothing(payment: Any) -> None:
    write(payment, status="preauth", captured_amount=0, authorized_amount=0)


@pytest.mark.parametrize(
    ("harm", "rule"),
    [
        (refunded_too_little, "refunded_sum"),
        (waiting_with_money, "captured_status"),
        (paid_with_nothing, "captured_status"),
        (refunded_in_part, "refunded_status"),
        (refund_in_another_currency, "refunds"),
        (other_status_in_the_log, "log"),
        (same_intent_twice, "duplicates"),
        (currency_without_cents, "currency"),
        (refund_of_a_failed_operation, "operations"),
        (held_nothing, "authorized_status"),
    ],
)
def test_each_violation_is_named(harm: Callable[[Any], None], rule: str) -> None:
    sound, payment = make_paid_payment(), make_paid_payment()
    assert run()[0] == 0
    harm(payment)
    code, out = run()
    assert code == 1
    found = [line for line in out.splitlines() if line.startswith(f"payment {payment.pk} ")]
    assert any(rule in line for line in found)
    assert f"payment {sound.pk} " not in out


def test_all_of_the_table__in_batches() -> None:
    payments = [make_paid_payment() for _number in range(7)]
    refunded_too_little(payments[5])
    checked = list(verify_payments(batch=2))
    assert [one.payment_pk for one in checked] == [payment.pk for payment in payments]
    assert [one.payment_pk for one in checked if one.violations] == [payments[5].pk]
    rest = list(verify_payments(after=payments[3].pk, batch=2))
    assert [one.payment_pk for one in rest] == [payment.pk for payment in payments[4:]]


def test_what_the_services_write_adds_up(shop: Shop) -> None:
    refund_payment(payment=capture_payment(payment=shop.authorized(), amount=Decimal(6)), amount=Decimal(2))
    refund_payment(payment=shop.completed())
    shop.waiting()
    code, out = run("--ask", "10")
    assert (code, "All money adds up." in out) == (0, True), out
    assert "3 compared" in out


def test_ask__what_the_provider_contradicts(shop: Shop) -> None:
    first, second = shop.completed(), shop.completed()
    shop.stripe.dashboard_refund(second.intent_id, 400)
    code, out = run("--ask", "1")
    assert (code, f"Go on with --after {first.pk}." in out) == (0, True)
    code, out = run("--ask", "1", "--after", str(first.pk))
    assert code == 1
    assert "0.000 refunded, 4.00 at the provider" in out


def test_bad_options() -> None:
    for args in (["--ask", "-1"], ["--after", "nobody"]):
        with pytest.raises(CommandError):
            call_command("verify_money", *args)


@pytest.mark.parametrize(
    "columns",
    [
        {"refunded_amount": 11},
        {"refunded_amount": -1},
        {"captured_amount": 11, "authorized_amount": 10},
    ],
)
def test_the_database_holds_it_too(columns: dict[str, Any]) -> None:
    payment = make_paid_payment()
    with pytest.raises(IntegrityError):
        write(payment, **columns)
    with pytest.raises(IntegrityError):
        Refund.objects.create(payment=payment, amount=Decimal(0), currency="USD")
    assert connection.is_usable()


def test_what_others_save_in_steps() -> None:
    """Other providers of django-payments, and hosts, know nothing of what was authorised."""
    payment = make_payment()
    payment.captured_amount = Decimal(10)
    payment.save(update_fields=["captured_amount"])
    payment.refresh_from_db()
    assert payment.authorized_amount == 10
    other = make_payment()
    type(other).objects.filter(pk=other.pk).update(captured_amount=Decimal(7), status="confirmed")
    other.refresh_from_db()
    assert (other.authorized_amount, other.captured_amount) == (7, 7)
