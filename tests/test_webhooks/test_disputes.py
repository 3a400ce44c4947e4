"""Disputes: one after the other, in any order, and what an end of one says about the others."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError

from django_stripe_gateway.models import Dispute, PaymentLog
from tests.conftest import SignalRecorder
from tests.factories import make_event, make_paid_payment
from tests.test_webhooks.support import deliver, deliver_all, only
from tests.test_webhooks.test_thin_twins import thin

pytestmark = pytest.mark.django_db(transaction=True)


MOMENT = 1_790_000_000
CLOSED = ("won", "lost", "warning_closed", "prevented")


def dispute_event(payment: Any, status: str, dispute_id: str = "du_1", *, at: int = 0) -> dict[str, Any]:
    """Return an event of a dispute, made ``at`` seconds after the first."""
    obj = {
        "id": dispute_id,
        "object": "dispute",
        "amount": 1000,
        "balance_transactions": [] if status.startswith("warning") else [{"amount": -1000}],
        "currency": "usd",
        "created": MOMENT,
        "evidence_details": {"due_by": MOMENT + 86400},
        "is_charge_refundable": False,
        "livemode": False,
        "payment_intent": payment.intent_id,
        "reason": "fraudulent",
        "status": status,
    }
    kind = "closed" if status in CLOSED else "updated"
    return make_event(f"charge.dispute.{kind}", obj, created=MOMENT + at)


HISTORIES = [
    (["needs_response"], "review"),
    (["warning_needs_response", "warning_closed"], "accept"),
    (["warning_needs_response", "warning_under_review", "needs_response", "lost"], "reject"),
    (["needs_response", "under_review", "won"], "accept"),
    (["needs_response", "under_review", "lost"], "reject"),
    (["needs_response", "lost", "won"], "accept"),
    (["needs_response", "won", "lost"], "reject"),
    (["needs_response", "prevented"], "accept"),
    (["a_status_of_the_future"], "review"),
]


@pytest.mark.parametrize(("statuses", "end"), HISTORIES)
def test_every_order__of_the_times_of_the_events(statuses: list[str], end: str) -> None:
    timed = list(enumerate(statuses))
    for order in itertools.permutations(timed):
        payment = make_paid_payment()
        events = [dispute_event(payment, status, f"du_{payment.pk}", at=at) for at, status in order]
        assert set(deliver_all(events)) == {"processed"}
        payment.refresh_from_db()
        assert payment.fraud_status == end
        assert payment.status == "confirmed"
        assert PaymentLog.objects.filter(payment=payment, event="dispute").count() == len(order)
        dispute = Dispute.objects.get(payment=payment)
        assert (dispute.status, dispute.amount, dispute.currency) == (statuses[-1], Decimal("10.00"), "USD")
        assert (dispute.closed is None) == dispute.is_open


def test_two_disputes__in_every_order() -> None:
    """An inquiry that was closed does not hide the chargeback that came after it."""
    for second, end in (("needs_response", "review"), ("won", "accept"), ("lost", "reject")):
        statuses = [("warning_needs_response", 1, 0), ("warning_closed", 1, 1), (second, 2, 2)]
        for order in itertools.permutations(statuses):
            payment = make_paid_payment()
            deliver_all(
                dispute_event(payment, status, f"du_{payment.pk}_{number}", at=at) for status, number, at in order
            )
            payment.refresh_from_db()
            assert payment.fraud_status == end, order


def test_row() -> None:
    payment = make_paid_payment()
    deliver_all([dispute_event(payment, "needs_response")])
    dispute = Dispute.objects.get()
    assert (dispute.payment, dispute.invoice, dispute.subject) == (payment, None, payment)
    assert (dispute.is_open, dispute.is_withholding, dispute.is_withdrawn) == (True, True, True)
    assert dispute.evidence_due == datetime.fromtimestamp(MOMENT + 86400, UTC)
    assert (dispute.variant, dispute.livemode, dispute.intent_id) == (payment.variant, False, payment.intent_id)
    assert list(Dispute.objects.open()) == list(Dispute.objects.withholding()) == [dispute]
    deliver_all([dispute_event(payment, "won", at=1)])
    dispute.refresh_from_db()
    assert (dispute.is_won, dispute.closed) == (True, datetime.fromtimestamp(MOMENT + 1, UTC))
    assert not Dispute.objects.open().exists()
    assert not Dispute.objects.withholding().exists()


@pytest.mark.parametrize("status", ["needs_response", "warning_under_review", "won", "lost", "charge_refunded", "new"])
def test_filters_agree_with_the_predicates(status: str) -> None:
    payment = make_paid_payment()
    deliver_all([dispute_event(payment, status)])
    dispute, rows = Dispute.objects.get(), Dispute.objects
    assert rows.open().exists() is dispute.is_open
    assert rows.lost().exists() is dispute.is_lost
    assert rows.withholding().exists() is dispute.is_withholding


def test_belongs_to_one() -> None:
    with pytest.raises(IntegrityError):
        Dispute.objects.create(provider_id="du_1", variant="stripe", status="lost", amount=1, currency="USD")


def test_another_payments_dispute() -> None:
    first, second = make_paid_payment(), make_paid_payment()
    deliver_all([dispute_event(first, "needs_response")])
    assert deliver_all([dispute_event(second, "lost", at=1)]) == ["mismatched"]
    assert Dispute.objects.get().status == "needs_response"


def test_signal(recorded_signals: SignalRecorder) -> None:
    payment = make_paid_payment()
    events = [dispute_event(payment, "needs_response"), dispute_event(payment, "won", at=1)]
    deliver_all([*events, dispute_event(payment, "won", at=2), *events])
    sent = [values["dispute"] for values in recorded_signals.values("payment_disputed")]
    assert [dispute["status"] for dispute in sent] == ["needs_response", "won"]
    assert sent[0] == {
        "dispute_id": "du_1",
        "status": "needs_response",
        "reason": "fraudulent",
        "amount": "10.00",
        "currency": "USD",
    }
    assert recorded_signals.values("payment_disputed")[0]["payment"] == payment


def test_signal__lost_then_won(recorded_signals: SignalRecorder) -> None:
    payment = make_paid_payment()
    statuses = ("needs_response", "lost", "won")
    deliver_all(dispute_event(payment, status, at=at) for at, status in enumerate(statuses))
    sent = [values["dispute"]["status"] for values in recorded_signals.values("payment_disputed")]
    assert sent == list(statuses)
    closed = recorded_signals.values("dispute_closed")
    assert [values["is_won"] for values in closed] == [False, True]
    assert (closed[0]["dispute"].payment, closed[0]["payment"], closed[0]["invoice"]) == (payment, payment, None)


def test_signal__not_for_what_was_overtaken(recorded_signals: SignalRecorder) -> None:
    """A host that freezes an account when a dispute opens must not do so after it was won."""
    payment = make_paid_payment()
    deliver_all([dispute_event(payment, "won", at=1), dispute_event(payment, "needs_response")])
    assert [values["dispute"]["status"] for values in recorded_signals.values("payment_disputed")] == ["won"]


def test_message() -> None:
    payment = make_paid_payment()
    deliver_all([dispute_event(payment, "needs_response")])
    payment.refresh_from_db()
    assert payment.fraud_message == "du_1: fraudulent (needs_response)"


@pytest.mark.parametrize("truth", ["lost", "won"])
@pytest.mark.parametrize("order", [1, -1])
def test_same_second__stripe_is_asked_once(shop: Any, recorded_signals: SignalRecorder, truth: str, order: int) -> None:
    """Lost and won in one second, in either order: only Stripe knows which came last."""
    payment = shop.paid()
    (opened, *_rest) = shop.fake.dispute(payment.intent_id)
    dispute_id = opened["data"]["object"]["id"]
    deliver_all([opened])
    other = "won" if truth == "lost" else "lost"
    events = shop.fake.move_dispute(dispute_id, other) + shop.fake.move_dispute(dispute_id, truth)
    moment = opened["created"] + 60
    closed = [{**event, "created": moment} for event in events if event["type"] == "charge.dispute.closed"]
    shop.fake.forget_requests()
    assert deliver_all(closed[::order]) == ["processed", "processed"]
    payment.refresh_from_db()
    assert payment.fraud_status == ("reject" if truth == "lost" else "accept")
    assert len(shop.fake.requests) == 1
    assert recorded_signals.values("dispute_closed")[-1]["is_won"] is (truth == "won")


def test_thin__is_as_new_as_the_look(shop: Any, recorded_signals: SignalRecorder) -> None:
    """An event between a thin one and the look at its object says less than the look did: Stripe is asked."""
    payment = shop.paid()
    (opened, *_rest) = shop.fake.dispute(payment.intent_id)
    dispute_id = opened["data"]["object"]["id"]
    between = only(shop.fake.move_dispute(dispute_id, "under_review"), "charge.dispute.updated")
    shop.fake.move_dispute(dispute_id, "lost")
    assert deliver(thin({**opened, "created": opened["created"] - 60})).json()["state"] == "processed"
    assert Dispute.objects.get().status == "lost"
    deliver_all([{**event, "created": opened["created"] - 30} for event in between])
    assert Dispute.objects.get().status == "lost"
    payment.refresh_from_db()
    assert payment.fraud_status == "reject"
    assert len(recorded_signals.values("payment_disputed")) == 1


def test_before_the_session__the_last_first(shop: Any) -> None:
    """What was asked for about a dispute does not replace which payment it is of."""
    payment = shop.payment()
    paid = only(shop.fake.complete_checkout(payment.transaction_id), "payment_intent.succeeded")
    opened = shop.fake.dispute(paid[0]["data"]["object"]["id"])
    closed = shop.fake.move_dispute(opened[0]["data"]["object"]["id"], "lost")
    assert set(deliver_all([*reversed(closed), *reversed(opened)])) == {"processed"}
    payment.refresh_from_db()
    assert (payment.fraud_status, Dispute.objects.get().status) == ("reject", "lost")
