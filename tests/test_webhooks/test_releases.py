"""What was held and never taken is no refund, however Stripe shows it, in whichever order its events come."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from django_stripe_gateway.models import PaymentLog, Refund
from django_stripe_gateway.services.payments.reconcile import reconcile_payments
from django_stripe_gateway.services.payments.refresh import sync_payment
from django_stripe_gateway.services.payments.refund import refund_payment
from tests.conftest import SignalRecorder
from tests.factories import make_event, make_paid_payment, refund_object
from tests.fake_stripe import payments
from tests.fake_stripe.releasing import WAYS
from tests.test_webhooks.conftest import Shop
from tests.test_webhooks.support import deliver, deliver_all
from tests.test_webhooks.test_order import IGNORED, undone
from tests.test_webhooks.test_permutations import Deliveries

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("generation")]

FEW = settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
Happens = Callable[[Shop, str], object]


def capture(amount: int) -> Happens:
    return lambda shop, intent_id: shop.fake.act(
        intent_id, lambda scope, intent: payments.capture(scope, intent, amount)
    )


def captured_six(shop: Shop, intent_id: str) -> None:
    capture(600)(shop, intent_id)


def captured_four(shop: Shop, intent_id: str) -> None:
    capture(400)(shop, intent_id)


def captured_six_four_refunded(shop: Shop, intent_id: str) -> None:
    """The refund is as large as what was released."""
    capture(600)(shop, intent_id)
    shop.fake.dashboard_refund(intent_id, 400)


def captured_four_refunded(shop: Shop, intent_id: str) -> None:
    capture(400)(shop, intent_id)
    shop.fake.dashboard_refund(intent_id, 100)
    shop.fake.dashboard_refund(intent_id, 300)


def captured_six_pending_refund(shop: Shop, intent_id: str) -> None:
    capture(600)(shop, intent_id)
    shop.fake.refunds_stay_pending = True
    shop.fake.dashboard_refund(intent_id, 400)


def expired(shop: Shop, intent_id: str) -> None:
    shop.fake.expire_authorization(intent_id)


def released(shop: Shop, intent_id: str) -> None:
    shop.fake.act(intent_id, lambda scope, intent: payments.cancel(scope, intent, "abandoned"))


#: what happens → status, authorised, captured and refunded, and the refunds
ENDS: dict[Happens, tuple[tuple[str, int, int, int], list[tuple[str, int]]]] = {
    captured_six: (("confirmed", 10, 6, 0), []),
    captured_four: (("confirmed", 10, 4, 0), []),
    captured_six_four_refunded: (("confirmed", 10, 6, 4), [("succeeded", 4)]),
    captured_four_refunded: (("refunded", 10, 4, 4), [("succeeded", 1), ("succeeded", 3)]),
    captured_six_pending_refund: (("confirmed", 10, 6, 0), [("pending", 4)]),
    expired: (("rejected", 10, 0, 0), []),
    released: (("rejected", 10, 0, 0), []),
}


def held(shop: Shop, way: str) -> tuple[Any, str]:
    """Return a payment whose customer has authorised it, and the intent that holds the money; no event has come."""
    shop.fake.state.releases = way
    payment = shop.payment(capture_method="manual")
    shop.fake.complete_checkout(payment.transaction_id)
    return payment, str(shop.fake.get(payment.transaction_id)["payment_intent"])


def assert_end(payment: Any, happens: Happens, *, was_held: bool = True) -> None:
    (status, authorized, captured, refunded), refunds = ENDS[happens]
    payment.refresh_from_db()
    amounts = (payment.captured_amount, payment.refunded_amount)
    assert (payment.status, *amounts) == (status, captured, refunded)
    assert payment.authorized_amount == authorized or (not was_held and not captured)
    rows = Refund.objects.filter(payment=payment).exclude(status="canceled").order_by("amount")
    assert list(rows.values_list("status", "amount")) == refunds
    assert not PaymentLog.objects.filter(event="mismatch").exists()


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("happens", ENDS, ids=lambda happens: happens.__name__)
def test_events__in_any_order(
    shop: Shop, happens: Happens, way: str, recorded_signals: SignalRecorder, django_capture_on_commit_callbacks: Any
) -> None:
    payment, intent_id = held(shop, way)
    happens(shop, intent_id)
    events = [event for event in shop.fake.events() if event["type"] not in IGNORED]

    @FEW
    @given(order=st.permutations(events), again=st.lists(st.sampled_from(events), max_size=4))
    def run(order: list[Any], again: list[Any]) -> None:
        recorded_signals.sent.clear()
        with undone():
            deliveries = Deliveries(shop, payment, django_capture_on_commit_callbacks)
            for event in [*again, *order]:
                deliveries.deliver(event, at_once=False)
            # A hold that is known to be over before it is known to have been one was never seen.
            assert_end(payment, happens, was_held=False)
            announced = Counter(recorded_signals.names)
            assert announced["payment_refunded"] == len([one for one in ENDS[happens][1] if one[0] == "succeeded"])
            assert not announced["payment_mismatch"]

    run()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("happens", ENDS, ids=lambda happens: happens.__name__)
def test_lists__sync_and_reconcile(shop: Shop, happens: Happens, way: str) -> None:
    payment, intent_id = held(shop, way)
    payment = sync_payment(payment=payment, with_refunds=True)
    happens(shop, intent_id)
    for _time in range(2):
        payment = sync_payment(payment=payment, with_refunds=True)
        assert_end(payment, happens)
    list(reconcile_payments(older_than=-(payment.created - payment.created)))
    assert_end(payment, happens)


@pytest.mark.parametrize("way", WAYS)
def test_all_that_was_captured_can_be_refunded(shop: Shop, way: str) -> None:
    payment, intent_id = held(shop, way)
    captured_six(shop, intent_id)
    payment = sync_payment(payment=payment, with_refunds=True)
    refund = refund_payment(payment=payment)
    assert (refund.amount, refund.payment.status) == (Decimal(6), "refunded")
    deliver_all([event for event in shop.fake.events() if event["type"] not in IGNORED])
    assert refund.payment.refundable_amount() == 0
    assert Refund.objects.get().amount == 6


REVERSAL = {"destination_details": {"card": {"type": "reversal"}, "type": "card"}}


def event_of(payment: Any, amount: int, status: str = "succeeded", **fields: Any) -> Any:
    return make_event("refund.created", refund_object(payment, amount, status, **fields))


def test_a_same_day_refund_is_one() -> None:
    """Its type is that of a release, and money has moved."""
    payment = make_paid_payment()
    deliver_all([event_of(payment, 400, balance_transaction="txn_1", **REVERSAL)])
    payment.refresh_from_db()
    assert payment.refunded_amount == 4


def test_a_same_day_refund_of_part_of_a_capture_is_one() -> None:
    """As large as what was released."""
    payment = make_paid_payment(authorized_amount=Decimal(10), captured_amount=Decimal(6))
    deliver_all([event_of(payment, 400, balance_transaction="txn_1", **REVERSAL)])
    payment.refresh_from_db()
    assert payment.refunded_amount == 4


def test_of_what_was_taken_wholly_nothing_was_released() -> None:
    payment = make_paid_payment()
    deliver_all([event_of(payment, 400, balance_transaction=None, **REVERSAL)])
    payment.refresh_from_db()
    assert payment.refunded_amount == 4


@pytest.mark.parametrize("kind", ["reversal", "pending", "refund"])
def test_a_pending_refund_holds_its_amount(kind: str) -> None:
    payment = make_paid_payment()
    details = {"card": {"type": kind}, "type": "card"}
    deliver_all([event_of(payment, 400, "pending", balance_transaction=None, destination_details=details)])
    assert payment.refundable_amount() == 6


def test_more_than_was_captured_is_a_mismatch(stripe_server: Any, recorded_signals: SignalRecorder) -> None:
    payment = make_paid_payment(authorized_amount=Decimal(10), captured_amount=Decimal(6))
    assert deliver(event_of(payment, 700, balance_transaction="txn_1")).json()["state"] == "mismatched"
    payment.refresh_from_db()
    assert (payment.refunded_amount, payment.status) == (0, "confirmed")
    assert PaymentLog.objects.get(event="mismatch").message == "more is refunded than was captured"
