"""When a subscription ends, who has set that, and what takes it back."""

from __future__ import annotations

import copy
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from django_stripe_gateway.models import BillingOperation, Subscription
from django_stripe_gateway.services.subscriptions.ends import note_end
from django_stripe_gateway.services.subscriptions.sync import sync_subscription
from django_stripe_gateway.subscriptions import (
    cancel_subscription,
    change_subscription,
    change_trial,
    preview_change,
    resume_subscription,
    subscriptions_for,
)
from tests.conftest import SignalRecorder
from tests.fake_stripe.periods import DAY
from tests.fake_stripe.subscription_objects import period
from tests.test_billing.host import SubscriptionHost
from tests.test_billing.rows import now

pytestmark = pytest.mark.django_db(transaction=True)


def at_stripe(host: SubscriptionHost, subscription: Subscription) -> tuple[bool, int | None]:
    """Return how it ends at Stripe."""
    found = host.fake.get(subscription.provider_id)
    return found["cancel_at_period_end"], found["cancel_at"]


def period_end(host: SubscriptionHost, subscription: Subscription) -> int:
    return period(host.fake.get(subscription.provider_id))[1]


@pytest.fixture
def contract(either_host: SubscriptionHost) -> Subscription:
    """Return a subscription that ends by contract some 10 days into its fourth month."""
    subscription = either_host.subscribed()
    date = period_end(either_host, subscription) + 70 * DAY
    either_host.fake.change_subscription(subscription.provider_id, {"cancel_at": date})
    either_host.deliver_new()
    return now(subscription)


def test_contract__recurs_until_its_last_period(
    either_host: SubscriptionHost, contract: Subscription, recorded_signals: SignalRecorder
) -> None:
    host = either_host
    for days in (0, 31, 31):
        host.fake.advance(days=days)
        host.deliver_new()
        assert now(contract).is_recurring
        assert list(subscriptions_for(host.user).recurring()) == [contract]
        assert "subscription_cancelled" not in recorded_signals.names
    host.fake.advance(days=31)
    host.deliver_new()
    assert (now(contract).on_grace_period, now(contract).is_recurring) == (True, False)
    assert list(subscriptions_for(host.user).on_grace_period()) == [contract]
    assert recorded_signals.names.count("subscription_cancelled") == 1
    host.fake.advance(days=31)
    host.deliver_new()
    assert now(contract).status == "canceled"


def test_contract__is_not_the_customers_to_lift(either_host: SubscriptionHost, contract: Subscription) -> None:
    host, end = either_host, at_stripe(either_host, contract)
    body = {"subscription_id": contract.provider_id}
    answer = host.post("resume", body)
    assert (answer.status_code, answer.json()["code"]) == (409, "agreed_end")
    # Nor by way of an end of their own.
    assert host.post("cancel", body).json()["cancel_at_period_end"] is True
    host.deliver_new()
    assert now(contract).on_grace_period
    answer = host.post("resume", body)
    assert answer.status_code == 200, answer.content
    assert at_stripe(host, contract) == end
    host.deliver_new()
    assert now(contract).is_recurring
    assert host.post("resume", body).json()["code"] == "agreed_end"
    lifted = resume_subscription(subscription=now(contract), lift_agreed_end=True)
    assert at_stripe(host, contract) == (False, None)
    assert (lifted.cancel_at, lifted.fixed_end, lifted.is_recurring) == (None, None, True)


def test_contract__in_its_last_period(either_host: SubscriptionHost) -> None:
    """The date of a contract that is the end of a period does not become a request of the customer's."""
    host = either_host
    subscription = host.subscribed()
    first = period_end(host, subscription)
    host.fake.advance_to(first + 3 * 3600)
    second = period_end(host, subscription)
    host.fake.advance_to(second + 3 * 3600)
    third = period_end(host, subscription)
    host.deliver_new()
    # It is known what the date will be, because a month has begun that ends on it.
    host.fake.state.ahead -= third - first
    host.fake.change_subscription(subscription.provider_id, {"cancel_at": third})
    host.fake.state.ahead += third - first
    Subscription.objects.update(fixed_end=None)
    host.deliver_new()
    found = now(subscription)
    assert (found.cancel_at_period_end, found.on_grace_period, found.ends_as_agreed) == (True, True, True)
    body = {"subscription_id": subscription.provider_id}
    assert host.post("resume", body).json()["code"] == "agreed_end"
    # A cancellation is what it is already.
    host.fake.forget_requests()
    operations = BillingOperation.objects.count()
    assert host.post("cancel", body).status_code == 200
    assert (host.fake.requests, BillingOperation.objects.count()) == ([], operations)
    assert host.post("resume", body).json()["code"] == "agreed_end"


def test_date__in_the_middle_of_the_period(either_host: SubscriptionHost) -> None:
    host = either_host
    subscription = host.subscribed()
    date = period_end(host, subscription) - 5 * DAY
    host.fake.change_subscription(subscription.provider_id, {"cancel_at": date})
    host.deliver_new()
    assert now(subscription).on_grace_period
    body = {"subscription_id": subscription.provider_id}
    assert host.post("resume", body).json()["code"] == "agreed_end"
    assert host.post("cancel", body).status_code == 200
    assert at_stripe(host, subscription) == (False, date)


