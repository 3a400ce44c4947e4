"""Any order of a payment's events, with any duplicates and our own calls in between, ends in one state."""

from __future__ import annotations

import copy
import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from django_stripe_gateway import transitions
from django_stripe_gateway.exceptions import WrongState
from django_stripe_gateway.models import PaymentLog, WebhookEvent
from django_stripe_gateway.services.payments.capture import capture_payment
from django_stripe_gateway.services.payments.refund import refund_payment
from django_stripe_gateway.webhooks.events import parse_event
from django_stripe_gateway.webhooks.inbox.receive import receive_event
from tests.conftest import SignalRecorder
from tests.fake_stripe import payments
from tests.fake_stripe.server import FakeStripe
from tests.test_webhooks.conftest import Shop
from tests.test_webhooks.support import Event
from tests.test_webhooks.test_order import IGNORED, end_state, intent_of, undone

pytestmark = [pytest.mark.slow, pytest.mark.django_db, pytest.mark.usefixtures("generation")]

# The fixtures hold one history; every example undoes what it did to it.
FEW = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
MONEY = ("payment_confirmed", "payment_captured", "payment_refunded")
# Ends of statuses: where each may come from is the transition table's.
FINAL = {status for status, following in transitions.ALLOWED_TRANSITIONS.items() if not following}

steps = st.lists(st.integers(0, 10_000), max_size=20)
Call = Callable[[Any], object]


def capture_six(payment: Any) -> None:
    capture_payment(payment=payment, amount=Decimal(6))


def refund_one(payment: Any) -> None:
    refund_payment(payment=payment, amount=Decimal(1))


def refund_rest(payment: Any) -> None:
    refund_payment(payment=payment)


def paid(shop: Shop, payment: Any) -> None:
    intent_of(shop, payment)


def refunded_in_two_parts(shop: Shop, payment: Any) -> None:
    intent_id = intent_of(shop, payment)
    shop.fake.dashboard_refund(intent_id, 100)
    shop.fake.dashboard_refund(intent_id, 900)


def captured_and_refunded(shop: Shop, payment: Any) -> None:
    intent_id = intent_of(shop, payment)
    shop.fake.act(intent_id, lambda scope, intent: payments.capture(scope, intent, 600))
    shop.fake.dashboard_refund(intent_id, 100)
    shop.fake.dashboard_refund(intent_id, 500)


#: name → (fields of the payment, what happens elsewhere, what we ask for ourselves, end, signals)
HISTORIES: dict[str, tuple[dict[str, Any], Callable[[Shop, Any], None], list[Call], tuple[str, int, int], Any]] = {
    "paid": ({}, paid, [], ("confirmed", 10, 0), {"payment_confirmed": 1}),
    "refunded": (
        {},
        refunded_in_two_parts,
        [],
        ("refunded", 10, 10),
        {"payment_confirmed": 1, "payment_refunded": 2},
    ),
    "captured and refunded": (
        {"capture_method": "manual"},
        captured_and_refunded,
        [],
        ("refunded", 6, 6),
        {"payment_confirmed": 1, "payment_captured": 1, "payment_refunded": 2},
    ),
    "paid, refunded by us": (
        {},
        paid,
        [refund_one, refund_rest],
        ("refunded", 10, 10),
        {"payment_confirmed": 1, "payment_refunded": 2},
    ),
    "authorised, captured and refunded by us": (
        {"capture_method": "manual"},
        paid,
        [capture_six, refund_one, refund_rest],
        ("refunded", 6, 6),
        {"payment_confirmed": 1, "payment_captured": 1, "payment_refunded": 2},
    ),
}


@contextmanager
def forgotten(fake: FakeStripe) -> Iterator[None]:
    """Undo what a block lets happen at Stripe."""
    scopes = fake.state.scopes()
    saved, log = copy.deepcopy(([scope.objects for scope in scopes], fake.state.event_log))
    try:
        yield
    finally:
        for scope, objects in zip(scopes, saved, strict=True):
            scope.objects = objects
        fake.state.event_log[:] = log


