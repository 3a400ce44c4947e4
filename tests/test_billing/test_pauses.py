"""What is paused is valid as far as it was paid, and no pause after another makes that longer."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from django_stripe_gateway.exceptions import InvalidInput
from django_stripe_gateway.gateways.registry import get_billing_gateway
from django_stripe_gateway.models import PlanLimit, Subscription
from django_stripe_gateway.subscriptions import (
    active_plan,
    change_collection,
    pause_subscription,
    sync_subscription,
    unpause_subscription,
)
from tests.test_billing.host import SubscriptionHost
from tests.test_billing.rows import now

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("clock")]

BEHAVIORS = ["void", "keep_as_draft", "mark_uncollectible"]


@pytest.fixture
def mine(either_host: SubscriptionHost) -> Subscription:
    """Return a subscription with a card that pays."""
    PlanLimit.objects.create(plan=either_host.basic.plan, metric="minutes", limit=10, period="day")
    found = either_host.subscribed()
    either_host.change_card(found, "pm_card_visa")
    either_host.deliver_new()
    return now(found)


def is_valid(host: SubscriptionHost, subscription: Subscription) -> bool:
    """Return whether everything that knows says that it is."""
    row = now(subscription)
    shown = {one["subscription_id"]: one["valid"] for one in host.get("status").json()["results"]}
    limits = {limit["metric"] for limit in host.get("me/limits").json()["limits"]}
    answers = {
        row.is_valid,
        Subscription.objects.valid().filter(pk=row.pk).exists(),
        shown[row.provider_id],
        "minutes" in limits,
        active_plan(host.user) == row.plan,
    }
    assert len(answers) == 1, answers
    return answers.pop()


def wait(host: SubscriptionHost, days: int) -> None:
    host.fake.advance(days=days)
    host.deliver_new()


@pytest.mark.parametrize("behavior", BEHAVIORS)
def test_pause__is_valid_as_far_as_paid(either_host: SubscriptionHost, mine: Subscription, behavior: str) -> None:
    host = either_host
    pause_subscription(subscription=mine, behavior=behavior)
    wait(host, 20)
    assert is_valid(host, mine)
    wait(host, 12)
    assert not is_valid(host, mine)
    # Nothing is paid by going on.
    unpause_subscription(subscription=now(mine))
    wait(host, 5)
    assert not is_valid(host, mine)
    # The next period is paid.
    wait(host, 26)
    assert is_valid(host, mine)
    assert not now(mine).was_paused


def test_pauses__around_each_renewal(either_host: SubscriptionHost, mine: Subscription) -> None:
    """Three periods go by, all void, and paused for nothing but their renewals."""
    host = either_host
    for period in range(3):
        end = now(mine).current_period_end
        assert end is not None
        wait(host, (end - timezone.now()).days - 1)
        assert is_valid(host, mine) is (period == 0)
        pause_subscription(subscription=now(mine))
        wait(host, 4)
        unpause_subscription(subscription=now(mine))
        assert not is_valid(host, mine)
    assert [one["status"] for one in host.fake.all("invoice")].count("void") == 3


def test_pause__within_a_paid_period(either_host: SubscriptionHost, mine: Subscription) -> None:
    host = either_host
    pause_subscription(subscription=mine)
    wait(host, 10)
    unpause_subscription(subscription=now(mine))
    assert not now(mine).was_paused
    for _month in range(2):
        wait(host, 31)
        assert is_valid(host, mine)


def test_invoice_of_a_pause__paid_after_all(either_host: SubscriptionHost, mine: Subscription) -> None:
    host = either_host
    pause_subscription(subscription=mine, behavior="mark_uncollectible")
    wait(host, 32)
    unpause_subscription(subscription=now(mine))
    assert not is_valid(host, mine)
    gateway: Any = get_billing_gateway(mine.variant)
    gateway.v1.invoices.pay(now(mine).latest_invoice_id)
    host.deliver_new()
    assert is_valid(host, mine)
    assert not now(mine).was_paused


def test_events__lost(either_host: SubscriptionHost, mine: Subscription) -> None:
    """Nothing that happens after the pause is heard of."""
    host = either_host
    pause_subscription(subscription=mine)
    host.fake.advance(days=32)
    assert not is_valid(host, mine)
    sync_subscription(subscription=now(mine))
    assert not is_valid(host, mine)


@pytest.mark.parametrize("period", ["paid", "void"])
def test_first_sight__of_a_paused_one(either_host: SubscriptionHost, mine: Subscription, period: str) -> None:
    host = either_host
    if period == "void":
        pause_subscription(subscription=mine)
        wait(host, 32)
    # What was known of its invoices is not.
    Subscription.objects.update(paid_from=None, paid_until=None, was_paused=False, pause_behavior="")
    host.fake.change_subscription(mine.provider_id, {"pause_collection": {"behavior": "void"}, "metadata": {"a": "1"}})
    host.deliver_new()
    assert now(mine).pause_behavior == "void"
    assert is_valid(host, mine) is (period == "paid")
    assert now(mine).paid_until == (mine.current_period_end)


def test_trial__is_no_more_than_was_granted(either_host: SubscriptionHost) -> None:
    host = either_host
    host.basic.trial_days = 10
    host.basic.save()
    PlanLimit.objects.create(plan=host.basic.plan, metric="minutes", limit=10, period="day")
    mine = host.subscribed()
    host.change_card(mine, "pm_card_visa")
    pause_subscription(subscription=now(mine))
    wait(host, 9)
    assert (now(mine).status, is_valid(host, mine)) == ("trialing", True)
    host.fake.advance(days=2)
    assert not is_valid(host, mine)
    host.deliver_new()
    assert (now(mine).status, is_valid(host, mine)) == ("active", False)


def test_sent_invoices(either_host: SubscriptionHost, mine: Subscription) -> None:
    host = either_host
    change_collection(subscription=mine, collection_method="send_invoice", days_until_due=7)
    pause_subscription(subscription=now(mine))
    wait(host, 32)
    assert not is_valid(host, mine)
    unpause_subscription(subscription=now(mine))
    wait(host, 31)
    # The next one is sent, and not paid yet.
    assert not is_valid(host, mine)
    host.fake.customer_pays(mine.provider_id, "pm_card_visa")
    host.deliver_new()
    assert is_valid(host, mine)


@pytest.mark.parametrize("behavior", BEHAVIORS)
def test_plan_that_costs_nothing(either_host: SubscriptionHost, behavior: str) -> None:
    host = either_host
    free = host.sell("free", Decimal("0.00"))
    PlanLimit.objects.create(plan=free.plan, metric="minutes", limit=10, period="day")
    mine = host.subscribed(free)
    pause_subscription(subscription=mine, behavior=behavior)
    for _month in range(2):
        wait(host, 31)
        assert is_valid(host, mine)


@pytest.mark.parametrize("either_host", ["current"], indirect=True)
def test_add_on__pays_for_no_plan(either_host: SubscriptionHost, mine: Subscription) -> None:
    """A yearly add-on that is paid does not make the months of the plan valid; older APIs sell none beside those."""
    host = either_host
    host.support = host.sell("support", Decimal("70.00"), is_add_on=True, interval="year")
    host.fake.change_subscription(
        mine.provider_id,
        {"items": [{"price": host.support.stripe_price_id}], "proration_behavior": "always_invoice"},
    )
    host.deliver_new()
    pause_subscription(subscription=now(mine))
    wait(host, 32)
    assert not is_valid(host, mine)


def test_year_that_was_credited(either_host: SubscriptionHost, mine: Subscription) -> None:
    """Who was given back the rest of a year has no year left."""
    host = either_host
    yearly = host.sell("yearly", Decimal("200.00"), interval="year")
    PlanLimit.objects.create(plan=yearly.plan, metric="minutes", limit=10, period="day")
    for price, days in ((yearly, 1), (host.basic, 2)):
        host.put_on(now(mine), price.stripe_price_id)
        wait(host, days)
    pause_subscription(subscription=now(mine))
    assert is_valid(host, mine)
    # What was given back pays the months that come, one by one.
    assert now(mine).paid_until == now(mine).current_period_end


def test_setting(either_host: SubscriptionHost, mine: Subscription, settings: Any) -> None:
    settings.STRIPE_GATEWAY_PAUSED_IS_VALID = True
    pause_subscription(subscription=mine)
    wait(either_host, 70)
    assert is_valid(either_host, mine)


# How long customers may pause.


def test_bound__of_customers(host: SubscriptionHost, settings: Any) -> None:
    settings.STRIPE_GATEWAY_MAX_PAUSE_DAYS = 30
    mine = host.subscribed()
    which = {"subscription_id": mine.provider_id}
    for days, code in ((30, 200), (31, 400)):
        end = (timezone.now() + timedelta(days=days)).replace(microsecond=0)
        answer = host.post("pause", which | {"resumes_at": end.isoformat()})
        assert answer.status_code == code, answer.content
        if code == 200:
            assert now(mine).pause_resumes_at == end
            host.post("unpause", which)
        else:
            assert (answer.json()["code"], answer.json()["field"]) == ("pause_too_long", "resumes_at")
    assert host.post("pause", which).status_code == 200
    assert now(mine).pause_resumes_at == timezone.now().replace(microsecond=0) + timedelta(days=30)


@pytest.mark.parametrize("who", ["staff", "code", "nobody is bound"])
def test_bound__not_of_the_seller(host: SubscriptionHost, settings: Any, who: str) -> None:
    mine = host.subscribed()
    if who == "staff":
        host.let_change_terms()
    if who == "nobody is bound":
        settings.STRIPE_GATEWAY_MAX_PAUSE_DAYS = None
    if who == "code":
        pause_subscription(subscription=mine)
    else:
        assert host.post("pause", {"subscription_id": mine.provider_id}).status_code == 200
    assert (now(mine).is_paused, now(mine).pause_resumes_at) == (True, None)


def test_bound__is_not_moved_by_pausing_again(host: SubscriptionHost, mine_bounded: Subscription) -> None:
    mine, end = mine_bounded, now(mine_bounded).current_period_end
    assert end is not None
    for _again in range(3):
        host.post("unpause", {"subscription_id": mine.provider_id})
        wait(host, 5)
        host.post("pause", {"subscription_id": mine.provider_id})
        host.deliver_new()
    assert now(mine).pause_resumes_at is not None
    assert now(mine).pause_resumes_at <= now(mine).paid_until + timedelta(days=40)
    wait(host, 40)
    with pytest.raises(InvalidInput, match="within 40 days"):
        pause_subscription(subscription=now(mine), is_bounded=True)


@pytest.fixture
def mine_bounded(host: SubscriptionHost, settings: Any) -> Subscription:
    """Return a subscription that its customer has paused over a renewal."""
    settings.STRIPE_GATEWAY_MAX_PAUSE_DAYS = 40
    mine = host.subscribed()
    wait(host, 29)
    assert host.post("pause", {"subscription_id": mine.provider_id}).status_code == 200
    wait(host, 4)
    return now(mine)
