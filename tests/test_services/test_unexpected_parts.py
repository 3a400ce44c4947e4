"""Parts of unexpected money that are given back, here and in the Dashboard."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from django_stripe_gateway import exceptions
from django_stripe_gateway.gateways.registry import get_gateway
from django_stripe_gateway.gateways.values import PaymentRef
from django_stripe_gateway.models import UnexpectedPayment
from django_stripe_gateway.payments import accept_unexpected, refund_unexpected, start_payment, sync_payment
from tests.conftest import SignalRecorder
from tests.fake_stripe.releasing import WAYS
from tests.test_services.conftest import Shop
from tests.test_services.test_unexpected import events_of, paid_with
from tests.test_webhooks.support import deliver_all

pytestmark = pytest.mark.django_db(transaction=True)


def refund_events(shop: Shop, *types: str) -> list[Any]:
    return [event for event in shop.stripe.events() if event["type"] in (types or ("refund.created", "refund.updated"))]


def state_of_only() -> str:
    return UnexpectedPayment.objects.get().state


def capture_in_the_dashboard(amount: int) -> None:
    """Take what is held, or a part of it, past this app."""
    row = UnexpectedPayment.objects.get()
    ref = PaymentRef(row.intent_id, row.intent_id, row.currency)
    get_gateway("stripe").capture_payment(ref, Decimal(amount), idempotency_key="dashboard")


def test_parts_given_back_in_the_dashboard__add_up(shop: Shop) -> None:
    payment = paid_with(shop)
    intent_id = UnexpectedPayment.objects.get().intent_id
    for amount, state in ((300, "open"), (400, "open"), (100, "returned")):
        shop.stripe.dashboard_refund(intent_id, amount)
        deliver_all(refund_events(shop))
        assert state_of_only() == state
    payment.refresh_from_db()
    assert payment.refunded_amount == 0
    with pytest.raises(exceptions.WrongState):
        refund_unexpected(payment=payment)


def test_part_that_fails__opens_it_again(shop: Shop) -> None:
    paid_with(shop)
    intent_id = UnexpectedPayment.objects.get().intent_id
    for amount in (300, 500):
        shop.stripe.dashboard_refund(intent_id, amount)
    deliver_all(refund_events(shop))
    shop.stripe.fail_refund(shop.stripe.all("refund")[0]["id"])
    deliver_all(refund_events(shop, "refund.failed"))
    assert state_of_only() == "open"
    # News of before the failure change nothing.
    deliver_all({**event, "id": f"{event['id']}2"} for event in refund_events(shop))
    assert state_of_only() == "open"


@pytest.mark.parametrize("amount", [300, None])
def test_failure_that_overtakes_the_refund__stands(shop: Shop, amount: int | None) -> None:
    """A ``refund.created`` that comes late says what was before."""
    payment = paid_with(shop)
    shop.stripe.dashboard_refund(UnexpectedPayment.objects.get().intent_id, amount)
    shop.stripe.fail_refund(shop.stripe.all("refund")[0]["id"])
    deliver_all([*refund_events(shop, "refund.failed"), *refund_events(shop, "refund.created")])
    assert state_of_only() == "open"
    assert accept_unexpected(payment=payment).captured_amount == 8


def test_given_back_here_after_an_unheard_part(shop: Shop) -> None:
    """What the provider counts closes it, and the part's own news do not open it again; that it has failed does."""
    payment = paid_with(shop)
    shop.stripe.dashboard_refund(UnexpectedPayment.objects.get().intent_id, 300)
    refund_unexpected(payment=payment)
    assert state_of_only() == "returned"
    deliver_all(refund_events(shop))
    assert state_of_only() == "returned"
    part = next(refund for refund in shop.stripe.all("refund") if refund["amount"] == 300)
    shop.stripe.fail_refund(part["id"])
    deliver_all(refund_events(shop, "refund.failed"))
    assert state_of_only() == "open"


