"""Prices that can be had in several currencies: a subscription's own currency is the one that it is charged in."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from django_stripe_gateway.gateways.registry import get_billing_gateway
from django_stripe_gateway.models import PlanPricing, Subscription
from django_stripe_gateway.services.subscriptions.add_items import add_item
from django_stripe_gateway.services.subscriptions.customers import ensure_customer
from tests.test_billing.host import SubscriptionHost
from tests.test_billing.rows import only_one

pytestmark = pytest.mark.django_db(transaction=True)


def also_in_euros(pricing: PlanPricing, cents: int) -> PlanPricing:
    """Let a price, which is in dollars, be had in euros too."""
    v1: Any = get_billing_gateway("stripe").v1  # type: ignore[attr-defined]
    recurring = {"interval": pricing.interval}
    params = {"product": pricing.stripe_product_id, "currency": "usd", "unit_amount": int(pricing.amount * 100)}
    options = {"eur": {"unit_amount": cents}}
    pricing.stripe_price_id = v1.prices.create({**params, "recurring": recurring, "currency_options": options})["id"]
    pricing.save()
    return pricing


@pytest.fixture
def in_euros(either_host: SubscriptionHost) -> Subscription:
    """Return a subscription that the seller has made in the Dashboard, in euros at a price in dollars."""
    host = either_host
    also_in_euros(host.basic, 1800)
    customer = ensure_customer(owner=host.user)
    host.fake.customer_changes_card(customer.provider_id, "pm_card_visa")
    v1: Any = get_billing_gateway("stripe").v1  # type: ignore[attr-defined]
    items = [{"price": host.basic.stripe_price_id}]
    v1.subscriptions.create({"customer": customer.provider_id, "currency": "eur", "items": items})
    host.deliver_new()
    return only_one()


def test_shown_as_it_is_charged(either_host: SubscriptionHost, in_euros: Subscription) -> None:
    """The catalogue's price is in dollars, and what it is in euros nobody has told: no amount is made up."""
    shown = either_host.get("status").json()["results"][0]
    assert (shown["currency"], shown["pricing"]["pricing_id"]) == ("EUR", either_host.basic.pk)
    item = in_euros.items.get()
    assert (item.currency, item.amount, item.is_in_other_currency) == ("EUR", None, True)
    # It ranks as what it costs in the catalogue, and not as if it were free.
    assert item.daily_amount == Decimal("20.00") / 30
    invoice = in_euros.invoices.get()
    assert (invoice.currency, invoice.total) == ("EUR", Decimal("18.00"))


def test_shown_as_it_is_charged__with_many_items(either_host: SubscriptionHost) -> None:
    """Stripe shows ten of them, and lists the others without saying in which currency they are charged."""
    host = either_host
    prices = [also_in_euros(host.basic, 1800)]
    prices += [also_in_euros(host.sell(f"extra{n}", Decimal("1.00"), is_add_on=True), 90) for n in range(11)]
    host.fake.customer_changes_card(ensure_customer(owner=host.user).provider_id, "pm_card_visa")
    v1: Any = get_billing_gateway("stripe").v1  # type: ignore[attr-defined]
    items = [{"price": price.stripe_price_id} for price in prices]
    v1.subscriptions.create({"customer": host.customer.provider_id, "currency": "eur", "items": items})
    host.deliver_new()
    assert host.get("status").json()["results"][0]["currency"] == "EUR"
    mine = only_one()
    shown = {(item.currency, item.amount, item.current_period_end) for item in mine.items.all()}
    assert (mine.items.count(), shown) == (12, {("EUR", None, mine.current_period_end)})


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("at_period_end", [True, False])
def test_change__to_a_price_in_its_currency(
    either_host: SubscriptionHost, in_euros: Subscription, named: bool, at_period_end: bool
) -> None:
    host = either_host
    euro = host.sell("premium", Decimal("45.00"), currency="EUR")
    wish = {"pricing_id": euro.pk} if named else {"plan_id": euro.plan_id}
    body = {"subscription_id": in_euros.provider_id, "at_period_end": at_period_end, **wish}
    answer = host.post("change", {**body, "preview": True})
    assert (answer.status_code, answer.json()["currency"]) == (200, "EUR")
    assert host.post("change", body).status_code == 200
    if at_period_end:
        host.fake.advance(days=32)
    host.deliver_new()
    assert (only_one().pricing, only_one().currency) == (euro, "EUR")
    assert not only_one().items.get().is_in_other_currency


def test_change__to_another_price_in_both(either_host: SubscriptionHost, in_euros: Subscription) -> None:
    """Which prices can be had in euros too, the catalogue does not know: Stripe does."""
    host = either_host
    body = {"subscription_id": in_euros.provider_id, "plan_id": host.premium.plan_id}
    refused = host.post("change", body)
    assert (refused.status_code, refused.json()["code"], refused.json()["field"]) == (
        400,
        "other_currency",
        "pricing_id",
    )
    also_in_euros(host.premium, 4500)
    assert host.post("change", body).status_code == 200
    assert (only_one().pricing, only_one().currency) == (host.premium, "EUR")
    support = also_in_euros(host.sell("support", Decimal("15.00"), is_add_on=True), 1400)
    assert add_item(subscription=only_one(), pricing=support).currency == "EUR"


def test_change__never_a_third_currency(either_host: SubscriptionHost, in_euros: Subscription) -> None:
    pound = either_host.sell("premium", Decimal("40.00"), currency="GBP")
    answer = either_host.post("change", {"subscription_id": in_euros.provider_id, "pricing_id": pound.pk})
    assert (answer.status_code, answer.json()["code"]) == (400, "other_currency")
    assert "keeps its currency, EUR" in answer.json()["detail"]
