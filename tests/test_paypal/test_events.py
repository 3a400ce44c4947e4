from __future__ import annotations

import copy
import itertools
import random
from decimal import Decimal
from typing import Any

import pytest
from django.db import connections
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from django_stripe_gateway.choices import OperationKind, WebhookState
from django_stripe_gateway.models import PaymentLog, PaymentOperation, WebhookEvent
from django_stripe_gateway.services.payments import capture as captures
from django_stripe_gateway.services.payments import refund as refunds
from django_stripe_gateway.services.payments.returns import complete_return
from tests.test_paypal.conftest import Shop, state_of
from tests.test_webhooks.support import in_threads

pytestmark = pytest.mark.django_db(transaction=True)

Event = dict[str, Any]


def forget(payment: Any) -> None:
    """Bring a payment back to what it was before its buyer came: as if only the order had been made."""
    payment.refunds.all().delete()
    payment.operations.exclude(kind=OperationKind.CREATE).delete()
    type(payment).objects.filter(pk=payment.pk).update(
        status="waiting", intent_id="", captured_amount=0, refunded_amount=0, failure_code="", message=""
    )
    WebhookEvent.objects.all().delete()


def life_paid(shop: Shop) -> Any:
    return shop.paid()


def life_refunded(shop: Shop) -> Any:
    payment = shop.paid()
    for amount in ("3.00", "7.00"):
        shop.fake.refund(shop.capture_id(payment), amount)
    return payment


def life_captured_later(shop: Shop) -> Any:
    return shop.captured(part="4.00")


def life_captured_later_and_refunded(shop: Shop) -> Any:
    payment = shop.captured(part="4.00")
    shop.fake.refund(shop.capture_id(payment), "1.00")
    return payment


def life_released(shop: Shop) -> Any:
    payment = shop.authorized()
    shop.fake.state.void(payment.intent_id)
    return payment


def life_pending_then_paid(shop: Shop) -> Any:
    shop.fake.behaviour.pending = True
    payment = shop.paid()
    shop.fake.settle(shop.capture_id(payment))
    return payment


def life_pending_then_denied(shop: Shop) -> Any:
    shop.fake.behaviour.pending = True
    payment = shop.paid()
    shop.fake.settle(shop.capture_id(payment), "DECLINED")
    return payment


def life_reversed(shop: Shop) -> Any:
    payment = shop.paid()
    shop.fake.refund(shop.capture_id(payment), "3.00")
    shop.fake.reverse(shop.capture_id(payment))
    return payment


ENDS: dict[Any, tuple[str, str, str]] = {
    life_paid: ("confirmed", "10.00", "0"),
    life_refunded: ("refunded", "10.00", "10.00"),
    life_captured_later: ("confirmed", "4.00", "0"),
    life_captured_later_and_refunded: ("confirmed", "4.00", "1.00"),
    life_released: ("rejected", "0", "0"),
    life_pending_then_paid: ("confirmed", "10.00", "0"),
    life_pending_then_denied: ("rejected", "0", "0"),
    life_reversed: ("refunded", "10.00", "10.00"),
}


def assert_end(payment: Any, end: tuple[str, str, str]) -> None:
    state = state_of(payment)
    found = (state["status"], state["captured_amount"], state["refunded_amount"])
    assert found == (end[0], Decimal(end[1]), Decimal(end[2]))


@pytest.mark.slow
@pytest.mark.parametrize("life", ENDS, ids=lambda life: life.__name__)
def test_permutations__one_end_state(shop: Shop, life: Any) -> None:
    payment = life(shop)
    events = [event for event in shop.fake.events if event["event_type"] != "CHECKOUT.ORDER.APPROVED"]
    orders = list(itertools.permutations(events))
    if len(orders) > 24:
        orders = random.Random(7).sample(orders, 24)
    states = []
    for order in orders:
        forget(payment)
        shop.deliver(*order)
        states.append(state_of(payment))
        assert_end(payment, ENDS[life])
        # Once more, all of them.
        WebhookEvent.objects.all().delete()
        shop.deliver(*reversed(order))
        assert state_of(payment) == states[-1]
    assert all(state == states[0] for state in states)
    assert not PaymentLog.objects.filter(event="mismatch").exists()


@pytest.mark.slow
@hypothesis_settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), life=st.sampled_from([life_refunded, life_captured_later_and_refunded, life_reversed]))
def test_permutations__with_duplicates(shop: Shop, data: Any, life: Any) -> None:
    shop.fake.events.clear()
    payment = life(shop)
    events = shop.fake.events
    deliveries = data.draw(st.permutations(events * 2))
    forget(payment)
    shop.deliver(*deliveries)
    assert_end(payment, ENDS[life])
    assert WebhookEvent.objects.count() == len(events)
    assert len(shop.fake.acted(f"{payment.transaction_id}/capture")) <= 1


