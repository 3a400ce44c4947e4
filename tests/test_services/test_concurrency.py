"""Two requests at once: one call takes effect, the money adds up. Run on every database."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from payments import get_payment_model

from django_stripe_gateway import exceptions
from django_stripe_gateway.models import PaymentOperation
from django_stripe_gateway.services.payments import cancel as cancelling
from django_stripe_gateway.services.payments import capture as captures
from django_stripe_gateway.services.payments import create as payments
from django_stripe_gateway.services.payments import refresh as syncing
from django_stripe_gateway.services.payments import refund as refunds
from tests.conftest import SignalRecorder
from tests.test_services.conftest import Shop

pytestmark = pytest.mark.django_db(transaction=True)


def at_once(*calls: Callable[[], Any]) -> list[Any]:
    """Make calls in threads of their own; return what each returned or raised."""

    def run(call: Callable[[], Any]) -> Any:
        try:
            return call()
        except Exception as error:
            return error
        finally:
            connection.close()

    with ThreadPoolExecutor(len(calls)) as threads:
        return list(threads.map(run, calls))


def errors_of(results: list[Any]) -> list[Exception]:
    """Return what was raised."""
    return [result for result in results if isinstance(result, Exception)]


def test_capture(shop: Shop, recorded_signals: SignalRecorder) -> None:
    payment = shop.authorized()
    results = at_once(*[lambda: captures.capture_payment(payment=payment, amount=Decimal(4))] * 6)
    errors = errors_of(results)
    assert len(errors) == 5
    assert all(isinstance(error, exceptions.WrongState) for error in errors), errors
    payment.refresh_from_db()
    assert (payment.status, payment.captured_amount) == ("confirmed", Decimal(4))
    assert sum(call.acts for call in shop.mutations("/capture")) == 1
    assert recorded_signals.names.count("payment_captured") == 1


def test_refund(shop: Shop, recorded_signals: SignalRecorder) -> None:
    payment = shop.completed()
    results = at_once(*[lambda: refunds.refund_payment(payment=payment, amount=Decimal(4))] * 6)
    done = len(results) - len(errors_of(results))
    # Those that do not meet each other may both be made, but never more than the payment holds.
    assert 1 <= done <= 2
    payment.refresh_from_db()
    assert payment.refunded_amount == Decimal(4) * done
    assert len(shop.stripe.all("refund")) == done
    assert recorded_signals.names.count("payment_refunded") == done


def test_refund__while_one_is_in_flight(shop: Shop) -> None:
    payment = shop.completed()
    with ThreadPoolExecutor(1) as threads:
        with shop.stripe.hold("POST", "/v1/refunds") as hold:
            first = threads.submit(at_once, lambda: refunds.refund_payment(payment=payment, amount=Decimal(6)))
            hold.wait()
            with pytest.raises(exceptions.OperationInProgress):
                refunds.refund_payment(payment=payment, amount=Decimal(6))
            hold.release()
        assert errors_of(first.result()) == []
    with pytest.raises(exceptions.InvalidAmount):
        refunds.refund_payment(payment=payment, amount=Decimal(6))
    assert len(shop.stripe.all("refund")) == 1


def test_capture_and_cancel(shop: Shop) -> None:
    payment = shop.authorized()
    results = at_once(
        lambda: captures.capture_payment(payment=payment), lambda: cancelling.cancel_payment(payment=payment)
    )
    assert len(errors_of(results)) == 1
    payment.refresh_from_db()
    assert payment.status in ("confirmed", "cancelled")
    calls = shop.mutations("/capture") + shop.mutations("/cancel")
    assert sum(call.acts for call in calls) == 1


def test_create__same_key(shop: Shop) -> None:
    results = at_once(*[lambda: shop.waiting(idempotency_key="k")] * 6)
    errors = errors_of(results)
    assert all(isinstance(error, exceptions.OperationInProgress) for error in errors), errors
    assert get_payment_model().objects.count() == 1
    assert sum(call.acts for call in shop.mutations("/sessions")) == 1


def test_start__twice(shop: Shop) -> None:
    from tests.factories import make_payment

    payment = make_payment(owner=shop.user)

    def start() -> Any:
        return payments.start_payment(payment=get_payment_model().objects.get(pk=payment.pk))

    errors = errors_of(at_once(*[start] * 4))
    assert all(isinstance(error, exceptions.OperationInProgress) for error in errors), errors


def test_sync__many_at_once(shop: Shop, recorded_signals: SignalRecorder) -> None:
    payment = shop.waiting()
    shop.stripe.complete_checkout(payment.transaction_id)
    results = at_once(*[lambda: syncing.sync_payment(payment=payment)] * 8)
    assert errors_of(results) == []
    assert recorded_signals.names.count("payment_confirmed") == 1
    assert payment.logs.filter(event="status_changed").count() == 1


def test_refund__keys_are_never_shared(shop: Shop) -> None:
    several = [shop.completed() for _number in range(4)]
    at_once(*[lambda payment=payment: refunds.refund_payment(payment=payment) for payment in several])
    keys = [call.idempotency_key for call in shop.mutations("/refunds")]
    assert len(set(keys)) == len(keys) == 4
    assert not PaymentOperation.objects.pending().exists()
