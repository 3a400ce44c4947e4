"""Events that are forged, half-formed, of another mode or another account change nothing and are never a 500."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
from payments.core import PROVIDER_CACHE

from django_stripe_gateway.models import Customer, Invoice, Subscription, SubscriptionLog
from tests.conftest import SignalRecorder
from tests.test_billing.host import SubscriptionHost
from tests.test_webhooks.support import Event, deliver

pytestmark = pytest.mark.django_db(transaction=True)

ANNOUNCED = ("webhook_",)


def rows() -> list[Any]:
    """Return all that events may change, to show that they did not; the log of contradictions apart."""
    models = (Customer, Subscription, Invoice)
    logs = SubscriptionLog.objects.exclude(event="mismatch").count()
    return [list(model._default_manager.order_by("pk").values()) for model in models] + [logs]


@pytest.fixture
def later(host: SubscriptionHost, one_per_plan: None) -> list[Event]:
    """Return, for a paid subscription, later events that would change all that is known of it."""
    subscription = host.subscribed()
    host.change_card(subscription, "pm_card_visa")
    host.deliver_new()
    page = host.subscribe(host.premium, mode="checkout")
    assert page["gateway_url"]
    host.fake.complete_checkout(next(p["id"] for p in host.fake.all("checkout.session")))
    host.change_card(subscription, "pm_card_chargeCustomerFail")
    host.fake.advance(days=32)
    host.fake.delete_customer(host.customer.provider_id)
    card = host.customer.default_payment_method
    events = host.new_events()
    detached = next(event for event in events if event["type"] == "payment_method.attached")
    method = {**detached["data"]["object"], "id": card, "customer": None}
    events.append({**detached, "id": "evt_detached", "type": "payment_method.detached", "data": {"object": method}})
    wanted = ("customer.", "invoice.", "checkout.session.", "payment_method.")
    return [event for event in events if event["type"].startswith(wanted)]


def other_mode(event: Event) -> None:
    event["livemode"] = True
    if "livemode" in event["data"]["object"]:
        event["data"]["object"]["livemode"] = True


def other_mode_outside(event: Event) -> None:
    event["livemode"] = True


@pytest.mark.parametrize("forge", [other_mode, other_mode_outside])
def test_not_ours(
    host: SubscriptionHost, later: list[Event], recorded_signals: SignalRecorder, forge: Callable[[Event], None]
) -> None:
    before = rows()
    recorded_signals.sent.clear()
    for number, event in enumerate(later):
        forged = copy.deepcopy(event) | {"id": f"evt_forged_{number}"}
        forge(forged)
        answer = deliver(forged)
        assert answer.status_code == 200, (event["type"], answer.content)
        assert rows() == before, event["type"]
    assert [name for name in recorded_signals.names if not name.startswith(ANNOUNCED)] == []
    assert {event["type"] for event in later} >= {
        "checkout.session.completed",
        "customer.deleted",
        "customer.subscription.updated",
        "customer.updated",
        "invoice.paid",
        "payment_method.detached",
    }


def test_bad_signature(host: SubscriptionHost, later: list[Event]) -> None:
    before = rows()
    for event in later:
        assert deliver(event, secret="whsec_wrong").status_code == 400
    assert rows() == before


STRANGE: list[Any] = [None, [], "x", 7, -1, {}, {"data": None}, {"object": []}, "\0", 10**30, True]


def test_half_formed(host: SubscriptionHost, later: list[Event]) -> None:
    seen = set()
    number = 0
    for event in later:
        if event["type"] in seen:
            continue
        seen.add(event["type"])
        names = [name for name in event["data"]["object"] if name not in ("object", "metadata")]
        # Each event's fields in turn, so that the events of one kind of object together have them all.
        for place, name in list(enumerate(names))[len(seen) % 4 :: 4]:
            number += 1
            broken = copy.deepcopy(event) | {"id": f"evt_half_{number}"}
            broken["data"]["object"][name] = STRANGE[(place + number) % len(STRANGE)]
            answer = deliver(broken)
            assert answer.status_code == 200, (event["type"], name, broken["data"]["object"][name], answer.content)
            assert answer.json()["state"] != "failed", (event["type"], name, broken["data"]["object"][name])


def test_too_long(host: SubscriptionHost, later: list[Event]) -> None:
    newest = {event["type"]: event for event in later}
    for event_type in ("customer.subscription.updated", "invoice.created", "customer.updated"):
        event = newest[event_type]
        names = [name for name, value in event["data"]["object"].items() if isinstance(value, str) and name != "object"]
        for number, name in enumerate(names):
            broken = copy.deepcopy(event) | {"id": f"evt_{event_type[-7:]}_{number}", "created": event["created"] + 1}
            broken["data"]["object"][name] = "x" * 3000
            answer = deliver(broken)
            assert answer.status_code == 200, (event_type, name, answer.content)


def test_another_account(host: SubscriptionHost, later: list[Event], settings: Any) -> None:
    other = {"api_key": "sk_test_other", "endpoint_secret": "whsec_other"}
    own = settings.PAYMENT_VARIANTS["stripe"]
    settings.PAYMENT_VARIANTS = {"stripe": own, "other": (own[0], other)}
    PROVIDER_CACHE.clear()
    before = rows()
    for event in later:
        assert deliver(event, secret="whsec_other").status_code == 200
        assert rows() == before, event["type"]


def test_customer__of_another(host: SubscriptionHost, later: list[Event]) -> None:
    before = rows()
    # Others are not newer than what is known, so that Stripe is asked instead.
    newest = {event["type"]: event for event in later}
    for event_type in ("customer.subscription.updated", "invoice.created"):
        forged = copy.deepcopy(newest[event_type])
        forged["data"]["object"]["customer"] = "cus_somebody_else"
        assert deliver(forged).json()["state"] in ("mismatched", "unmatched"), event_type
    assert rows() == before
