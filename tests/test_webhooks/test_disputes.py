"""Disputes: one after the other, in any order, and what an end of one says about the others."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from django_stripe_gateway.models import PaymentLog
from tests.conftest import SignalRecorder
from tests.factories import make_event, make_paid_payment
from tests.test_webhooks.support import deliver_all

pytestmark = pytest.mark.django_db(transaction=True)


def dispute_event(payment: Any, status: str, dispute_id: str = "du_1") -> dict[str, Any]:
    """Return an event of a dispute."""
    closed = status in ("won", "lost", "warning_closed", "prevented")
    obj = {
        "id": dispute_id,
        "object": "dispute",
        "amount": 1000,
        "currency": "usd",
        "livemode": False,
        "payment_intent": payment.intent_id,
        "reason": "fraudulent",
        "status": status,
    }
    return make_event("charge.dispute.closed" if closed else "charge.dispute.updated", obj)


HISTORIES = [
    (["needs_response"], "review"),
    (["warning_needs_response", "warning_closed"], "accept"),
    (["needs_response", "under_review", "won"], "accept"),
    (["needs_response", "under_review", "lost"], "reject"),
    (["needs_response", "prevented"], "accept"),
    (["a_status_of_the_future"], "review"),
]


@pytest.mark.parametrize(("statuses", "end"), HISTORIES)
def test_every_order(statuses: list[str], end: str) -> None:
    for order in itertools.permutations(statuses):
        payment = make_paid_payment()
        assert set(deliver_all(dispute_event(payment, status) for status in order)) == {"processed"}
        payment.refresh_from_db()
        assert payment.fraud_status == end
        assert payment.status == "confirmed"
        assert PaymentLog.objects.filter(payment=payment, event="dispute").count() == len(order)


def test_two_disputes__in_every_order() -> None:
    """An inquiry that was closed does not hide the chargeback that came after it."""
    for second, end in (("needs_response", "review"), ("won", "accept"), ("lost", "reject")):
        statuses = [("warning_needs_response", "du_1"), ("warning_closed", "du_1"), (second, "du_2")]
        for order in itertools.permutations(statuses):
            payment = make_paid_payment()
            deliver_all(dispute_event(payment, *item) for item in order)
            payment.refresh_from_db()
            assert payment.fraud_status == end, order


def test_signal(recorded_signals: SignalRecorder) -> None:
    payment = make_paid_payment()
    deliver_all([dispute_event(payment, "needs_response"), dispute_event(payment, "won")])
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


def test_signal__not_for_what_was_overtaken(recorded_signals: SignalRecorder) -> None:
    """A host that freezes an account when a dispute opens must not do so after it was won."""
    payment = make_paid_payment()
    deliver_all([dispute_event(payment, "won"), dispute_event(payment, "needs_response")])
    assert [values["dispute"]["status"] for values in recorded_signals.values("payment_disputed")] == ["won"]


def test_message() -> None:
    payment = make_paid_payment()
    deliver_all([dispute_event(payment, "needs_response")])
    payment.refresh_from_db()
    assert payment.fraud_message == "du_1: fraudulent (needs_response)"