class Deliveries:
    """One order in which a payment's events are delivered, our own calls among them."""

    def __init__(self, shop: Shop, payment: Any, commits: Callable[..., AbstractContextManager[Any]]) -> None:
        self.shop = shop
        self.payment = payment
        self.commits = commits
        self.delivered: Counter[str] = Counter()
        self.highest = {"captured_amount": Decimal(0), "refunded_amount": Decimal(0)}
        self.statuses = ["waiting"]

    @property
    def events(self) -> list[Event]:
        """Return what has happened so far and somebody handles here."""
        return [event for event in self.shop.fake.events() if event["type"] not in IGNORED]

    def deliver(self, event: Event, *, at_once: bool) -> None:
        """Deliver one event; ``at_once`` lets every event carry the same second."""
        body = json.dumps(event | ({"created": 1_790_000_000} if at_once else {}))
        with self.commits(execute=True):
            row = receive_event(parse_event(body, provider="stripe", variant="stripe"), body, {})
        assert row.state in ("processed", "unmatched"), (event["type"], row.state)
        self.delivered[event["id"]] += 1
        self.check()

    def call(self, ours: Call) -> bool:
        """Make one of our calls; return whether the payment's state, as it is known here, allowed it."""
        self.payment.refresh_from_db()
        try:
            with self.commits(execute=True):
                ours(self.payment)
        except WrongState:
            return False
        finally:
            self.check()
        return True

    def check(self) -> None:
        """Money only grows, refunds stay within captures and captures within the total; statuses move as allowed."""
        self.payment.refresh_from_db()
        for name, before in self.highest.items():
            now = getattr(self.payment, name)
            assert now >= before, name
            self.highest[name] = now
        refunds = self.payment.refunds.filter(status="succeeded").values_list("amount", flat=True)
        assert self.payment.refunded_amount == sum(refunds, Decimal(0))
        assert self.payment.captured_amount <= self.payment.total
        # A refund can be known before what it is a refund of.
        assert self.payment.refunded_amount <= (self.payment.captured_amount or self.payment.total)
        if self.payment.status != self.statuses[-1]:
            assert self.statuses[-1] not in FINAL
            self.statuses.append(self.payment.status)


@pytest.mark.parametrize("name", HISTORIES)
def test_one_end(
    name: str, shop: Shop, recorded_signals: SignalRecorder, django_capture_on_commit_callbacks: Any
) -> None:
    fields, happens, calls, (status, captured, refunded), signals = HISTORIES[name]
    payment = shop.payment(**fields)
    happens(shop, payment)
    ends: list[dict[str, Any]] = []

    @FEW
    @given(chosen=steps, at_once=st.booleans(), last=st.randoms(use_true_random=False))
    def run(chosen: list[int], at_once: bool, last: Any) -> None:
        recorded_signals.sent.clear()
        with undone(), forgotten(shop.fake):
            deliveries = Deliveries(shop, payment, django_capture_on_commit_callbacks)
            ours = list(calls)
            for choice in chosen:
                events = deliveries.events
                place = choice % (len(events) + bool(ours))
                if place < len(events):
                    deliveries.deliver(events[place], at_once=at_once)
                elif deliveries.call(ours[0]):
                    ours.pop(0)
            while True:
                # What is left, in any order; then what is left of it after our own calls.
                rest = [event for event in deliveries.events if not deliveries.delivered[event["id"]]]
                last.shuffle(rest)
                for event in rest:
                    deliveries.deliver(event, at_once=at_once)
                if not ours:
                    break
                assert deliveries.call(ours.pop(0))
            end = end_state(payment)
            rows = WebhookEvent.objects
            assert rows.count() == len(deliveries.events)
            # A second time only what came before its payment was known.
            assert not rows.exclude(attempts__in=(1, 2)).exists()
            assert not PaymentLog.objects.filter(event="mismatch").exists()
            announced = Counter(name for name in recorded_signals.names if name in MONEY)
            assert (end["status"], end["captured_amount"], end["refunded_amount"]) == (status, captured, refunded)
            assert announced == signals
            assert recorded_signals.names.count("webhook_received") == rows.count()
            # Refunds of our own have new ids at Stripe in each example.
            end["refunds"] = sorted((state, amount) for _id, state, amount in end["refunds"])
            if end not in ends:
                ends.append(end)

    run()
    assert len(ends) == 1, ends