@pytest.mark.parametrize("interleaved", range(4))
def test_events_between_our_own_calls(shop: Shop, interleaved: int, recorded_signals: Any) -> None:
    """Each event arrives before, between or after the answers to the calls that caused it."""
    payment = shop.waiting(capture_method="manual")
    steps = [
        lambda: shop.fake.approve(payment.transaction_id),
        lambda: complete_return(payment=payment),
        lambda: captures.capture_payment(payment=payment, amount=Decimal("4.00")),
        lambda: refunds.refund_payment(payment=payment, amount=Decimal("1.00")),
    ]
    for number, step in enumerate(steps):
        step()
        payment.refresh_from_db()
        if number >= interleaved:
            shop.deliver(*shop.fake.events)
            payment.refresh_from_db()
    assert_end(payment, ("confirmed", "4.00", "1.00"))
    assert recorded_signals.names.count("payment_confirmed") == 1
    assert recorded_signals.names.count("payment_refunded") == 1


# The buyer's approval


def test_approved__buyer_does_not_come_back(shop: Shop, recorded_signals: Any) -> None:
    payment = shop.waiting()
    event = shop.fake.approve(payment.transaction_id)
    assert shop.deliver(event) == ["processed"]
    assert_end(payment, ("confirmed", "10.00", "0"))
    operation = PaymentOperation.objects.get(kind=OperationKind.CONFIRM)
    assert [request.request_id for request in shop.fake.acted("/capture")] == [operation.idempotency_key]
    shop.deliver(event, *shop.fake.events)
    assert recorded_signals.names.count("payment_confirmed") == 1
    assert PaymentLog.objects.filter(payment=payment, event_id=event["id"], event="status_changed").count() == 1


def test_approved__authorises(shop: Shop) -> None:
    payment = shop.waiting(capture_method="manual")
    shop.deliver(shop.fake.approve(payment.transaction_id))
    assert_end(payment, ("preauth", "0", "0"))


def test_approved__paypal_is_called_outside_of_transactions(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    payment = shop.waiting()
    event = shop.fake.approve(payment.transaction_id)
    from django_stripe_gateway.gateways.paypal import payments as gateway

    in_transaction = []
    real = gateway.call

    def watched(*args: Any, **kwargs: Any) -> Any:
        in_transaction.append(connections["default"].in_atomic_block)
        return real(*args, **kwargs)

    monkeypatch.setattr(gateway, "call", watched)
    shop.deliver(event)
    assert in_transaction
    assert not any(in_transaction)


def test_approved__declined(shop: Shop) -> None:
    payment = shop.waiting()
    event = shop.fake.approve(payment.transaction_id)
    shop.fake.behaviour.decline = "INSTRUMENT_DECLINED"
    assert shop.deliver(event) == ["processed"]
    payment.refresh_from_db()
    assert (payment.status, payment.failure_code) == ("error", "instrument_declined")


@pytest.mark.parametrize("kind", ["error_500_after", "reset_after", "error_500_before"])
def test_approved__paypal_fails__the_event_is_delivered_again(shop: Shop, kind: Any) -> None:
    payment = shop.waiting()
    event = shop.fake.approve(payment.transaction_id)
    shop.fake.fault("POST", "/v2/checkout/orders/*/capture", kind=kind)
    assert shop.post(event).status_code == 500
    assert WebhookEvent.objects.get().state == WebhookState.FAILED
    assert shop.deliver(event) == ["processed"]
    assert_end(payment, ("confirmed", "10.00", "0"))
    assert len(shop.fake.state.captures) == 1


def test_approved__of_a_superseded_order(shop: Shop) -> None:
    payment = shop.waiting()
    old = payment.transaction_id
    from django_stripe_gateway.services.payments.create import start_payment

    type(payment).objects.update(status="rejected")
    payment.refresh_from_db()
    payment = start_payment(payment=payment)
    assert payment.transaction_id != old
    assert shop.deliver(shop.fake.approve(old)) == ["processed"]
    payment.refresh_from_db()
    assert payment.status == "waiting"
    assert shop.fake.state.captures == {}


def test_approved__browser_and_events_at_once(shop: Shop, recorded_signals: Any) -> None:
    payment = shop.waiting()
    event = shop.fake.approve(payment.transaction_id)
    other = copy.deepcopy(event) | {"id": "WH-again"}

    def come_back() -> Any:
        from django_stripe_gateway.exceptions import GatewayError

        try:
            complete_return(payment=payment)
        except GatewayError as error:
            return error.code
        return "ok"

    calls = [come_back, come_back, lambda: shop.post(event).status_code, lambda: shop.post(other).status_code]
    answers = in_threads(calls * 2, 8)
    assert set(answers) <= {"ok", "operation_in_progress", "wrong_state", 200, 500}
    shop.deliver(event, other)
    assert_end(payment, ("confirmed", "10.00", "0"))
    assert len(shop.fake.state.captures) == 1
    assert len(shop.fake.acted("/capture")) == 1
    assert recorded_signals.names.count("payment_confirmed") == 1
    assert PaymentLog.objects.filter(payment=payment, event="status_changed").count() == 1
