"""The time to pay late counts from the provider's time, and is for those alone who have paid before."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from django_stripe_gateway.gateways.billing_values import CustomerRequest, SubscriptionRequest
from django_stripe_gateway.gateways.registry import get_billing_gateway
from django_stripe_gateway.models import Invoice, Subscription
from django_stripe_gateway.services.subscriptions.sync import look_up_subscription
from django_stripe_gateway.subscriptions import has_plan
from tests.fake_stripe import invoicing
from tests.fake_stripe.periods import DAY
from tests.test_billing.host import SubscriptionHost
from tests.test_webhooks.support import Event, only

pytestmark = pytest.mark.django_db(transaction=True)

FAILS = "pm_card_chargeCustomerFail"
UPDATED = "customer.subscription.updated"


def now(subscription: Subscription) -> Subscription:
    subscription.refresh_from_db()
    assert subscription.is_valid == Subscription.objects.valid().filter(pk=subscription.pk).exists()
    return subscription


def begin(host: SubscriptionHost, *, days_ago: float) -> None:
    """Let it be so many days ago at Stripe."""
    host.fake.state.ahead -= int(days_ago * DAY)


def forget_looks() -> None:
    """Let us not have looked at Stripe since, so that events which are newer than others are believed."""
    long_ago = timezone.now() - timedelta(days=300)
    Subscription.objects.update(fetched_at=long_ago)
    Invoice.objects.update(fetched_at=long_ago)


def fail_a_renewal(host: SubscriptionHost, subscription: Subscription, *, days: int = 32) -> list[Event]:
    """Let a renewal fail, and return what has not been delivered of that."""
    host.change_card(subscription, FAILS)
    host.deliver_new()
    host.fake.advance(days=days, hours=2)
    return host.new_events()


def said_before(event: Event) -> str | None:
    """Return the status before the change that an event tells of, if that is another one now."""
    status: str | None = event["data"].get("previous_attributes", {}).get("status")
    return status


def failed_at(host: SubscriptionHost, subscription: Subscription) -> datetime:
    """Return when the invoice of the failed renewal became final at Stripe."""
    invoice = host.fake.get(host.fake.get(subscription.provider_id)["latest_invoice"])
    assert invoice["status"] == "open"
    return datetime.fromtimestamp(invoice["status_transitions"]["finalized_at"], UTC)


def give_up_the_second_month(host: SubscriptionHost, *, days_ago: float) -> Subscription:
    """Return a subscription of then whose second month is not paid and not tried any more, 57 days later."""
    host.fake.after_retries = "past_due"
    begin(host, days_ago=days_ago)
    subscription = host.subscribed()
    host.deliver(fail_a_renewal(host, subscription, days=57))
    assert now(subscription).status == "past_due"
    return subscription


@pytest.mark.parametrize("how", ["event", "event after a look", "look"])
@pytest.mark.parametrize(("days", "is_valid"), [(6, True), (12, False)])
def test_late(either_host: SubscriptionHost, how: str, days: int, is_valid: bool) -> None:
    host = either_host
    begin(host, days_ago=31 + days)
    subscription = host.subscribed()
    events = fail_a_renewal(host, subscription, days=31)
    if how == "look":
        look_up_subscription(subscription.pk)
    else:
        if how == "event":
            forget_looks()
        host.deliver(events)
    assert now(subscription).status == "past_due"
    expected = failed_at(host, subscription)
    assert abs(subscription.past_due_since - expected) < timedelta(hours=1)
    assert subscription.is_valid is is_valid
    assert has_plan(host.user, "basic") is is_valid
    # Replays, later events and further looks give no more time.
    before = subscription.past_due_since
    replayed = [event | {"id": f"{event['id']}_again"} for event in events]
    host.deliver(replayed)
    host.deliver(event | {"id": f"{event['id']}_later", "created": event["created"] + 60} for event in events)
    look_up_subscription(subscription.pk)
    assert abs(now(subscription).past_due_since - before) < timedelta(hours=1)
    assert subscription.is_valid is is_valid


@pytest.mark.parametrize(("days", "is_valid"), [(3, True), (10, False)])
def test_event_of_the_failure_is_lost(either_host: SubscriptionHost, days: int, is_valid: bool) -> None:
    """A later event about something else says that it is late, and not since when."""
    host = either_host
    begin(host, days_ago=31 + days)
    subscription = host.subscribed()
    lost = fail_a_renewal(host, subscription, days=31)
    assert "active" in map(said_before, only(lost, UPDATED))
    expected = failed_at(host, subscription)
    host.fake.advance(days=days - 1)
    host.new_events()
    host.fake.change_subscription(subscription.provider_id, {"metadata": {"note": "called"}})
    forget_looks()
    host.deliver(only(host.new_events(), UPDATED))
    assert (now(subscription).status, subscription.is_valid) == ("past_due", is_valid)
    assert abs(subscription.past_due_since - expected) < timedelta(hours=1)


def test_events_between_two_failures_are_lost(either_host: SubscriptionHost) -> None:
    """What says that it became late just now does not fit a row that is late already."""
    host = either_host
    begin(host, days_ago=66)
    subscription = host.subscribed()
    host.deliver(fail_a_renewal(host, subscription, days=31))
    assert now(subscription).status == "past_due"
    host.fake.customer_pays(subscription.provider_id, "pm_card_visa")
    host.change_card(subscription, FAILS)
    host.new_events()
    host.fake.advance(days=31)
    assert host.fake.get(subscription.provider_id)["status"] == "past_due"
    forget_looks()
    *_, failed = [event for event in only(host.new_events(), UPDATED) if said_before(event) == "active"]
    assert host.deliver([failed]) == ["processed"]
    assert (now(subscription).status, subscription.is_valid) == ("past_due", True)
    assert abs(subscription.past_due_since - failed_at(host, subscription)) < timedelta(hours=1)


def test_late_by_what_is_said_of_another_default(host: SubscriptionHost) -> None:
    """A list of subscriptions says that one is late, and not since when."""
    begin(host, days_ago=42)
    subscription = host.subscribed()
    host.change_card(subscription, FAILS)
    host.fake.change_subscription(subscription.provider_id, {"default_payment_method": ""})
    host.deliver_new()
    host.fake.advance(days=31, hours=2)
    host.new_events()
    expected = failed_at(host, subscription)
    host.fake.state.ahead = 0
    gateway = get_billing_gateway("stripe")
    other = gateway.attach_payment_method(FAILS, host.customer.provider_id or "", idempotency_key="other")
    assert host.post(f"payment_methods/{other.payment_method_id}/default").status_code == 200
    assert (now(subscription).status, subscription.is_valid) == ("past_due", False)
    assert abs(subscription.past_due_since - expected) < timedelta(hours=1)


def test_ahead_of_our_clock(either_host: SubscriptionHost) -> None:
    subscription = either_host.subscribed()
    either_host.deliver(fail_a_renewal(either_host, subscription))
    since = now(subscription).past_due_since
    assert timezone.now() - timedelta(minutes=5) < since <= timezone.now()
    look_up_subscription(subscription.pk)
    assert now(subscription).past_due_since == since
    subscription.past_due_since -= timedelta(days=8)
    subscription.save()
    look_up_subscription(subscription.pk)
    assert not now(subscription).is_valid


@pytest.mark.parametrize("settled", ["paid", "uncollectible"])
def test_late_again(either_host: SubscriptionHost, settled: str) -> None:
    """A later period that is paid, or written off, is valid; one that fails after it finds the days used up."""
    host = either_host
    subscription = give_up_the_second_month(host, days_ago=95)
    expected = failed_at(host, subscription)
    if settled == "paid":
        host.change_card(subscription, "pm_card_visa")
    host.fake.advance(days=10)
    third = host.fake.get(subscription.provider_id)["latest_invoice"]
    if settled == "uncollectible":
        gateway: Any = get_billing_gateway("stripe")
        gateway.v1.invoices.mark_uncollectible(third)
    assert host.fake.get(third)["status"] == settled
    host.deliver_new()
    assert (now(subscription).status, subscription.past_due_since) == ("active", None)
    events = fail_a_renewal(host, subscription, days=28)
    forget_looks()
    host.deliver(events)
    assert (now(subscription).status, subscription.is_valid) == ("past_due", False)
    assert subscription.invoices.filter(status="open").count() == 2
    assert abs(subscription.past_due_since - expected) < timedelta(hours=1)
    look_up_subscription(subscription.pk)
    assert abs(now(subscription).past_due_since - expected) < timedelta(hours=1)
    assert not subscription.is_valid
    # What the seller takes back is not owed: the last one has days of its own.
    second, _last = subscription.invoices.filter(status="open").order_by("issued")
    host.fake.act(second.provider_id, invoicing.void)
    host.deliver_new()
    assert now(subscription).is_valid
    assert abs(subscription.past_due_since - failed_at(host, subscription)) < timedelta(hours=2)
    host.fake.customer_pays(subscription.provider_id, "pm_card_visa")
    host.deliver_new()
    assert (now(subscription).is_valid, subscription.past_due_since) == (True, None)


def test_late_twice_in_a_row(either_host: SubscriptionHost) -> None:
    host = either_host
    subscription = give_up_the_second_month(host, days_ago=67)
    expected = failed_at(host, subscription)
    host.fake.advance(days=10)
    host.deliver_new()
    look_up_subscription(subscription.pk)
    assert subscription.invoices.filter(status="open").count() == 2
    assert abs(now(subscription).past_due_since - expected) < timedelta(hours=1)
    assert not subscription.is_valid


@pytest.mark.parametrize("grace", [7, None])
@pytest.mark.parametrize("is_reversed", [False, True])
def test_trial_without_a_card(
    either_host: SubscriptionHost, settings: Any, grace: int | None, is_reversed: bool
) -> None:
    host = either_host
    settings.STRIPE_GATEWAY_PAST_DUE_GRACE_DAYS = grace
    host.basic.trial_days = 14
    host.basic.save()
    made = host.subscribe()
    host.fake.advance(days=15)
    forget_looks()
    host.deliver_new(order=(lambda events: events[::-1]) if is_reversed else None)
    subscription = Subscription.objects.get(provider_id=made["subscription_id"])
    assert now(subscription).status == "past_due"
    assert "paid" in {invoice.status for invoice in subscription.invoices.all()}
    assert (subscription.first_paid_at, subscription.is_valid) == (None, False)
    assert not has_plan(host.user, "basic")
    host.fake.customer_pays(subscription.provider_id, "pm_card_visa")
    host.deliver_new()
    assert (now(subscription).status, subscription.is_valid) == ("active", True)
    assert subscription.first_paid_at is not None
    host.deliver(fail_a_renewal(host, subscription))
    assert (now(subscription).status, subscription.is_valid) == ("past_due", True)


def test_discount_of_everything(either_host: SubscriptionHost) -> None:
    host = either_host
    coupon = host.fake.coupon(percent_off=100, duration="once")
    host.fake.promotion_code(coupon["id"], "FREE")
    subscription = host.subscribed(promotion_code="FREE")
    assert (now(subscription).status, subscription.first_paid_at) == ("active", None)
    host.fake.advance(days=32)
    host.deliver_new()
    assert (now(subscription).status, subscription.is_valid) == ("past_due", False)


@pytest.mark.parametrize("is_heard", [True, False])
def test_credit_of_what_was_paid(either_host: SubscriptionHost, is_heard: bool) -> None:
    """What a subscription that was given up has left as a credit is money: a renewal after that has its days."""
    host = either_host
    begin(host, days_ago=34)
    host.let_change_terms()
    first = host.subscribed(host.premium)
    ending = {"subscription_id": first.provider_id, "at_period_end": False, "refund_unused": "credit"}
    assert host.post("cancel", ending).status_code == 200
    host.deliver_new()
    subscription = host.subscribed(host.basic)
    invoice = host.fake.get(host.fake.get(subscription.provider_id)["latest_invoice"])
    assert (invoice["status"], invoice["total"], invoice["amount_paid"]) == ("paid", 2000, 0)
    if not is_heard:
        Subscription.objects.filter(pk=subscription.pk).update(first_paid_at=None)
    # The rest of the credit is spent on something else.
    host.fake.act(host.customer.provider_id, lambda scope, customer: customer.update(balance=0))
    late = fail_a_renewal(host, subscription, days=31)
    forget_looks()
    host.deliver(late)
    assert (now(subscription).status, subscription.is_valid) == ("past_due", True)
    assert subscription.first_paid_at == datetime.fromtimestamp(invoice["status_transitions"]["paid_at"], UTC)


def test_less_than_can_be_charged(either_host: SubscriptionHost) -> None:
    """Stripe pays it by letting the customer owe it: nobody has paid anything by that."""
    host = either_host
    subscription = host.subscribed()
    invoice = host.fake.get(host.fake.get(subscription.provider_id)["latest_invoice"])
    owed = {"total": 30, "amount_due": 0, "amount_paid": 0, "starting_balance": 0, "ending_balance": 30}
    credited = {"total": 30, "amount_due": 0, "amount_paid": 0, "starting_balance": -20, "ending_balance": 10}
    read = get_billing_gateway("stripe").read_invoice
    assert not read({**invoice, **owed}).is_paid_with_something
    assert read({**invoice, **credited}).amount_credited == Decimal("0.20")
    assert not read({**invoice, **owed, "total": -30, "ending_balance": -30}).is_paid_with_something


def test_payment_before_we_knew(either_host: SubscriptionHost) -> None:
    """A subscription that is taken in when it is late already was paid by what its invoices say."""
    host = either_host
    host.subscribed()
    gateway = get_billing_gateway("stripe")
    request = SubscriptionRequest(host.customer.provider_id or "", host.premium.stripe_price_id or "")
    made = gateway.create_subscription(request, idempotency_key="elsewhere").subscription_id
    host.fake.customer_pays(made, "pm_card_visa")
    host.fake.customer_changes_card(host.customer.provider_id, FAILS)
    card = host.fake.get(host.customer.provider_id)["invoice_settings"]["default_payment_method"]
    host.fake.change_subscription(made, {"default_payment_method": card})
    host.fake.advance(days=32)
    *_, last = [event for event in host.fake.events() if event["data"]["object"].get("id") == made]
    assert host.deliver([last]) == ["processed"]
    subscription = Subscription.objects.get(provider_id=made)
    assert (now(subscription).status, subscription.is_valid) == ("past_due", True)
    # What is to be paid comes along.
    assert [invoice.status for invoice in subscription.invoices.all()] == ["open"]


def test_unpaid_before_we_knew(either_host: SubscriptionHost) -> None:
    host = either_host
    host.subscribed()
    gateway = get_billing_gateway("stripe")
    other = gateway.create_customer(CustomerRequest(), idempotency_key="other").customer_id
    host.customer.__class__.objects.filter(owner=host.user).update(provider_id=other)
    request = SubscriptionRequest(other, host.premium.stripe_price_id or "", trial_days=3)
    made = gateway.create_subscription(request, idempotency_key="elsewhere").subscription_id
    host.fake.advance(days=4)
    *_, last = [event for event in host.fake.events() if event["data"]["object"].get("id") == made]
    assert host.deliver([last]) == ["processed"]
    subscription = Subscription.objects.get(provider_id=made)
    assert (now(subscription).status, subscription.is_valid) == ("past_due", False)


def test_payment_is_heard_of_later(either_host: SubscriptionHost) -> None:
    """The invoices of a paid subscription may arrive after what says that it is late."""
    host = either_host
    begin(host, days_ago=35)
    made = host.subscribe()["subscription_id"]
    host.fake.customer_pays(made, "pm_card_visa")
    subscription = Subscription.objects.get(provider_id=made)
    host.change_card(subscription, FAILS)
    host.fake.advance(days=31, hours=2)
    events = host.new_events()
    forget_looks()
    host.deliver(only(events, UPDATED)[::-1])
    assert now(subscription).is_valid
    paid_at = subscription.first_paid_at
    host.deliver(only(events, "invoice.paid", "invoice.finalized", "invoice.created"))
    assert now(subscription).is_valid
    assert subscription.first_paid_at == paid_at == min(i.paid_at for i in subscription.invoices.paid())
