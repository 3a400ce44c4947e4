"""What ends with its period ends with its plan's, be it that what is charged beside the plan has shorter ones."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.management import call_command

from django_stripe_gateway.exceptions import ProviderUnavailable
from django_stripe_gateway.models import PlanPricing, Subscription
from django_stripe_gateway.services.subscriptions.customers import ensure_customer
from django_stripe_gateway.services.subscriptions.reconcile import reconcile_subscriptions
from django_stripe_gateway.services.subscriptions.sync import sync_subscription
from django_stripe_gateway.subscriptions import add_item, cancel_subscription, change_subscription, end_trial
from tests.test_billing.host import SubscriptionHost
from tests.test_billing.test_ends import at_stripe, now, period_end

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def monthly(host: SubscriptionHost) -> PlanPricing:
    """Return an add-on whose month ends long before the year of the plan that it is charged beside."""
    return host.sell("support", Decimal("15.00"), is_add_on=True, may_be_added=True)


def yearly(host: SubscriptionHost, **plan: Any) -> PlanPricing:
    return host.sell("yearly", Decimal("500.00"), interval="year", **plan)


def assert_ends_with_plan(host: SubscriptionHost, subscription: Subscription) -> None:
    """Assert that it ends with the year, as somebody has asked for, in Stripe's eyes and in ours."""
    host.deliver_new()
    found = now(subscription)
    assert found.current_period_end is not None
    assert at_stripe(host, subscription) == (False, int(found.current_period_end.timestamp()))
    assert period_end(host, subscription) < found.current_period_end.timestamp()
    assert (found.cancel_at, found.cancel_at_period_end) == (found.current_period_end, True)
    assert (found.on_grace_period, found.ends_as_agreed) == (True, False)


@pytest.mark.parametrize("is_metered", [False, True])
def test_end(host: SubscriptionHost, monthly: PlanPricing, is_metered: bool) -> None:
    plan = yearly(host)
    if is_metered:
        monthly = host.sell_metered("yearly", Decimal("0.10"), product_id=plan.stripe_product_id)
    subscription = host.subscribed(plan, pricing_id=plan.pk)
    add_item(subscription=subscription, pricing=monthly)
    body = {"subscription_id": subscription.provider_id}
    assert host.post("cancel", {**body, "reason": "unused"}).json()["cancel_at_period_end"] is True
    assert host.fake.get(subscription.provider_id)["cancellation_details"]["feedback"] == "unused"
    assert_ends_with_plan(host, subscription)
    host.fake.advance(days=40)
    assert_ends_with_plan(host, subscription)
    assert host.post("resume", body).status_code == 200
    assert at_stripe(host, subscription) == (False, None)
    assert now(subscription).is_recurring
    host.post("cancel", body)
    host.fake.advance(days=330)
    host.deliver_new()
    assert now(subscription).status == "canceled"


def test_what_is_added_ends_nothing(host: SubscriptionHost, monthly: PlanPricing) -> None:
    plan = yearly(host)
    subscription = host.subscribed(plan, pricing_id=plan.pk)
    cancel_subscription(subscription=subscription)
    assert at_stripe(host, subscription)[0] is True
    add_item(subscription=now(subscription), pricing=monthly)
    assert_ends_with_plan(host, subscription)


def test_the_plans_ends_first(host: SubscriptionHost) -> None:
    support = host.sell("support", Decimal("120.00"), is_add_on=True, may_be_added=True, interval="year")
    subscription = host.subscribed()
    add_item(subscription=subscription, pricing=support)
    cancel_subscription(subscription=now(subscription))
    host.deliver_new()
    found = now(subscription)
    assert (found.cancel_at, found.cancel_at_period_end) == (found.current_period_end, True)
    assert at_stripe(host, subscription)[1] == period_end(host, subscription)


@pytest.mark.parametrize("mode", ["direct", "checkout"])
def test_plan_that_does_not_renew(host: SubscriptionHost, monthly: PlanPricing, mode: str) -> None:
    pass_ = yearly(host, auto_renew=False)
    host.subscribe(pass_, pricing_id=pass_.pk, add_ons=[{"pricing_id": monthly.pk}], mode=mode)
    if mode == "checkout":
        host.fake.complete_checkout(host.fake.all("checkout.session")[0]["id"])
    else:
        host.fake.customer_pays(host.fake.all("subscription")[0]["id"], "pm_card_visa")
    host.deliver_new()
    assert_ends_with_plan(host, Subscription.objects.get())


def test_no_event_arrives(host: SubscriptionHost, monthly: PlanPricing) -> None:
    pass_ = yearly(host, auto_renew=False)
    made = host.subscribe(pass_, pricing_id=pass_.pk, add_ons=[{"pricing_id": monthly.pk}])
    host.fake.customer_pays(made["subscription_id"], "pm_card_visa")
    host.new_events()
    sync_subscription(subscription=Subscription.objects.get())
    for _found in reconcile_subscriptions(older_than=timedelta(hours=1)):
        pass
    assert_ends_with_plan(host, Subscription.objects.get())


def test_change_to_a_plan_that_does_not_renew(host: SubscriptionHost, monthly: PlanPricing) -> None:
    pass_ = yearly(host, auto_renew=False)
    subscription = host.subscribed()
    add_item(subscription=subscription, pricing=monthly)
    change_subscription(subscription=now(subscription), pricing=pass_)
    assert_ends_with_plan(host, subscription)


