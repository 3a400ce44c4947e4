"""What a change costs where nobody says how it is charged: what costs more at once, what costs less later."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from django_stripe_gateway.models import Invoice, Subscription, SubscriptionItem
from tests.test_billing.host import SubscriptionHost

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _default(settings: Any) -> None:
    settings.STRIPE_GATEWAY_PRORATION_BEHAVIOR = "invoice_increases"
    settings.STRIPE_GATEWAY_CUSTOMER_ACTIONS = ["default"]


def sent(host: SubscriptionHost, subscription: Subscription) -> list[str]:
    """Return how each change was charged."""
    path = f"/v1/subscriptions/{subscription.provider_id}"
    asked = [one for one in host.fake.requests if (one.method, one.path) == ("POST", path)]
    return [one.params["proration_behavior"] for one in asked if "items" in one.params]


@pytest.mark.parametrize(
    ("before", "body", "expected"),
    [
        (1, {"plan": "premium"}, "always_invoice"),
        (1, {"quantity": 500}, "always_invoice"),
        (5, {"quantity": 2}, "create_prorations"),
        (9, {"plan": "premium", "quantity": 1}, "create_prorations"),
        (2, {"plan": "premium", "quantity": 2}, "always_invoice"),
        # 480 a year are less than 50 a month.
        (1, {"plan": "yearly"}, "always_invoice"),
    ],
)
def test_change(host: SubscriptionHost, before: int, body: dict[str, Any], expected: str) -> None:
    yearly = host.sell("yearly", Decimal("480.00"), interval="year")
    for pricing in (host.basic, host.premium, yearly):
        pricing.is_per_seat = True
        pricing.save()
    prices = {"premium": host.premium.pk, "yearly": yearly.pk}
    subscription = host.subscribed(quantity=before)
    asked: dict[str, Any] = {"subscription_id": subscription.provider_id, **body}
    asked |= {"pricing_id": prices[asked.pop("plan")]} if "plan" in asked else {}
    answer = host.post("change", asked)
    assert answer.status_code == 200, answer.content
    assert sent(host, subscription) == [expected]


def test_change__is_had_once_it_is_paid(host: SubscriptionHost) -> None:
    """Nobody has the dear plan on a card that is declined."""
    subscription = host.subscribed()
    host.change_card(subscription, "pm_card_chargeCustomerFail")
    answer = host.post("change", {"subscription_id": subscription.provider_id, "plan_id": host.premium.plan_id})
    assert (answer.status_code, answer.json()["has_pending_update"]) == (200, True)
    host.deliver_new()
    subscription.refresh_from_db()
    assert subscription.plan == host.basic.plan
    assert sum(Invoice.objects.values_list("amount_paid", flat=True)) == Decimal("20.00")


def test_down_and_away__is_no_credit(host: SubscriptionHost) -> None:
    subscription = host.subscribed(host.premium)
    body = {"subscription_id": subscription.provider_id}
    assert host.post("change", body | {"plan_id": host.basic.plan_id}).status_code == 200
    assert host.post("cancel", body | {"at_period_end": False}).status_code == 200
    assert host.fake.get(host.customer.provider_id)["balance"] == 0


def test_items(host: SubscriptionHost) -> None:
    support = host.sell("support", Decimal("7.00"), is_add_on=True)
    support.may_be_added = support.is_per_seat = True
    support.save()
    subscription = host.subscribed()
    add = {"subscription_id": subscription.provider_id, "pricing_id": support.pk, "quantity": 2}
    assert host.post("items", add).status_code == 201
    host.deliver_new()
    item = SubscriptionItem.objects.get(pricing=support)
    assert [host.post(f"items/{item.provider_id}", {"quantity": n}).status_code for n in (3, 1)] == [200, 200]
    assert host.delete(f"items/{item.provider_id}").status_code == 200
    assert sent(host, subscription) == ["always_invoice", "always_invoice", "create_prorations", "create_prorations"]


def test_not_a_word_of_requests(host: SubscriptionHost, settings: Any) -> None:
    settings.STRIPE_GATEWAY_CUSTOMER_ACTIONS = ["*"]
    subscription = host.subscribed()
    body = {"subscription_id": subscription.provider_id, "quantity": 2, "proration": "invoice_increases"}
    assert host.post("change", body).status_code == 400
