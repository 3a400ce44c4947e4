"""The same events in every order, with duplicates, end in one state."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction

from django_stripe_gateway.models import PaymentLog, Refund
from django_stripe_gateway.services.payments.capture import capture_payment
from django_stripe_gateway.services.payments.refund import refund_payment
from django_stripe_gateway.webhooks.events import parse_event
from django_stripe_gateway.webhooks.inbox.receive import receive_event
from tests.conftest import SignalRecorder
from tests.factories import as_body
from tests.test_webhooks.conftest import Shop
from tests.test_webhooks.support import Event

pytestmark = [pytest.mark.slow, pytest.mark.django_db, pytest.mark.usefixtures("generation")]

SAMPLE = 40
IGNORED = {
    "payment_intent.created",
    *(f"charge.{verb}" for verb in ("succeeded", "pending", "failed", "captured", "expired")),
}
Story = Callable[[Shop, Any], Any]


@contextmanager
def undone() -> Iterator[None]:
    """Undo what a block writes; inside, transactions are those of a test case."""
    attempt = transaction.atomic()
    attempt._from_testcase = True
    with attempt:
        yield
        transaction.set_rollback(True)


def end_state(payment: Any) -> dict[str, Any]:
    """Return what has to be the same in the end."""
    payment.refresh_from_db()
    names = "status captured_amount refunded_amount transaction_id intent_id failure_code decline_code message"
    refunds = sorted(payment.refunds.values_list("provider_id", "status", "amount"))
    return {name: getattr(payment, name) for name in names.split()} | {"refunds": refunds}


def orders(events: list[Event], seed: int) -> Iterable[list[Event]]:
    """Return every order of few events, a sample of the orders of many, each with duplicates."""
    chance = random.Random(seed)
    if len(events) <= 5:
        found: Iterable[Any] = itertools.permutations(events)
    else:
        found = [chance.sample(events, len(events)) for _number in range(SAMPLE)]
        found += [events, events[::-1]]
    for order in found:
        with_duplicates = list(order)
        for event in order:
            if chance.random() < 0.3:
                with_duplicates.insert(chance.randrange(len(with_duplicates) + 1), event)
        yield with_duplicates


def converge(
    payment: Any, events: list[Event], capture_commits: Any, recorder: SignalRecorder
) -> list[tuple[dict[str, Any], list[str]]]:
    """Deliver in each order, from the same start, and return the different ends with the signals that were sent."""
    ends: list[tuple[dict[str, Any], list[str]]] = []
    relevant = [event for event in events if event["type"] not in IGNORED]
    assert len(relevant) > 1
    for order in orders(relevant, seed=len(events)):
        recorder.sent.clear()
        with undone():
            with capture_commits(execute=True):
                for event in order:
                    body = as_body(event).decode()
                    row = receive_event(parse_event(body, provider="stripe", variant="stripe"), body, {})
                    assert row.state in ("processed", "unmatched"), (row.state, [e["type"] for e in order])
            money = [
                name for name in recorder.names if name in ("payment_confirmed", "payment_refunded", "refund_failed")
            ]
            end = end_state(payment), sorted(set(money))
            assert money.count("payment_confirmed") == 1 or "payment_confirmed" not in money
            assert money.count("payment_refunded") <= Refund.objects.count()
            assert not PaymentLog.objects.filter(event="mismatch").exists()
            if end not in ends:
                ends.append(end)
    return ends


def paid(shop: Shop, payment: Any) -> None:
    shop.fake.complete_checkout(payment.transaction_id)


def failed_then_paid(shop: Shop, payment: Any) -> None:
    shop.fake.complete_checkout(payment.transaction_id, "pm_card_chargeDeclined")
    shop.fake.complete_checkout(payment.transaction_id, "pm_card_chargeDeclinedInsufficientFunds")
    shop.fake.complete_checkout(payment.transaction_id)


def async_paid(shop: Shop, payment: Any) -> None:
    shop.fake.complete_checkout(payment.transaction_id, "async")
    shop.fake.settle_async(payment.transaction_id)


def async_failed(shop: Shop, payment: Any) -> None:
    shop.fake.complete_checkout(payment.transaction_id, "async")
    shop.fake.settle_async(payment.transaction_id, succeeded=False)


def refunded_in_parts(shop: Shop, payment: Any) -> None:
    intent_id = intent_of(shop, payment)
    shop.fake.dashboard_refund(intent_id, 300)
    shop.fake.dashboard_refund(intent_id, 700)


def authorised_captured_refunded(shop: Shop, payment: Any) -> None:
    from tests.fake_stripe import payments

    intent_id = intent_of(shop, payment)
    shop.fake.act(intent_id, lambda scope, intent: payments.capture(scope, intent, 600))
    shop.fake.dashboard_refund(intent_id)


def authorised_ran_out(shop: Shop, payment: Any) -> None:
    shop.fake.expire_authorization(intent_of(shop, payment))


def intent_of(shop: Shop, payment: Any) -> str:
    """Let the customer pay and return the intent's id."""
    shop.fake.complete_checkout(payment.transaction_id)
    return str(shop.fake.get(payment.transaction_id)["payment_intent"])