@pytest.mark.parametrize("where", ["here", "portal"])
def test_request__is_taken_back(either_host: SubscriptionHost, where: str) -> None:
    host = either_host
    subscription = host.subscribed()
    if where == "here":
        cancel_subscription(subscription=subscription)
    else:
        host.fake.portal_cancel(subscription.provider_id)
    host.deliver_new()
    found = now(subscription)
    assert (found.on_grace_period, found.ends_as_agreed, found.is_recurring) == (True, False, False)
    assert host.post("resume", {"subscription_id": subscription.provider_id}).status_code == 200
    assert at_stripe(host, subscription) == (False, None)
    assert now(subscription).is_recurring


@pytest.mark.parametrize("where", ["here", "portal"])
@pytest.mark.parametrize("proration", ["always_invoice", "none"])
def test_change_of_plan__takes_a_request_back(either_host: SubscriptionHost, where: str, proration: str) -> None:
    host = either_host
    subscription = host.subscribed()
    if where == "here":
        cancel_subscription(subscription=subscription)
    else:
        host.fake.portal_cancel(subscription.provider_id)
    host.deliver_new()
    preview = preview_change(subscription=now(subscription), pricing=host.premium, proration=proration)
    # The next period is charged again, with the rest of this one's difference before it or at once.
    assert preview.total == {"none": 50, "always_invoice": 30}[proration]
    assert at_stripe(host, subscription)[1] is not None
    change_subscription(subscription=now(subscription), pricing=host.premium, proration=proration)
    host.deliver_new()
    assert at_stripe(host, subscription) == (False, None)
    assert (now(subscription).plan, now(subscription).is_recurring) == (host.premium.plan, True)


def test_change_of_plan__declined(either_host: SubscriptionHost) -> None:
    host = either_host
    subscription = host.subscribed()
    cancel_subscription(subscription=subscription)
    host.change_card(subscription, "pm_card_chargeCustomerFail")
    host.deliver_new()
    body = {"subscription_id": subscription.provider_id, "plan_id": host.premium.plan_id}
    assert host.post("change", {**body, "proration": "always_invoice"}).status_code == 402
    assert at_stripe(host, subscription)[0] is True
    host.deliver_new()
    assert (now(subscription).plan, now(subscription).on_grace_period) == (host.basic.plan, True)


def test_change_of_plan__keeps_a_contract(either_host: SubscriptionHost, contract: Subscription) -> None:
    host, end = either_host, at_stripe(either_host, contract)
    change_subscription(subscription=contract, pricing=host.premium, proration="always_invoice")
    assert at_stripe(host, contract) == end
    cancel_subscription(subscription=contract)
    host.deliver_new()
    change_subscription(subscription=now(contract), pricing=host.basic, proration="none")
    assert at_stripe(host, contract) == end
    host.deliver_new()
    assert (now(contract).plan, now(contract).is_recurring) == (host.basic.plan, True)


def test_change_of_seats__keeps_a_cancellation(either_host: SubscriptionHost) -> None:
    host = either_host
    host.basic.is_per_seat = True
    host.basic.save()
    subscription = host.subscribed()
    cancel_subscription(subscription=subscription)
    change_subscription(subscription=now(subscription), quantity=3)
    assert at_stripe(host, subscription)[0] is True
    assert (now(subscription).quantity, now(subscription).on_grace_period) == (3, True)


def test_plan_that_does_not_renew(either_host: SubscriptionHost) -> None:
    host = either_host
    pass_ = host.sell("pass", host.basic.amount, auto_renew=False)
    subscription = host.subscribed(pass_)
    assert subscription.on_grace_period
    change_subscription(subscription=subscription, pricing=host.premium)
    assert at_stripe(host, subscription) == (False, None)
    change_subscription(subscription=now(subscription), pricing=pass_)
    assert at_stripe(host, subscription)[0] is True


def test_request__is_none_after_a_new_period(host: SubscriptionHost) -> None:
    """What was cancelled by request stays so when a change begins the period anew."""
    subscription = cancel_subscription(subscription=host.subscribed())
    before: Any = copy.copy(subscription)
    assert subscription.canceled_at is not None
    subscription.current_period_start = subscription.current_period_end
    note_end(subscription, before)
    assert not subscription.ends_as_agreed


@pytest.mark.parametrize("moved_by", ["trial", "price"])
def test_request__is_taken_back_after_the_period_has_moved(host: SubscriptionHost, moved_by: str) -> None:
    """A page of Stripe's has set a date, which is no period's end any more; that nobody has agreed on."""
    host.basic.trial_days = 7 if moved_by == "trial" else 0
    host.basic.save()
    subscription = host.subscribed()
    host.change_card(subscription, "pm_card_visa")
    host.fake.portal_cancel(subscription.provider_id)
    host.deliver_new()
    if moved_by == "trial":
        change_trial(subscription=now(subscription), ends=timezone.now() + timedelta(days=20))
    else:
        year = host.made_at_stripe(host.basic.stripe_product_id, Decimal("200.00"), interval="year")
        host.put_on(now(subscription), year)
    host.deliver_new()
    sync_subscription(subscription=subscription)
    found = now(subscription)
    assert (found.cancel_at_period_end, found.on_grace_period, found.ends_as_agreed) == (False, True, False)
    # A date that the seller sets instead is agreed on.
    assert host.post("resume", {"subscription_id": subscription.provider_id}).status_code == 200
    assert at_stripe(host, subscription) == (False, None)
    host.fake.change_subscription(subscription.provider_id, {"cancel_at": period_end(host, subscription) - DAY})
    host.deliver_new()
    assert now(subscription).ends_as_agreed
