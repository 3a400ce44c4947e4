"""Use before and after a moment at which what is charged changes, in one hour: each as it was charged then."""

from __future__ import annotations

from decimal import Decimal

import pytest

from django_stripe_gateway import usage
from django_stripe_gateway.models import MeterEvent, Subscription, SubscriptionItem
from django_stripe_gateway.services.subscriptions.add_items import remove_item
from django_stripe_gateway.services.subscriptions.cancel import cancel_subscription
from django_stripe_gateway.services.subscriptions.customers import ensure_customer
from tests.billing_factories import make_plan
from tests.test_billing.metered_host import MeteredHost, send, to_the_hour

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("is_heard_of", [True, False])
@pytest.mark.parametrize("how", ["at the period's end", "at a date"])
def test_end(metered: MeteredHost, how: str, is_heard_of: bool) -> None:
    """What was used until the end is charged, and what somebody used after it on the free plan is not."""
    make_plan("free", is_default=True).limits.create(metric="calls", limit=None)
    subscription = metered.with_calls()
    to_the_hour(metered)
    if how == "at a date":
        end = metered.fake.state.now() + 86400
        metered.fake.change_subscription(subscription.provider_id, {"cancel_at": end})
        metered.host.deliver_new()
    else:
        cancel_subscription(subscription=subscription, at_period_end=True)
        subscription.refresh_from_db()
        end = int(subscription.current_period_end.timestamp())  # type: ignore[union-attr]
    metered.fake.advance_to(end - 60)
    usage.consume(metered.user, "calls", 1000)
    metered.fake.advance_to(end + 60)
    if is_heard_of:
        metered.host.deliver_new()
        assert Subscription.objects.get().status == "canceled"
    usage.consume(metered.user, "calls", 50_000)
    send()
    metered.pass_time(hours=3)
    assert sum(metered.charges(metered.calls)) == Decimal("0.40")
    events = MeterEvent.objects.order_by("occurred")
    assert [(event.value, event.occurred.timestamp() >= end) for event in events] == [(1000, False), (50_000, True)]


def test_end__at_once(metered: MeteredHost) -> None:
    """The last invoice charges what was used until then."""
    make_plan("free", is_default=True).limits.create(metric="calls", limit=None)
    subscription = metered.with_calls()
    to_the_hour(metered)
    usage.consume(metered.user, "calls", 1000)
    send()
    metered.pass_time(seconds=600)
    usage.consume(metered.user, "calls", 2000)
    metered.pass_time(seconds=60)
    cancel_subscription(subscription=subscription, at_period_end=False)
    metered.pass_time(seconds=600)
    usage.consume(metered.user, "calls", 50_000)
    send()
    metered.pass_time(hours=3)
    assert sum(metered.charges(metered.calls)) == Decimal("1.20")
    assert sorted(MeterEvent.objects.values_list("value", flat=True)) == [1000, 2000, 50_000]


def test_trial(metered: MeteredHost) -> None:
    customer = ensure_customer(owner=metered.user)
    metered.fake.customer_changes_card(str(customer.provider_id), "pm_card_visa")
    subscription = metered.subscribed(add_ons=[(metered.calls, 1)], trial_days=14)
    assert subscription.on_trial
    end = int(subscription.trial_end.timestamp())  # type: ignore[union-attr]
    usage.consume(metered.user, "calls", 3000)
    metered.fake.advance_to(end - 60)
    usage.consume(metered.user, "calls", 7000)
    metered.fake.advance_to(end + 60)
    # Nobody has told us of the trial's end, which came in this hour.
    usage.consume(metered.user, "calls", 1000)
    send()
    metered.pass_time(hours=3)
    assert sum(metered.charges(metered.calls)) == 0
    metered.renew(subscription)
    assert sum(metered.charges(metered.calls)) == Decimal("0.40")
    assert metered.agrees() == [(True, 11_000)]


def test_removed(metered: MeteredHost) -> None:
    """What was used before the price went is charged, and what was used after it in no case."""
    subscription = metered.with_calls()
    to_the_hour(metered)
    usage.consume(metered.user, "calls", 1000)
    send()
    metered.pass_time(seconds=600)
    usage.consume(metered.user, "calls", 500)
    metered.pass_time(seconds=60)
    remove_item(item=SubscriptionItem.objects.select_related("subscription__customer").get(kind="metered"))
    metered.pass_time(seconds=600)
    usage.consume(metered.user, "calls", 50_000)
    send()
    metered.renew(subscription)
    total = metered.totals()[-1]
    # The classic billing mode charges nothing of a price that is gone.
    assert total == Decimal("20.60" if metered.fake.generation == "current" else "20.00")
    assert metered.agrees() == [(True, 51_500)]


def test_added_in_the_dashboard(metered: MeteredHost) -> None:
    """It counts from when it was added there, and not from when we heard of it."""
    subscription = metered.subscribed()
    to_the_hour(metered)
    usage.consume(metered.user, "calls", 7000)
    metered.fake.advance(seconds=300)
    metered.fake.change_subscription(subscription.provider_id, {"items": [{"price": metered.calls.stripe_price_id}]})
    metered.fake.advance(seconds=600)
    usage.consume(metered.user, "calls", 25_000)
    metered.pass_time(seconds=600)
    usage.consume(metered.user, "calls", 1000)
    send()
    metered.renew(subscription)
    assert metered.charges(metered.calls)[-1] == Decimal("10.40")
    assert metered.agrees() == [(True, 33_000)]