STORIES: dict[str, tuple[Story, dict[str, Any], tuple[str, Decimal, Decimal], set[str]]] = {
    "paid": (paid, {}, ("confirmed", Decimal(10), Decimal(0)), {"payment_confirmed"}),
    "failed, then paid": (failed_then_paid, {}, ("confirmed", Decimal(10), Decimal(0)), {"payment_confirmed"}),
    "async paid": (async_paid, {}, ("confirmed", Decimal(10), Decimal(0)), {"payment_confirmed"}),
    "refunded in parts": (
        refunded_in_parts,
        {},
        ("refunded", Decimal(10), Decimal(10)),
        {"payment_confirmed", "payment_refunded"},
    ),
    "authorised, captured, refunded": (
        authorised_captured_refunded,
        {"capture_method": "manual"},
        ("refunded", Decimal(6), Decimal(6)),
        {"payment_confirmed", "payment_refunded"},
    ),
}


@pytest.mark.parametrize("name", STORIES)
def test_one_end(
    name: str, shop: Shop, recorded_signals: SignalRecorder, django_capture_on_commit_callbacks: Any
) -> None:
    story, fields, expected, signals = STORIES[name]
    payment = shop.payment(**fields)
    story(shop, payment)
    ends = converge(payment, shop.fake.events(), django_capture_on_commit_callbacks, recorded_signals)
    assert len(ends) == 1, ends
    end, sent = ends[0]
    assert (end["status"], end["captured_amount"], end["refunded_amount"]) == expected
    assert end["transaction_id"].startswith("cs_")
    assert end["intent_id"].startswith("pi_")
    assert set(sent) == signals


def test_one_end__async_failed(
    shop: Shop, recorded_signals: SignalRecorder, django_capture_on_commit_callbacks: Any
) -> None:
    payment = shop.payment()
    async_failed(shop, payment)
    ends = converge(payment, shop.fake.events(), django_capture_on_commit_callbacks, recorded_signals)
    assert {end["status"] for end, _sent in ends} == {"rejected"}
    assert len(ends) == 1, ends


def test_one_end__authorisation_that_ran_out(
    shop: Shop, recorded_signals: SignalRecorder, django_capture_on_commit_callbacks: Any
) -> None:
    payment = shop.payment(capture_method="manual")
    authorised_ran_out(shop, payment)
    ends = converge(payment, shop.fake.events(), django_capture_on_commit_callbacks, recorded_signals)
    assert {end["status"] for end, _sent in ends} == {"rejected"}
    assert {end["captured_amount"] for end, _sent in ends} == {0}
    assert all(end["refunds"] == [] for end, _sent in ends)


def test_one_end__refund_failed_after_success(
    shop: Shop, recorded_signals: SignalRecorder, django_capture_on_commit_callbacks: Any
) -> None:
    """A refund that we made: its events find it whatever comes first."""
    payment = shop.payment()
    start = end_state(payment)
    with undone():
        # At Stripe it happens; no event of it arrives here.
        paid(shop, payment)
        type(payment).objects.filter(pk=payment.pk).update(
            status="confirmed", captured_amount=10, intent_id=shop.fake.get(payment.transaction_id)["payment_intent"]
        )
        payment.refresh_from_db()
        refund = refund_payment(payment=payment)
        shop.fake.fail_refund(refund.provider_id)
    assert end_state(payment) == start
    ends = converge(payment, shop.fake.events(), django_capture_on_commit_callbacks, recorded_signals)
    # A success whose event came after its failure's is not announced.
    assert {"payment_confirmed", "refund_failed"} <= set(ends[0][1])
    end = ends[0][0]
    assert all(other == end for other, _sent in ends), ends
    assert (end["status"], end["captured_amount"], end["refunded_amount"]) == ("confirmed", 10, 0)
    assert [status for _id, status, _amount in end["refunds"]] == ["failed"]


def test_one_end__with_our_own_answers(
    shop: Shop, recorded_signals: SignalRecorder, django_capture_on_commit_callbacks: Any
) -> None:
    """Our calls' answers are written first; every event afterwards changes nothing."""
    payment = shop.payment(capture_method="manual")
    intent_of(shop, payment)
    for event in shop.fake.events("checkout.session.completed") + shop.fake.events(
        "payment_intent.amount_capturable_updated"
    ):
        body = as_body(event).decode()
        receive_event(parse_event(body, provider="stripe", variant="stripe"), body, {})
    payment.refresh_from_db()
    payment = capture_payment(payment=payment, amount=Decimal("6.00"))
    refund_payment(payment=payment, amount=Decimal("1.00"))
    refund_payment(payment=payment, amount=Decimal("2.00"))
    before = end_state(payment)
    ends = converge(payment, shop.fake.events(), django_capture_on_commit_callbacks, recorded_signals)
    assert ends == [(before, [])]
    assert (before["status"], before["refunded_amount"]) == ("confirmed", 3)