@pytest.mark.parametrize("which", [0, 1])
def test_change_whose_answer_is_lost(host: SubscriptionHost, monthly: PlanPricing, which: int) -> None:
    """Of the change itself, or of the end that is set after it."""
    pass_ = yearly(host, auto_renew=False)
    subscription = host.subscribed()
    add_item(subscription=subscription, pricing=monthly)
    host.fake.fault("POST", "/v1/subscriptions/*", kind="error_500_after", times=3, after=which)
    with pytest.raises(ProviderUnavailable):
        change_subscription(subscription=now(subscription), pricing=pass_)
    host.fake.clear_faults()
    host.fake.forget_requests()
    changed = change_subscription(subscription=now(subscription), pricing=pass_)
    assert (changed.pricing, changed.cancel_at) == (pass_, changed.current_period_end)
    asked = [request for request in host.fake.requests if request.method == "POST" and "items" in request.params]
    assert asked == [], "it is not changed once more"
    assert_ends_with_plan(host, subscription)


@pytest.mark.parametrize("heal", ["repeat", "reconcile"])
def test_killed_before_the_end_was_set(host: SubscriptionHost, monthly: PlanPricing, heal: str) -> None:
    plan = yearly(host)
    subscription = host.subscribed(plan, pricing_id=plan.pk)
    host.change_card(subscription, "pm_card_visa")
    cancel_subscription(subscription=subscription)
    host.deliver_new()
    host.fake.fault("POST", "/v1/subscriptions/*", kind="reset_before", times=4, after=1)
    with pytest.raises(ProviderUnavailable):
        add_item(subscription=now(subscription), pricing=monthly)
    host.fake.clear_faults()
    host.deliver_new()
    if heal == "repeat":
        added = add_item(subscription=now(subscription), pricing=monthly)
        assert added.cancel_at == added.current_period_end
    else:
        call_command("reconcile")
    assert_ends_with_plan(host, subscription)


@pytest.mark.parametrize("is_heard_of", [True, False])
@pytest.mark.parametrize("auto_renew", [True, False])
def test_added_once_it_is_paid(
    host: SubscriptionHost, monthly: PlanPricing, auto_renew: bool, is_heard_of: bool
) -> None:
    plan = yearly(host, auto_renew=auto_renew)
    subscription = host.subscribed(plan, pricing_id=plan.pk)
    if auto_renew:
        cancel_subscription(subscription=subscription)
    host.change_card(subscription, "pm_card_authenticationRequired")
    host.deliver_new()
    assert add_item(subscription=now(subscription), pricing=monthly, proration="always_invoice").has_pending_update
    host.fake.customer_authenticates(host.fake.intent_of(subscription.provider_id or ""))
    if not is_heard_of:
        host.new_events()
        sync_subscription(subscription=now(subscription))
        call_command("reconcile")
    assert_ends_with_plan(host, subscription)
    host.fake.advance(days=40)
    assert_ends_with_plan(host, subscription)


def test_added_in_the_dashboard(host: SubscriptionHost, monthly: PlanPricing) -> None:
    plan = yearly(host)
    subscription = cancel_subscription(subscription=host.subscribed(plan, pricing_id=plan.pk))
    host.deliver_new()
    host.fake.change_subscription(subscription.provider_id, {"items": [{"price": monthly.stripe_price_id}]})
    assert_ends_with_plan(host, subscription)


def test_end_that_the_seller_names_is_the_sellers(host: SubscriptionHost, monthly: PlanPricing) -> None:
    plan = yearly(host)
    subscription = host.subscribed(plan, pricing_id=plan.pk)
    add_item(subscription=subscription, pricing=monthly)
    host.deliver_new()
    month = datetime.fromtimestamp(period_end(host, subscription), UTC)
    cancel_subscription(subscription=now(subscription), cancel_at=month)
    host.deliver_new()
    call_command("reconcile")
    assert at_stripe(host, subscription) == (False, month.timestamp())


def test_taken_back_before_it_was_put_off(host: SubscriptionHost, monthly: PlanPricing) -> None:
    plan = yearly(host)
    subscription = cancel_subscription(subscription=host.subscribed(plan, pricing_id=plan.pk))
    host.deliver_new()
    host.fake.change_subscription(subscription.provider_id, {"items": [{"price": monthly.stripe_price_id}]})
    host.fake.fault("POST", "/v1/subscriptions/*", kind="reset_before", times=4)
    host.deliver_new()
    host.fake.clear_faults()
    host.fake.change_subscription(subscription.provider_id, {"cancel_at_period_end": False})
    call_command("reconcile")
    assert at_stripe(host, subscription) == (False, None)
    host.deliver_new()
    assert now(subscription).is_recurring


@pytest.mark.parametrize("fault", ["", "reset_after"])
def test_periods_that_begin_with_the_end_of_a_trial(host: SubscriptionHost, monthly: PlanPricing, fault: str) -> None:
    plan = host.sell("yearly", Decimal("500.00"), interval="year", trial_days=14)
    ensure_customer(owner=host.user)
    host.fake.customer_changes_card(host.customer.provider_id or "", "pm_card_visa")
    subscription = host.subscribed(plan, pricing_id=plan.pk, add_ons=[{"pricing_id": monthly.pk}])
    cancel_subscription(subscription=subscription)
    if fault:
        host.fake.fault("POST", "/v1/subscriptions/*", kind=fault, times=4)  # type: ignore[arg-type]
        with pytest.raises(ProviderUnavailable):
            end_trial(subscription=now(subscription))
        host.fake.clear_faults()
    end_trial(subscription=now(subscription))
    assert_ends_with_plan(host, subscription)
