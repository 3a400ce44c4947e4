"""Any order of a subscription's events, with duplicates and our own calls in between, ends in one state."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from django_stripe_gateway.exceptions import GatewayError, WrongState
from django_stripe_gateway.models import Subscription, SubscriptionLog, WebhookEvent
from django_stripe_gateway.services.subscriptions.cancel import cancel_subscription, resume_subscription
from django_stripe_gateway.webhooks.events import parse_event
from django_stripe_gateway.webhooks.inbox.receive import receive_event
from django_stripe_gateway.webhooks.registry import handled_types
from tests.conftest import SignalRecorder
from tests.test_billing.host import SubscriptionHost
from tests.test_billing.months import (
    State,
    a_month_with_a_failure,
    announced_once,
    let_it_be_over,
    moved,
    state_at_stripe,
    state_of,
)
from tests.test_webhooks.support import Event
from tests.test_webhooks.test_order import undone
from tests.test_webhooks.test_permutations import forgotten

pytestmark = [pytest.mark.slow, pytest.mark.django_db]

# The fixtures hold one history; every example undoes what it did to it.
FEW = settings(
    max_examples=5, deadline=None, phases=[Phase.generate], suppress_health_check=[HealthCheck.function_scoped_fixture]
)
OURS = frozenset(handled_types())

orders = st.randoms(use_true_random=False)


def events_of(host: SubscriptionHost, offset: int) -> list[Event]:
    """Return what is said of subscriptions and invoices so far; see ``let_it_be_over``."""
    return [moved(event, offset) for event in host.fake.events() if event["type"] in OURS]


def deliver_one(event: Event, commits: Any) -> None:
    """Deliver one event."""
    body = json.dumps(event)
    with commits(execute=True):
        row = receive_event(parse_event(body, provider="stripe", variant="stripe"), body, {})
    # "ignored" is the charge of an invoice, which the invoice's own events tell of.
    assert row.state in ("processed", "unmatched", "ignored"), (event["type"], row.state)


@pytest.mark.parametrize("ties", [False, True], ids=["in their seconds", "in one second"])
def test_one_end(
    either_host: SubscriptionHost,
    recorded_signals: SignalRecorder,
    django_capture_on_commit_callbacks: Any,
    ties: bool,
) -> None:
    host, commits = either_host, django_capture_on_commit_callbacks
    subscription, expected = a_month_with_a_failure(host)
    offset = let_it_be_over(host)
    events = events_of(host, offset)
    if ties:
        # Later than our own look: what is in one second cannot be told apart.
        events = [event | {"created": max(found["created"] for found in events)} for event in events]
    announcements: list[Counter[str]] = []

    @FEW
    @given(order=orders)
    def run(order: Any) -> None:
        recorded_signals.sent.clear()
        with undone():
            twice = order.sample(events, len(events) // 3)
            for event in order.sample(events + twice, len(events + twice)):
                deliver_one(event, commits)
            assert state_of(subscription) == expected
            subscribed = WebhookEvent.objects.filter(type__regex=r"^(customer\.subscription|invoice)\.")
            assert set(subscribed.values_list("state", flat=True)) == {"processed"}
            assert not SubscriptionLog.objects.filter(event="mismatch").exists()
            announced = announced_once(recorded_signals)
            assert (announced["subscription_activated"], announced["subscription_renewed"]) == (1, 2)
            announcements.append(announced)

    run()
    # A failure that was over when its event came is not announced.
    always = {"subscription_activated", "subscription_renewed"}
    assert {name for names in announcements for name in names} <= always | {
        "subscription_payment_failed",
        "subscription_past_due",
        "subscription_renewal_coming",
    }


def test_one_end__with_our_own_calls(
    either_host: SubscriptionHost, recorded_signals: SignalRecorder, django_capture_on_commit_callbacks: Any
) -> None:
    host, commits = either_host, django_capture_on_commit_callbacks
    subscription, _expected = a_month_with_a_failure(host)
    offset = let_it_be_over(host)
    calls = [cancel_subscription, resume_subscription, cancel_subscription]

    @FEW
    @given(order=orders, steps=st.lists(st.booleans(), max_size=12), back=st.booleans())
    def run(order: Any, steps: list[bool], back: bool) -> None:
        recorded_signals.sent.clear()
        with undone(), forgotten(host.fake):
            ours = calls[:2] if back else calls[:]
            delivered: set[str] = set()
            for is_call in steps:
                rest = [event for event in events_of(host, offset) if event["id"] not in delivered]
                if is_call and ours and call(ours[0], subscription, commits):
                    ours.pop(0)
                elif rest:
                    event = order.choice(rest)
                    delivered.add(event["id"])
                    deliver_one(event, commits)
            while ours:
                if not call(ours[0], subscription, commits):
                    # It is not known yet that it has been paid.
                    for event in events_of(host, offset):
                        deliver_one(event, commits)
                    assert call(ours[0], subscription, commits)
                ours.pop(0)
            events = events_of(host, offset)
            for event in order.sample(events, len(events)):
                deliver_one(event, commits)
            end: State = state_of(subscription)
            assert end == state_at_stripe(host, subscription)
            assert end[1] is not back
            names = Counter(recorded_signals.names)
            assert names["subscription_activated"] == 1
            assert names["subscription_cancelled"] == (1 if back else 2)
            assert names["subscription_resumed"] == 1

    run()


def call(ours: Any, subscription: Subscription, commits: Any) -> bool:
    """Make one of our calls; return whether the subscription's state, as it is known here, allowed it."""
    try:
        with commits(execute=True):
            ours(subscription=subscription)
    except WrongState:
        return False
    except GatewayError as error:
        raise AssertionError(error) from error
    return True
