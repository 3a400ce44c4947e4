"""Limits when the end of a paid period moves, and when a renewal becomes known late."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from unittest import mock

import pytest
from django.utils import timezone

from django_stripe_gateway import usage
from django_stripe_gateway.models import PlanLimit, PlanPricing, Subscription
from django_stripe_gateway.services.subscriptions.change import change_subscription
from tests.billing_factories import make_plan
from tests.test_billing.host import SubscriptionHost
from tests.test_billing.test_metered import MeteredHost

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def site(either_host: SubscriptionHost) -> Iterator[SubscriptionHost]:
    """Return a site on each generation of the API, whose clock is Stripe's, with 10 minutes on each plan."""
    for plan in (make_plan("free", is_default=True), either_host.basic.plan):
        PlanLimit.objects.create(plan=plan, metric="minutes", limit=10, period="billing_period")
    state = either_host.fake.state
    with mock.patch.object(timezone, "now", side_effect=lambda: datetime.fromtimestamp(state.now(), UTC)):
        yield either_host


def remaining(host: SubscriptionHost) -> int | None:
    return usage.allowance(host.user, "minutes").remaining


def cancel(host: SubscriptionHost, subscription: Subscription) -> None:
    body = {"subscription_id": subscription.provider_id, "at_period_end": False}
    assert host.post("cancel", body).status_code == 200
    host.deliver_new()


def test_trial_that_is_extended(site: SubscriptionHost) -> None:
    site.let_change_terms()
    site.basic.trial_days = 7
    site.basic.save()
    mine = site.subscribed()
    usage.consume(site.user, "minutes", 10)
    site.fake.advance(days=1)
    end = (timezone.now() + timedelta(days=60)).isoformat()
    assert site.post("trial", {"subscription_id": mine.provider_id, "trial_end": end}).status_code == 200
    site.deliver_new()
    site.fake.advance(days=8)
    assert remaining(site) == 0
    cancel(site, mine)
    assert remaining(site) == 0
    site.subscribed()
    assert remaining(site) == 0


def test_month_to_year_that_keeps_its_start(site: SubscriptionHost) -> None:
    """Beside an item of another interval, the current API lets the period go on and moves its end."""
    if site.fake.generation == "legacy":
        pytest.skip("all items are paid at once there")
    metered, year = MeteredHost(site), site.sell("basic", Decimal("200.00"), interval="year")
    mine = metered.with_calls()
    usage.consume(site.user, "minutes", 10)
    metered.pass_time(days=3)
    started = mine.current_period_start
    change_subscription(subscription=mine, pricing=year)
    site.deliver_new()
    metered.pass_time(days=40)
    mine.refresh_from_db()
    assert mine.current_period_start == started
    assert remaining(site) == 0
    cancel(site, mine)
    metered.subscribed()
    assert remaining(site) == 0


def test_change_before_the_renewal_is_heard_of(site: SubscriptionHost) -> None:
    year = site.sell("basic", Decimal("200.00"), interval="year")
    mine = site.subscribed(site.basic, pricing_id=site.basic.pk)
    site.fake.advance(days=32)
    late = site.new_events()
    usage.consume(site.user, "minutes", 10)
    site.fake.advance(hours=1)
    body = {"subscription_id": mine.provider_id, "plan_id": year.plan_id, "pricing_id": year.pk}
    assert site.post("change", body).status_code == 200
    assert remaining(site) == 0
    site.deliver(late)
    site.deliver_new()
    assert remaining(site) == 0


def test_renewals_that_are_heard_of_late(site: SubscriptionHost) -> None:
    mine = site.subscribed()
    since = mine.periods_since
    usage.consume(site.user, "minutes", 10)
    site.fake.advance(days=66)
    late = [event for event in site.new_events() if event["type"] == "customer.subscription.updated"]
    site.deliver(late[-1:])
    mine.refresh_from_db()
    assert mine.current_period_start is not None
    assert mine.current_period_start > timezone.now() - timedelta(days=31)
    assert mine.periods_since == since
    assert remaining(site) == 10


def test_monthly_add_on_of_a_yearly_plan(site: SubscriptionHost) -> None:
    """The first month of the add-on begins with the plan's year, and is over when it is over."""
    if site.fake.generation == "legacy":
        pytest.skip("all items are paid at once there")
    year, support = sell_a_year_with_support(site)
    mine = subscribed_with(site, year, support)
    assert use_up(site, "answers") == use_up(site, "minutes") == 10
    pass_days(site, 36)
    assert (usage.allowance(site.user, "answers").remaining, remaining(site)) == (10, 0)
    cancel(site, mine)
    subscribed_with(site, year, support)
    assert (usage.allowance(site.user, "answers").remaining, remaining(site)) == (10, 0)
    assert use_up(site, "answers") == 10
    cancel(site, Subscription.objects.latest("pk"))
    subscribed_with(site, year, support)
    assert (usage.allowance(site.user, "answers").remaining, remaining(site)) == (0, 0)


def test_monthly_add_on_after_a_trial_that_is_heard_of_late(site: SubscriptionHost) -> None:
    """Both are paid from the trial's end on; what was used before that was heard of counts for as long as each runs."""
    if site.fake.generation == "legacy":
        pytest.skip("all items are paid at once there")
    year, support = sell_a_year_with_support(site)
    year.trial_days = 7
    year.save()
    mine = subscribed_with(site, year, support)
    site.fake.customer_changes_card(site.customer.provider_id, "pm_card_visa")
    site.fake.advance(days=8)
    assert use_up(site, "answers") == use_up(site, "minutes") == 10
    pass_days(site, 36)
    cancel(site, mine)
    year.trial_days = 0
    year.save()
    subscribed_with(site, year, support)
    assert (usage.allowance(site.user, "answers").remaining, remaining(site)) == (10, 0)


def sell_a_year_with_support(site: SubscriptionHost) -> tuple[PlanPricing, PlanPricing]:
    """Return a year of the plan, and an add-on by the month that has 10 answers."""
    year = site.sell("basic", Decimal("200.00"), interval="year")
    support = site.sell("support", Decimal("7.00"), is_add_on=True)
    PlanPricing.objects.filter(pk=support.pk).update(may_be_added=True)
    PlanLimit.objects.create(plan=support.plan, metric="answers", limit=10, period="billing_period")
    return year, support


def subscribed_with(site: SubscriptionHost, pricing: PlanPricing, add_on: PlanPricing) -> Subscription:
    return site.subscribed(pricing, pricing_id=pricing.pk, add_ons=[{"pricing_id": add_on.pk}])


def use_up(site: SubscriptionHost, metric: str) -> int:
    """Use all that is left of a metric, one by one, and return how much that was."""
    return next(used for used in range(100) if site.post("me/usage", {"metric": metric}).status_code == 429)


def pass_days(site: SubscriptionHost, days: int) -> None:
    for _day in range(days):
        site.fake.advance(days=1)
        site.deliver_new()
