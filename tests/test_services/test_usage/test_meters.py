"""Use that is reported to Stripe's Billing Meters: all of it, once, in its own billing period."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from django_stripe_gateway import usage
from django_stripe_gateway.exceptions import GatewayConfigurationError
from django_stripe_gateway.gateways.registry import get_meters
from django_stripe_gateway.models import Customer, MeterEvent, UsageRecord
from django_stripe_gateway.services.usage.meters.gather import gather_meter_events
from django_stripe_gateway.services.usage.meters.send import send_due_meter_events, send_meter_event
from tests.billing_factories import make_customer
from tests.fake_stripe.server import FakeStripe
from tests.test_services.test_concurrency import at_once
from tests.test_services.test_usage.support import at, make_default_plan, subscribe

pytestmark = pytest.mark.django_db(transaction=True)

EVENTS = "/v1/billing/meter_events"


@pytest.fixture
def customer(user: Any, stripe_server: FakeStripe, settings: Any) -> Customer:
    """Return a customer of an account with a meter for minutes."""
    settings.STRIPE_GATEWAY_USAGE_METERS = {"minutes": "call_minutes"}
    make_default_plan(("minutes", None, "month"), ("seats", None, "lifetime"))
    make_meter("call_minutes")
    return make_customer(user)


def make_meter(event_name: str, **fields: Any) -> Any:
    params = {"display_name": "Calls", "event_name": event_name, "default_aggregation": {"formula": "sum"}}
    return get_meters("stripe").v1.billing.meters.create(params=params | fields)


def run(command: str, *args: str) -> str:
    printed = io.StringIO()
    call_command(command, *args, stdout=printed)
    return printed.getvalue()


def counted(fake: FakeStripe) -> list[int]:
    return sorted(int(event["payload"]["value"]) for event in fake.all("billing.meter_event"))


def test_sent__added_up(customer: Customer, user: Any, stripe_server: FakeStripe) -> None:
    now = timezone.now().replace(minute=30, second=0, microsecond=0) - timedelta(hours=2)
    for minutes, quantity in ((0, 5), (1, 6), (40, 7)):
        with at(now + timedelta(minutes=minutes)):
            usage.consume(user, "minutes", quantity)
            usage.consume(user, "seats")
    with at(now + timedelta(minutes=2)):
        usage.refund(user, "minutes", 1)
    assert "gathered  2" in run("send_meter_events")
    assert counted(stripe_server) == [7, 10]
    event = stripe_server.all("billing.meter_event")[0]
    assert event["payload"]["stripe_customer_id"] == customer.provider_id
    sent = MeterEvent.objects.order_by("pk").first()
    assert sent is not None
    assert (sent.state, sent.value, sent.occurred, sent.identifier) == ("sent", 10, now, event["identifier"])
    assert event["timestamp"] == int(now.timestamp())
    # Nothing is left, and nothing is sent again.
    assert "gathered  0" in run("send_meter_events")
    assert counted(stripe_server) == [7, 10]
    assert "1 compared, 0 different" in run("compare_usage")


@pytest.mark.parametrize("moment", ["current_period_start", "current_period_end", "trial_end", "cancel_at", "ended_at"])
def test_sent__in_its_billing_period(customer: Customer, user: Any, moment: str) -> None:
    renewal = datetime(2026, 11, 10, 8, 30, tzinfo=UTC)
    status = "canceled" if moment == "ended_at" else "active"
    subscribe(user, ("minutes", None, "month"), status=status, **{moment: renewal})
    for minutes in (-20, -1, 0, 20):
        with at(renewal + timedelta(minutes=minutes)):
            usage.consume(user, "minutes")
    gather_meter_events()
    events = MeterEvent.objects.order_by("occurred")
    assert [(event.value, event.occurred < renewal) for event in events] == [(2, True), (2, False)]


def test_sent__under_the_meters_own_names(
    customer: Customer, user: Any, stripe_server: FakeStripe, settings: Any
) -> None:
    settings.STRIPE_GATEWAY_USAGE_METERS = {"minutes": "calls"}
    mapping = {"type": "by_id", "event_payload_key": "buyer"}
    make_meter("calls", customer_mapping=mapping, value_settings={"event_payload_key": "amount"})
    usage.consume(user, "minutes", 3)
    run("send_meter_events")
    assert stripe_server.all("billing.meter_event")[0]["payload"] == {"buyer": customer.provider_id, "amount": "3"}


def test_gather__given_back_and_nobody_to_bill(customer: Customer, user: Any, other_user: Any) -> None:
    usage.consume(user, "minutes", 3)
    usage.refund(user, "minutes", 3)
    usage.consume(other_user, "minutes", 3)
    assert gather_meter_events() == 1
    assert list(send_due_meter_events()) == []
    assert not UsageRecord.objects.filter(awaits_meter=True).exists()


def test_gather__a_customer_that_is_being_made(customer: Customer, user: Any) -> None:
    Customer.objects.update(provider_id=None)
    usage.consume(user, "minutes", 3)
    assert gather_meter_events() == 0
    Customer.objects.update(provider_id="cus_now")
    assert gather_meter_events() == 1


def test_gather__owner_is_deleted(customer: Customer, user: Any) -> None:
    usage.consume(user, "minutes", 3)
    gather_meter_events()
    user.delete()
    assert MeterEvent.objects.get().value == 3


def test_gather__many_at_once(customer: Customer, user: Any) -> None:
    for _number in range(20):
        usage.consume(user, "minutes")
    at_once(*[gather_meter_events] * 6)
    assert sum(MeterEvent.objects.values_list("value", flat=True)) == 20
    assert UsageRecord.objects.filter(meter_event=None).count() == 0


@pytest.mark.parametrize(
    "kind", ["error_500_before", "error_500_after", "reset_before", "reset_after", "rate_limit", "garbage"]
)
def test_lost_answer__counted_once(customer: Customer, user: Any, stripe_server: FakeStripe, kind: Any) -> None:
    usage.consume(user, "minutes", 3)
    stripe_server.fault("POST", EVENTS, kind=kind)
    assert "pending  1" in run("send_meter_events")
    assert MeterEvent.objects.get().error["code"]
    assert "sent  1" in run("send_meter_events")
    assert counted(stripe_server) == [3]
    assert MeterEvent.objects.get().error == {}


def test_many_senders__counted_once(customer: Customer, user: Any, stripe_server: FakeStripe) -> None:
    for hour in range(4):
        with at(timezone.now() - timedelta(hours=hour)):
            usage.consume(user, "minutes")
    gather_meter_events()
    at_once(*[lambda: list(send_due_meter_events())] * 4)
    assert counted(stripe_server) == [1] * 4
    assert set(MeterEvent.objects.values_list("state", "attempts")) == {("sent", 1)}


def test_unclear__not_sent_again_when_stripe_may_have_forgotten(
    customer: Customer, user: Any, stripe_server: FakeStripe
) -> None:
    usage.consume(user, "minutes", 3)
    stripe_server.fault("POST", EVENTS, kind="reset_after")
    run("send_meter_events")
    with at(timezone.now() + timedelta(hours=24)), pytest.raises(CommandError, match="not counted"):
        run("send_meter_events")
    assert MeterEvent.objects.get().state == "unclear"
    assert counted(stripe_server) == [3]


def test_refused(customer: Customer, user: Any, settings: Any) -> None:
    settings.STRIPE_GATEWAY_USAGE_METERS = {"minutes": "no_such_meter"}
    usage.consume(user, "minutes", 3)
    with pytest.raises(CommandError):
        run("send_meter_events")
    event = MeterEvent.objects.get()
    assert (event.state, event.error["code"]) == ("refused", "no_meter")
    assert send_meter_event(event.pk) is None
    with pytest.raises(CommandError), at(timezone.now() + timedelta(hours=1)):
        run("compare_usage")


def test_too_old(customer: Customer, user: Any, stripe_server: FakeStripe) -> None:
    with at(timezone.now() - timedelta(days=40)):
        usage.consume(user, "minutes", 3)
    with pytest.raises(CommandError):
        run("send_meter_events")
    assert MeterEvent.objects.get().error["code"] == "too_old"
    assert counted(stripe_server) == []


def test_wrong_key__nothing_is_lost(customer: Customer, user: Any, settings: Any, stripe_server: FakeStripe) -> None:
    usage.consume(user, "minutes", 3)
    good, settings.STRIPE_GATEWAY_API_KEY = settings.STRIPE_GATEWAY_API_KEY, ""
    with pytest.raises(CommandError, match="No API key"):
        run("send_meter_events")
    with pytest.raises(GatewayConfigurationError):
        send_meter_event(MeterEvent.objects.get().pk)
    assert MeterEvent.objects.get().attempts == 0
    settings.STRIPE_GATEWAY_API_KEY = good
    run("send_meter_events")
    assert counted(stripe_server) == [3]


def test_localstripe__has_no_meters(customer: Customer, user: Any, settings: Any) -> None:
    settings.STRIPE_GATEWAY_USE_LOCALSTRIPE = True
    usage.consume(user, "minutes", 3)
    with pytest.raises(CommandError):
        run("send_meter_events")
    assert MeterEvent.objects.get().error["code"] == "unsupported_by_gateway"


def test_tasks(customer: Customer, user: Any, stripe_server: FakeStripe) -> None:
    tasks = pytest.importorskip("django_tasks_db.models").DBTaskResult
    usage.consume(user, "minutes", 3)
    for _again in range(2):
        assert "enqueued  1" in run("send_meter_events", "--enqueue")
    results = [task.task.call(*task.args_kwargs["args"]) for task in tasks.objects.all()]
    assert results == ["sent", ""]
    assert counted(stripe_server) == [3]


def test_compare__differences(customer: Customer, user: Any, stripe_server: FakeStripe) -> None:
    with at(timezone.now() - timedelta(hours=3)):
        usage.consume(user, "minutes", 3)
    run("send_meter_events")
    MeterEvent.objects.update(value=5)
    with pytest.raises(CommandError, match="has not counted"):
        run("compare_usage", "--days", "2")
    with pytest.raises(CommandError, match="1 or more"):
        run("compare_usage", "--days", "0")
    stripe_server.fault("GET", "/v1/billing/meters", kind="error_500_before")
    with pytest.raises(CommandError, match="Stripe failed"):
        run("compare_usage")


def test_no_transaction_during_the_call(
    customer: Customer, user: Any, stripe_server: FakeStripe, monkeypatch: Any
) -> None:
    from django_stripe_gateway.gateways.stripe.meters import StripeMeters

    seen = []
    send = StripeMeters.send_event

    def watch(*args: Any, **kwargs: Any) -> Any:
        seen.append(connection.in_atomic_block)
        assert MeterEvent.objects.get().attempts == 1
        return send(*args, **kwargs)

    monkeypatch.setattr(StripeMeters, "send_event", watch)
    usage.consume(user, "minutes", 3)
    run("send_meter_events")
    assert seen == [False]
