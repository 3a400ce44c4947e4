"""What is charged beside a plan gives no plan, and what is changed at once is not overwritten by what was scheduled."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from django_stripe_gateway import usage
from django_stripe_gateway.exceptions import InvalidInput, UsageLimitExceeded
from django_stripe_gateway.models import PlanPricing, SubscriptionItem
from django_stripe_gateway.services.subscriptions.items import find_plans
from django_stripe_gateway.subscriptions import (
    add_item,
    change_collection,
    change_subscription,
    change_trial,
    ensure_customer,
    subscribe,
)
from tests.billing_factories import make_item
from tests.test_billing.host import SubscriptionHost

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def by_use(host: SubscriptionHost) -> PlanPricing:
    """Return a price by use of the dearer plan, which customers add by themselves."""
    price = host.sell_metered("premium", Decimal("0.01"), product_id=host.premium.stripe_product_id)
    PlanPricing.objects.filter(pk=price.pk).update(may_be_added=True)
    price.refresh_from_db()
    return price


def test_price_by_use__sells_no_plan(host: SubscriptionHost, by_use: PlanPricing) -> None:
    answer = host.post("subscribe", {"plan_id": by_use.plan_id, "pricing_id": by_use.pk})
    assert (answer.status_code, answer.json()["code"]) == (400, "not_for_sale")
    with pytest.raises(InvalidInput):
        subscribe(owner=host.user, plan=by_use.plan, pricing=by_use)
    mine = host.subscribed(host.basic)
    answer = host.post("change", {"subscription_id": mine.provider_id, "pricing_id": by_use.pk})
    assert (answer.status_code, answer.json()["code"]) == (400, "not_for_sale")
    with pytest.raises(InvalidInput):
        change_subscription(subscription=mine, pricing=by_use, at_period_end=True)


def test_price_by_use__of_another_plan(host: SubscriptionHost, by_use: PlanPricing) -> None:
    host.premium.plan.limits.create(metric="minutes", limit=None)
    host.basic.plan.limits.create(metric="minutes", limit=5)
    mine = host.subscribed(host.basic)
    answer = host.post("items", {"subscription_id": mine.provider_id, "pricing_id": by_use.pk})
    assert (answer.status_code, answer.json()["code"]) == (400, "not_an_add_on")
    with pytest.raises(InvalidInput):
        add_item(subscription=mine, pricing=by_use)
    # However it came there.
    make_item(mine, by_use.plan, pricing=by_use, kind="metered", is_metered=True)
    with pytest.raises(UsageLimitExceeded):
        usage.consume(host.user, "minutes", 6)


@pytest.mark.parametrize("act", ["trial", "collection"])
def test_scheduled__does_not_overwrite(either_host: SubscriptionHost, act: str) -> None:
    host = either_host
    if act == "trial":
        PlanPricing.objects.filter(pk=host.premium.pk).update(trial_days=14)
        ensure_customer(owner=host.user)
        host.fake.customer_changes_card(host.customer.provider_id, "pm_card_visa")
    mine = host.subscribed(host.premium)
    mine = change_subscription(subscription=mine, pricing=host.basic, at_period_end=True)
    assert mine.schedule_id
    if act == "trial":
        changed = change_trial(subscription=mine, ends=timezone.now() + timedelta(days=40))
    else:
        changed = change_collection(subscription=mine, collection_method="send_invoice", days_until_due=30)
    assert (changed.schedule_id, changed.scheduled_change_at) == ("", None)
    assert host.fake.get(mine.provider_id)["schedule"] is None


@pytest.mark.parametrize("body", [[{}], 5, [["a"]], "x"])
def test_cancel__body_that_is_none(host: SubscriptionHost, body: Any) -> None:
    assert host.client.post("/api/v1/subscriptions/cancel/", body, format="json").status_code == 400


def test_unknown_item_without_a_product(host: SubscriptionHost) -> None:
    PlanPricing.objects.filter(pk=host.basic.pk).update(stripe_product_id="")
    item = SubscriptionItem(price_id="price_of_nobody", product_id="")
    find_plans("stripe", [item])
    assert (item.plan, item.pricing) == (None, None)
