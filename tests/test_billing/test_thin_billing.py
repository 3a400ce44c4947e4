"""Subscriptions and invoices by thin events, alone and beside the whole ones."""

from __future__ import annotations

from typing import Any

import pytest

from django_stripe_gateway.models import Invoice, Subscription
from tests.conftest import SignalRecorder
from tests.test_billing.host import SubscriptionHost
from tests.test_webhooks.support import deliver_all
from tests.test_webhooks.test_thin_twins import thin

pytestmark = pytest.mark.django_db(transaction=True)


def test_subscription__by_thin_events_alone(host: SubscriptionHost) -> None:
    made = host.subscribe()
    host.fake.customer_pays(made["subscription_id"], "pm_card_visa")
    assert "mismatched" not in deliver_all(map(thin, host.new_events()))
    subscription = Subscription.objects.get()
    assert (subscription.status, Invoice.objects.get().status) == ("active", "paid")
    host.fake.cancel_subscription(made["subscription_id"])
    # The last first: what is fetched is believed, and not the event's place.
    assert "mismatched" not in deliver_all(map(thin, reversed(host.new_events())))
    subscription.refresh_from_db()
    assert subscription.status == "canceled"


def test_failed_payment__is_announced_once(host: SubscriptionHost, recorded_signals: SignalRecorder) -> None:
    """Also where the thin form does not name the whole one."""
    subscription = host.subscribed()
    host.change_card(subscription, "pm_card_chargeCustomerFail")
    host.fake.advance(days=32)
    for event in host.new_events():
        # An upcoming invoice has no id, and no thin form that names it.
        deliver_all([event, thin(event)] if "id" in event["data"]["object"] else [event])
    assert recorded_signals.names.count("subscription_payment_failed") == 1
    subscription.refresh_from_db()
    assert subscription.status == "past_due"


def upcoming(host: SubscriptionHost) -> dict[str, Any]:
    """Return an event about the invoice of a renewal, which is no object yet."""
    host.subscribed()
    host.fake.advance(days=25)
    (event,) = (event for event in host.new_events() if event["type"] == "invoice.upcoming")
    assert "id" not in event["data"]["object"]
    return event


def thin_upcoming(event: dict[str, Any], **fields: Any) -> dict[str, Any]:
    named = {**event, "data": {"object": {"id": "none", "object": "invoice"}}}
    return thin(named, **{"related_object": None, "snapshot_event": event["id"], **fields})


def test_upcoming_invoice__by_thin_events_alone(host: SubscriptionHost, recorded_signals: SignalRecorder) -> None:
    """The whole event is asked for: it holds what nobody could ask for."""
    event = upcoming(host)
    assert deliver_all([thin_upcoming(event)]) == ["processed"]
    (told,) = recorded_signals.values("subscription_renewal_coming")
    assert (told["subscription"], told["amount"]) == (Subscription.objects.get(), 20)
    # Its whole form is the same event.
    deliver_all([event, thin_upcoming(event)])
    assert len(recorded_signals.values("subscription_renewal_coming")) == 1


def test_upcoming_invoice__that_names_no_whole_event(host: SubscriptionHost, recorded_signals: SignalRecorder) -> None:
    event = upcoming(host)
    assert deliver_all([thin_upcoming(event, snapshot_event=None)]) == ["ignored"]
    assert recorded_signals.values("subscription_renewal_coming") == []


def test_upcoming_invoice__that_names_another_event(host: SubscriptionHost, recorded_signals: SignalRecorder) -> None:
    event = upcoming(host)
    host.fake.cancel_subscription(Subscription.objects.get().provider_id)
    other = host.new_events()[-1]
    assert deliver_all([thin_upcoming(event, snapshot_event=other["id"])]) == ["mismatched"]
    assert recorded_signals.values("subscription_renewal_coming") == []