@pytest.mark.parametrize("is_held", [False, True])
def test_given_back_again__leaves_what_was_begun_since(
    shop: Shop, recorded_signals: SignalRecorder, is_held: bool
) -> None:
    """The first refund has failed, and the payment goes on elsewhere: on a page, or held there."""
    payment = paid_with(shop, capture_method="manual")
    capture_in_the_dashboard(8)
    deliver_all(events_of(shop))
    payment = start_payment(payment=refund_unexpected(payment=payment))
    if is_held:
        shop.stripe.complete_checkout(payment.transaction_id)
        payment = sync_payment(payment=payment)
    before = payment.status
    shop.stripe.fail_refund(shop.stripe.all("refund")[0]["id"])
    deliver_all(refund_events(shop, "refund.failed"))
    recorded_signals.sent.clear()
    payment = refund_unexpected(payment=payment)
    assert (payment.status, state_of_only()) == (before, "returned")
    assert recorded_signals.values("payment_failed") == []


@pytest.mark.parametrize("taken", [3, 4, 6])
@pytest.mark.parametrize("way", WAYS)
def test_part_of_what_was_held__all_of_it_is_given_back(shop: Shop, way: str, taken: int) -> None:
    """What Stripe shows as refunded of the rest was never taken."""
    shop.stripe.state.releases = way
    payment = paid_with(shop, capture_method="manual")
    capture_in_the_dashboard(taken)
    deliver_all(events_of(shop))
    assert (UnexpectedPayment.objects.get().amount, state_of_only()) == (taken, "open")
    refund_unexpected(payment=payment)
    deliver_all(events_of(shop))
    made = [refund["amount"] for refund in shop.stripe.all("refund") if refund["balance_transaction"]]
    assert (made, state_of_only()) == ([taken * 100], "returned")


@pytest.mark.parametrize("way", WAYS)
def test_half_of_what_was_held__can_be_accepted(shop: Shop, way: str) -> None:
    shop.stripe.state.releases = way
    payment = paid_with(shop, capture_method="manual")
    capture_in_the_dashboard(4)
    deliver_all(events_of(shop))
    payment = accept_unexpected(payment=payment)
    assert (payment.status, payment.captured_amount, payment.refunded_amount) == ("confirmed", 4, 0)


def let_go(shop: Shop, *, expired: bool) -> None:
    """End what is held: by time, or in the Dashboard."""
    intent_id = UnexpectedPayment.objects.get().intent_id
    if expired:
        shop.stripe.expire_authorization(intent_id)
    else:
        ref = PaymentRef(intent_id, intent_id, "USD")
        get_gateway("stripe").cancel_payment(ref, idempotency_key="dashboard")


@pytest.mark.parametrize("expired", [True, False])
@pytest.mark.parametrize("way", WAYS)
def test_hold_that_is_over__waits_for_nobody(shop: Shop, way: str, expired: bool) -> None:
    shop.stripe.state.releases = way
    payment = paid_with(shop, capture_method="manual")
    let_go(shop, expired=expired)
    deliver_all(event for event in events_of(shop) if event["type"] == "payment_intent.canceled")
    assert state_of_only() == "returned"
    # What says so late changes nothing.
    deliver_all({**event, "id": f"{event['id']}2"} for event in events_of(shop))
    assert state_of_only() == "returned"
    payment.refresh_from_db()
    first = payment.transaction_id
    again = start_payment(payment=payment)
    assert again.transaction_id != first
    shop.stripe.complete_checkout(again.transaction_id)
    assert sync_payment(payment=again).status == "preauth"


@pytest.mark.parametrize("expired", [True, False])
def test_hold_that_is_over__of_which_nobody_has_heard(shop: Shop, expired: bool) -> None:
    payment = paid_with(shop, capture_method="manual")
    let_go(shop, expired=expired)
    with pytest.raises(exceptions.WrongState):
        accept_unexpected(payment=payment)
    assert state_of_only() == "returned"
    UnexpectedPayment.objects.update(state="open")
    assert refund_unexpected(payment=payment).status == "rejected"
    assert state_of_only() == "returned"


def test_hold_that_was_taken_elsewhere__is_not_released(shop: Shop) -> None:
    payment = paid_with(shop, capture_method="manual")
    capture_in_the_dashboard(8)
    with pytest.raises(exceptions.WrongState):
        refund_unexpected(payment=payment)
    assert state_of_only() == "open"
    refund_unexpected(payment=payment)
    assert [refund["amount"] for refund in shop.stripe.all("refund")] == [800]
