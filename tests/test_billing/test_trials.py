"""What becomes of a trial: moved, ended, and never carried to a plan that has none."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from django_stripe_gateway.exceptions import InvalidInput, PaymentDeclined, WrongState
from django_stripe_gateway.models import PlanPricing, Subscription
from django_stripe_gateway.services.subscriptions.cancel import cancel_subscription
from django_stripe_gateway.services.subscriptions.change import change_subscription, preview_change
from django_stripe_gateway.services.subscriptions.customers import ensure_customer
from django_stripe_gateway.services.subscriptions.reconcile import reconcile_subscriptions
from django_stripe_gateway.services.subscriptions.subscribe import subscribe
from django_stripe_gateway.services.subscriptions.trials import change_trial, end_trial
from tests.test_billing.host import SubscriptionHost

pytestmark = pytest.mark.django_db(transaction=True)


def trial_of(pricing: PlanPricing, days: int) -> None:
    pricing.trial_days = days
    pricing.save()


def trialing(host: SubscriptionHost, days: int = 30, card: str = "pm_card_visa") -> Subscription:
    trial_of(host.basic, days)
    ensure_customer(owner=host.user)
    if card:
        host.fake.customer_changes_card(host.customer.provider_id, card)
    found = host.subscribed()
    assert found.on_trial
    return found


def test_moved(host: SubscriptionHost) -> None:
    moment = (timezone.now() + timedelta(days=60)).replace(microsecond=0)
    assert change_trial(subscription=trialing(host), ends=moment).trial_end == moment


def test_moved__further_than_a_trial_lasts(host: SubscriptionHost) -> None:
    found = trialing(host)
    assert found.trial_start is not None
    last = found.trial_start + timedelta(days=730)
    with pytest.raises(InvalidInput) as refused:
        change_trial(subscription=found, ends=last + timedelta(seconds=1))
    assert refused.value.field == "trial_end"
    assert change_trial(subscription=found, ends=last).trial_end == last


@pytest.mark.parametrize("days", [-1, 731, 1.5, "14", True])
def test_begun__with_days_that_no_trial_has(host: SubscriptionHost, days: Any) -> None:
    for mode in ("direct", "checkout"):
        with pytest.raises(InvalidInput) as refused:
            subscribe(owner=host.user, plan=host.basic.plan, trial_days=days, mode=mode)
        assert refused.value.field == "trial_days"
    assert not Subscription.objects.exists()


def test_ended(host: SubscriptionHost) -> None:
    found = end_trial(subscription=trialing(host))
    assert (found.status, host.fake.all("charge")[-1]["amount"]) == ("active", 2000)
    with pytest.raises(WrongState) as refused:
        end_trial(subscription=found)
    assert refused.value.code == "not_in_trial"


def test_ended__declined_goes_on(host: SubscriptionHost) -> None:
    found = trialing(host, card="pm_card_chargeCustomerFail")
    with pytest.raises(PaymentDeclined):
        end_trial(subscription=found)
    found.refresh_from_db()
    assert (found.status, found.has_pending_update) == ("trialing", False)
    assert host.fake.get(found.provider_id)["status"] == "trialing"


@pytest.mark.parametrize("behavior", ["pause", "cancel", "create_invoice", ""])
def test_ended__without_a_card_goes_on(host: SubscriptionHost, behavior: str) -> None:
    found = subscribe(owner=host.user, plan=host.basic.plan, trial_days=14, trial_end_behavior=behavior)
    with pytest.raises(PaymentDeclined) as refused:
        end_trial(subscription=found)
    assert refused.value.code == "payment_method_missing"
    found.refresh_from_db()
    assert (found.status, host.fake.get(found.provider_id)["status"]) == ("trialing", "trialing")
    host.fake.customer_changes_card(host.customer.provider_id, "pm_card_visa")
    assert end_trial(subscription=found).status == "active"


@pytest.mark.parametrize("behavior", ["pause", "cancel"])
def test_changed__to_a_plan_without_trial_and_without_a_card(host: SubscriptionHost, behavior: str) -> None:
    found = subscribe(owner=host.user, plan=host.basic.plan, trial_days=14, trial_end_behavior=behavior)
    with pytest.raises(PaymentDeclined):
        change_subscription(subscription=found, pricing=host.premium)
    found.refresh_from_db()
    assert (found.status, found.plan) == ("trialing", host.basic.plan)
    assert host.fake.get(found.provider_id)["status"] == "trialing"


@pytest.mark.parametrize("behavior", ["pause", "cancel"])
def test_ended__what_costs_nothing(host: SubscriptionHost, behavior: str) -> None:
    free = host.sell("free", Decimal(0))
    found = subscribe(owner=host.user, plan=free.plan, trial_days=14, trial_end_behavior=behavior)
    assert end_trial(subscription=found).status == "active"


def test_api(host: SubscriptionHost) -> None:
    found = trialing(host)
    body = {"subscription_id": found.provider_id, "trial_end": "now"}
    refused = host.post("trial", body)
    assert (refused.status_code, refused.json()["code"]) == (403, "not_allowed")
    host.let_change_terms()
    assert host.post("trial", body | {"trial_end": "soon"}).json()["field"] == "trial_end"
    assert host.post("trial", body).json()["status"] == "active"


def test_change__to_a_plan_without_a_trial_is_paid_at_once(host: SubscriptionHost) -> None:
    found = trialing(host)
    assert preview_change(subscription=found, pricing=host.premium).amount_due == 50
    changed = change_subscription(subscription=found, pricing=host.premium)
    assert (changed.status, changed.plan, changed.has_pending_update) == ("active", host.premium.plan, False)
    assert host.fake.all("charge")[-1]["amount"] == 5000


@pytest.mark.parametrize("card", ["", "pm_card_chargeCustomerFail"])
def test_change__is_not_made_unless_it_is_paid(host: SubscriptionHost, card: str) -> None:
    changed = change_subscription(subscription=trialing(host, card=card), pricing=host.premium)
    assert (changed.status, changed.plan, changed.has_pending_update) == ("trialing", host.basic.plan, True)


def test_change__to_a_plan_with_a_shorter_trial(host: SubscriptionHost) -> None:
    trial_of(host.premium, 7)
    changed = change_subscription(subscription=trialing(host), pricing=host.premium)
    assert changed.trial_start is not None
    assert (changed.status, changed.trial_end) == ("trialing", changed.trial_start + timedelta(days=7))


def test_change__to_a_plan_with_a_longer_trial_lengthens_none(host: SubscriptionHost) -> None:
    trial_of(host.premium, 30)
    found = trialing(host, days=7)
    assert change_subscription(subscription=found, pricing=host.premium).trial_end == found.trial_end


@pytest.mark.usefixtures("one_per_plan")
def test_change__to_a_plan_that_was_tried(host: SubscriptionHost) -> None:
    trial_of(host.premium, 30)
    found = trialing(host)
    first = subscribe(owner=host.user, plan=host.premium.plan)
    assert first.on_trial
    cancel_subscription(subscription=first, at_period_end=False)
    assert change_subscription(subscription=found, pricing=host.premium).status == "active"


def test_change__what_was_tried_by_a_change_was_tried(host: SubscriptionHost) -> None:
    trial_of(host.premium, 30)
    found = change_subscription(subscription=trialing(host), pricing=host.premium)
    found = change_subscription(subscription=found, pricing=host.basic)
    cancel_subscription(subscription=found, at_period_end=False)
    assert not subscribe(owner=host.user, plan=host.premium.plan).on_trial


@pytest.mark.usefixtures("one_per_plan")
def test_change__what_a_trial_was_given_up_for_was_not_tried(host: SubscriptionHost) -> None:
    found = change_subscription(subscription=trialing(host), pricing=host.premium)
    assert found.status == "active"
    cancel_subscription(subscription=found, at_period_end=False)
    trial_of(host.premium, 30)
    assert subscribe(owner=host.user, plan=host.premium.plan).on_trial
    assert not subscribe(owner=host.user, plan=host.basic.plan).on_trial


def test_moved__needs_a_time_zone(host: SubscriptionHost) -> None:
    with pytest.raises(InvalidInput) as refused:
        change_trial(subscription=trialing(host), ends=timezone.make_naive(timezone.now() + timedelta(days=60)))
    assert refused.value.field == "trial_end"


@pytest.fixture
def day_pass(host: SubscriptionHost) -> PlanPricing:
    """Return the price of a plan that ends after one paid period."""
    return host.sell("day-pass", Decimal("3.00"), interval="day", auto_renew=False)


@pytest.mark.parametrize("mode", ["direct", "checkout"])
def test_plan_that_does_not_renew__is_charged_once_after_it(
    host: SubscriptionHost, day_pass: PlanPricing, mode: str
) -> None:
    ensure_customer(owner=host.user)
    host.fake.customer_changes_card(host.customer.provider_id or "", "pm_card_visa")
    pages = {"success_url": "https://shop.example.com/", "cancel_url": "https://shop.example.com/"}
    subscribe(owner=host.user, plan=day_pass.plan, trial_days=7, mode=mode, **pages)
    if mode == "checkout":
        host.fake.complete_checkout(host.fake.all("checkout.session")[0]["id"])
    host.deliver_new()
    found = Subscription.objects.get()
    assert (found.status, found.is_cancelled) == ("trialing", False)
    for _found in reconcile_subscriptions(older_than=timedelta(hours=1)):
        pass
    host.fake.advance(days=7, hours=2)
    # Then what follows from that.
    for _time in range(2):
        host.deliver_new()
    found.refresh_from_db()
    assert (found.status, found.on_grace_period) == ("active", True)
    host.fake.advance(days=2)
    host.deliver_new()
    found.refresh_from_db()
    assert (found.status, [charge["amount"] for charge in host.fake.all("charge")]) == ("canceled", [300])


def test_plan_that_does_not_renew__ended(host: SubscriptionHost, day_pass: PlanPricing) -> None:
    ensure_customer(owner=host.user)
    host.fake.customer_changes_card(host.customer.provider_id or "", "pm_card_visa")
    found = end_trial(subscription=subscribe(owner=host.user, plan=day_pass.plan, trial_days=7))
    host.deliver_new()
    found.refresh_from_db()
    assert (found.status, found.on_grace_period) == ("active", True)


def test_plan_that_does_not_renew__cancelled_is_not_charged(host: SubscriptionHost, day_pass: PlanPricing) -> None:
    ensure_customer(owner=host.user)
    host.fake.customer_changes_card(host.customer.provider_id or "", "pm_card_visa")
    cancel_subscription(subscription=subscribe(owner=host.user, plan=day_pass.plan, trial_days=7))
    host.fake.advance(days=8)
    host.deliver_new()
    assert (Subscription.objects.get().status, host.fake.all("charge")) == ("canceled", [])


def test_change__to_a_plan_that_does_not_renew(host: SubscriptionHost, day_pass: PlanPricing) -> None:
    """Its price in the catalogue says something else than the catalogue's rules let it."""
    trial_of(day_pass, 60)
    changed = change_subscription(subscription=trialing(host), pricing=day_pass)
    assert (changed.status, changed.on_grace_period) == ("active", True)
    assert host.fake.all("charge")[-1]["amount"] == 300


@pytest.mark.usefixtures("one_per_plan")
def test_once_per_owner(host: SubscriptionHost, settings: Any) -> None:
    trial_of(host.premium, 30)
    trialing(host)
    settings.STRIPE_GATEWAY_TRIALS_ONCE_PER = "owner"
    assert not subscribe(owner=host.user, plan=host.premium.plan).on_trial


def test_without_a_card(host: SubscriptionHost) -> None:
    trial_of(host.basic, 7)
    found = subscribe(owner=host.user, plan=host.basic.plan, trial_end_behavior="cancel")
    assert found.trial_end_behavior == "cancel"
    host.fake.advance(days=8)
    host.deliver_new()
    found.refresh_from_db()
    assert found.status == "canceled"


def test_without_a_card__checkout(host: SubscriptionHost, settings: Any) -> None:
    trial_of(host.basic, 7)
    settings.STRIPE_GATEWAY_TRIAL_END_BEHAVIOR = "pause"
    host.subscribe(mode="checkout")
    (page,) = host.fake.all("checkout.session")
    assert page["payment_method_collection"] == "if_required"
