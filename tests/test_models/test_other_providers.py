"""Providers of django-payments that are not ours work on our model, along our transition table."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction
from payments import RedirectNeeded
from payments.core import PROVIDER_CACHE
from payments.signals import status_changed

from django_stripe_gateway.exceptions import WrongState
from tests.factories import make_payment

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _dummy_variant(settings: Any) -> Iterator[None]:
    settings.PAYMENT_VARIANTS = {"dummy": ("payments.dummy.DummyProvider", {})}
    PROVIDER_CACHE.clear()
    yield
    PROVIDER_CACHE.clear()


@pytest.fixture
def sent() -> Iterator[list[tuple[str, bool]]]:
    """Record the status that each ``status_changed`` brings, and whether a transaction was open."""
    found: list[tuple[str, bool]] = []

    def receive(instance: Any, **kwargs: Any) -> None:
        found.append((instance.status, transaction.get_connection().in_atomic_block))

    status_changed.connect(receive)
    yield found
    status_changed.disconnect(receive)


def submit(payment: Any, status: str, **data: str) -> str:
    data = {"status": status, "fraud_status": "accept", "gateway_response": "3ds-disabled"} | data
    with pytest.raises(RedirectNeeded) as caught:
        payment.get_form(data=data)
    return str(caught.value)


def test_form__confirms(sent: list[tuple[str, bool]]) -> None:
    payment = make_payment(variant="dummy")
    assert payment.get_form().fields["status"]
    assert payment.status == "input"
    assert submit(payment, "confirmed") == payment.get_success_url()
    payment.refresh_from_db()
    assert (payment.status, payment.fraud_status) == ("confirmed", "accept")
    assert sent == [("input", False), ("confirmed", False)]
    assert [line.message for line in payment.logs.all()] == ["waiting -> input", "input -> confirmed"]


def test_form__rejects(sent: list[tuple[str, bool]]) -> None:
    payment = make_payment(variant="dummy")
    assert submit(payment, "rejected") == payment.get_failure_url()
    payment.refresh_from_db()
    assert payment.status == "rejected"


def test_form__follows_the_table() -> None:
    payment = make_payment(variant="dummy", status="refunded")
    with pytest.raises(WrongState, match="refunded cannot become confirmed"):
        payment.get_form(data={"status": "confirmed", "fraud_status": "accept", "gateway_response": "3ds-disabled"})
    payment.refresh_from_db()
    assert payment.status == "refunded"


def test_change_status__looks_at_the_row_not_at_the_copy() -> None:
    payment = make_payment(variant="dummy")
    stale = type(payment).objects.get(pk=payment.pk)
    payment.change_status("confirmed")
    with pytest.raises(WrongState):
        stale.change_status("rejected")
    payment.change_status("confirmed", "said again")
    payment.refresh_from_db()
    assert (payment.status, payment.message) == ("confirmed", "said again")
    assert payment.logs.count() == 1


def test_change_status__sends_after_the_hosts_transaction(sent: list[tuple[str, bool]]) -> None:
    payment = make_payment(variant="dummy")
    with transaction.atomic():
        payment.change_status("confirmed")
        assert sent == []
    assert sent == [("confirmed", False)]
    with transaction.atomic():
        payment.change_status("refunded")
        transaction.set_rollback(True)
    assert len(sent) == 1


@pytest.mark.parametrize("amount", [None, Decimal("4.00")])
def test_capture(amount: Decimal | None) -> None:
    payment = make_payment(variant="dummy", status="preauth")
    payment.capture(amount)
    payment.refresh_from_db()
    assert (payment.status, payment.captured_amount) == ("confirmed", amount or Decimal("10.00"))
    with pytest.raises(ValueError):
        payment.capture()


def test_release() -> None:
    payment = make_payment(variant="dummy", status="preauth")
    payment.release()
    payment.refresh_from_db()
    assert payment.status == "cancelled"
    with pytest.raises(ValueError):
        payment.release()


def test_refund() -> None:
    payment = make_payment(variant="dummy", status="confirmed", captured_amount=Decimal(10))
    payment.refund(Decimal(4))
    payment.refresh_from_db()
    assert payment.status == "confirmed"
    payment.refund(Decimal(6))
    payment.refresh_from_db()
    assert payment.status == "refunded"


def test_cancel() -> None:
    payment = make_payment(variant="dummy")
    payment.cancel()
    payment.refresh_from_db()
    assert payment.status == "cancelled"


def test_return_page__of_the_provider(client: Any, settings: Any) -> None:
    from django.test import override_settings

    payment = make_payment(variant="dummy", status="input")
    with override_settings(ROOT_URLCONF="tests.custom_payment_host.urls"):
        answer = client.get(f"/payments/process/{payment.token}/", {"verification_result": "confirmed"})
    assert answer.status_code == 302
    payment.refresh_from_db()
    assert payment.status == "confirmed"
