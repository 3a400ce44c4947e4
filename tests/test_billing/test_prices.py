"""Which price is sold: the one that is named, or the one that nothing leaves in doubt."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from django_stripe_gateway.adapter import Adapter
from django_stripe_gateway.exceptions import GatewayConfigurationError, InvalidInput
from django_stripe_gateway.models import Plan, PlanPricing, Subscription
from django_stripe_gateway.services.subscriptions.cancel import cancel_subscription, resume_subscription
from django_stripe_gateway.services.subscriptions.change import change_subscription
from django_stripe_gateway.services.subscriptions.prices import choose_pricing
from django_stripe_gateway.services.subscriptions.subscribe import subscribe
from tests.billing_factories import make_customer, make_plan, make_pricing, make_subscription
from tests.test_billing.host import SubscriptionHost

pytestmark = pytest.mark.django_db(transaction=True)


class Currencies(Adapter):
    """An adapter that sells in the currency that a test says."""

    answer: Any = "eur"

    def default_currency(self, owner: Any) -> Any:
        return self.answer


@pytest.fixture
def plan() -> Plan:
    """Return a plan with four prices: by month and by year, in dollars and in euros."""
    plan = make_plan("pro")
    for currency, monthly in (("EUR", 28), ("USD", 30)):
        make_pricing(plan, amount=Decimal(monthly), currency=currency)
        make_pricing(plan, amount=Decimal(monthly * 10), currency=currency, interval="year")
    return plan


def price(plan: Plan, currency: str, interval: str) -> PlanPricing:
    return plan.pricing.get(currency=currency, interval=interval)


def refusal(act: Any) -> InvalidInput:
    with pytest.raises(InvalidInput) as caught:
        act()
    return caught.value


def test_one_price__needs_nothing() -> None:
    pricing = make_pricing(is_default=False)
    make_pricing(pricing.plan, is_active=False, amount=Decimal(1))
    make_pricing(pricing.plan, is_public=False, amount=Decimal(1))
    make_pricing(pricing.plan, variant="eu", amount=Decimal(1))
    make_pricing(pricing.plan, usage_type="metered", metric="calls", amount=Decimal(1))
    assert choose_pricing(pricing.plan) == pricing


def test_several__are_named_and_not_guessed(plan: Plan) -> None:
    error = refusal(lambda: choose_pricing(plan))
    assert (error.code, error.field) == ("ambiguous_pricing", "pricing_id")
    for pricing in plan.pricing.all():
        assert f"{pricing} (pricing_id {pricing.pk})" in error.detail
    assert "30.00 USD / month" in error.detail


def test_several__default_of_the_currency(plan: Plan) -> None:
    default = price(plan, "USD", "year")
    PlanPricing.objects.filter(pk=default.pk).update(is_default=True)
    assert choose_pricing(plan) == default
    assert choose_pricing(plan, currency="usd") == default
    left = refusal(lambda: choose_pricing(plan, currency="EUR"))
    assert (left.code, "USD" in left.detail) == ("ambiguous_pricing", False)
    PlanPricing.objects.filter(pk=price(plan, "EUR", "month").pk).update(is_default=True)
    assert refusal(lambda: choose_pricing(plan)).code == "ambiguous_pricing"
    assert choose_pricing(plan, currency="EUR") == price(plan, "EUR", "month")


def test_currency__not_sold_in(plan: Plan) -> None:
    error = refusal(lambda: choose_pricing(plan, currency="CHF"))
    assert (error.code, error.field) == ("other_currency", "currency")
    assert "28.00 EUR / month" in error.detail


def test_several__as_what_runs_already(plan: Plan, user: Any) -> None:
    other = make_pricing(currency="USD", interval="year")
    make_subscription(make_customer(user), pricing=other)
    PlanPricing.objects.filter(pk=price(plan, "EUR", "month").pk).update(is_default=True)
    assert choose_pricing(plan, owner=user) == price(plan, "USD", "year")
    Subscription.objects.update(status="canceled")
    assert choose_pricing(plan, owner=user) == price(plan, "EUR", "month")


def test_several__another_interval_is_not_guessed(plan: Plan, user: Any) -> None:
    """Neither because it is the only one in the currency of what runs."""
    make_subscription(make_customer(user), pricing=make_pricing(currency="CHF"))
    price(plan, "USD", "year").delete()
    yearly = make_pricing(plan, currency="CHF", interval="year", amount=Decimal("200.00"))
    error = refusal(lambda: choose_pricing(plan, owner=user))
    assert (error.code, str(yearly.pk) in error.detail) == ("ambiguous_pricing", True)
    yearly.is_default = True
    yearly.save()
    assert choose_pricing(plan, owner=user) == yearly


@pytest.mark.parametrize("status", ["starting", "incomplete"])
def test_several__what_was_never_paid_says_nothing(plan: Plan, user: Any, status: str) -> None:
    make_subscription(make_customer(user), pricing=make_pricing(currency="EUR"), status=status)
    assert refusal(lambda: choose_pricing(plan, owner=user)).code == "ambiguous_pricing"


def test_several__currency_of_the_adapter(plan: Plan, user: Any, settings: Any, monkeypatch: Any) -> None:
    settings.STRIPE_GATEWAY_ADAPTER = f"{__name__}.Currencies"
    PlanPricing.objects.filter(interval="month").update(is_default=True)
    assert choose_pricing(plan, owner=user) == price(plan, "EUR", "month")
    assert choose_pricing(plan, owner=user, currency="USD") == price(plan, "USD", "month")
    monkeypatch.setattr(Currencies, "answer", None)
    assert refusal(lambda: choose_pricing(plan, owner=user)).code == "ambiguous_pricing"
    monkeypatch.setattr(Currencies, "answer", 978)
    with pytest.raises(GatewayConfigurationError, match="default_currency"):
        choose_pricing(plan, owner=user)


@pytest.mark.parametrize("fields", [{"is_active": False}, {"is_add_on": True}])
def test_plan__not_for_sale(fields: dict[str, Any]) -> None:
    pricing = make_pricing(make_plan(**fields))
    assert refusal(lambda: choose_pricing(pricing.plan)).code == "not_for_sale"


def test_subscribe__named(host: SubscriptionHost) -> None:
    yearly = host.sell("basic", Decimal("200.00"), interval="year", lookup_key="basic_yearly")
    ambiguous = host.post("subscribe", {"plan_id": host.basic.plan_id})
    assert (ambiguous.status_code, ambiguous.json()["code"]) == (400, "ambiguous_pricing")
    assert host.fake.all("subscription") == []
    made = host.subscribe(yearly, pricing_id=yearly.pk)
    assert made["pricing"]["interval"] == "year"
    host.post("cancel", {"subscription_id": made["subscription_id"], "at_period_end": False})
    answer = host.post("subscribe", {"lookup_key": "basic_yearly"})
    assert (answer.status_code, answer.json()["pricing"]["pricing_id"]) == (201, yearly.pk)
    unknown = host.post("subscribe", {"plan_id": host.premium.plan_id, "lookup_key": "basic_yearly"})
    assert (unknown.status_code, unknown.json()["field"]) == (400, "lookup_key")


def test_subscribe__what_is_not_for_everybody(host: SubscriptionHost) -> None:
    negotiated = host.sell("basic", Decimal("9.00"), is_public=False, lookup_key="acme")
    for body in ({"pricing_id": negotiated.pk}, {"lookup_key": "acme"}):
        refused = host.post("subscribe", {"plan_id": host.basic.plan_id, **body})
        assert (refused.status_code, refused.json()["code"]) == (400, "unknown_pricing")
    add_on = host.sell("support", Decimal("15.00"), is_add_on=True)
    assert host.post("subscribe", {"plan_id": add_on.plan_id}).json()["code"] == "unknown_plan"
    assert host.post("subscribe", {"pricing_id": add_on.pk}).json()["code"] == "not_for_sale"
    assert negotiated.pk not in [one["pricing_id"] for one in listed(host)["basic"]["pricing"]]
    assert "support" not in listed(host)
    # The host may.
    made = subscribe(owner=host.user, plan=host.basic.plan, lookup_key="acme")
    assert made.pricing == negotiated


def listed(host: SubscriptionHost) -> dict[str, Any]:
    """Return the public list of plans by their keys."""
    return {plan["slug"]: plan for plan in host.get("plans").json()["results"]}


@pytest.mark.parametrize("named", ["pricing_id", "lookup_key"])
def test_subscribe__named_in_another_currency(host: SubscriptionHost, named: str) -> None:
    euro = host.sell("basic", Decimal("18.00"), currency="EUR", lookup_key="basic_eur")
    body = {"plan_id": host.basic.plan_id, named: euro.pk if named == "pricing_id" else euro.lookup_key}
    refused = host.post("subscribe", body | {"currency": "USD"})
    assert (refused.status_code, refused.json()["code"], refused.json()["field"]) == (400, "other_currency", "currency")
    assert host.post("subscribe", body | {"currency": "EUR"}).status_code == 201


def test_change__own_negotiated_price_by_its_lookup_key(host: SubscriptionHost) -> None:
    own = host.sell("basic", Decimal("9.00"), is_public=False, lookup_key="acme", is_per_seat=True)
    other = host.sell("premium", Decimal("19.00"), is_public=False, lookup_key="other")
    made = subscribe(owner=host.user, plan=host.basic.plan, lookup_key="acme", quantity=2)
    host.fake.customer_pays(made.provider_id)
    host.deliver_new()
    body = {"subscription_id": made.provider_id}
    for quantity, named in enumerate(({"lookup_key": "acme"}, {"lookup_key": "acme", "pricing_id": own.pk}), start=3):
        changed = host.post("change", body | named | {"quantity": quantity})
        assert (changed.status_code, changed.json()["quantity"]) == (200, quantity)
    for named in (
        {"lookup_key": "other"},
        {"lookup_key": "acme", "pricing_id": other.pk},
        {"lookup_key": "acme", "plan_id": host.premium.plan_id},
    ):
        assert host.post("change", body | named).json()["code"] == "unknown_pricing"


def test_change__keeps_currency_and_interval(host: SubscriptionHost) -> None:
    """What is cheapest as a number is in another currency, or by another interval."""
    subscription = host.subscribed()
    host.sell("premium", Decimal("28.00"), currency="EUR", is_default=True)
    host.sell("premium", Decimal("5.00"), interval="day")
    changed = host.post("change", {"subscription_id": subscription.provider_id, "plan_id": host.premium.plan_id})
    assert changed.json()["pricing"]["pricing_id"] == host.premium.pk


def test_change__another_interval_is_named_or_the_default(host: SubscriptionHost) -> None:
    subscription = host.subscribed()
    body = {"subscription_id": subscription.provider_id, "plan_id": host.premium.plan_id}
    host.premium.interval = "year"
    host.premium.save()
    euro = host.sell("premium", Decimal("45.00"), currency="EUR")
    refused = host.post("change", body).json()
    assert (refused["code"], refused["field"]) == ("ambiguous_pricing", "pricing_id")
    assert f"(pricing_id {host.premium.pk})" in refused["detail"]
    assert f"(pricing_id {euro.pk})" not in refused["detail"]
    PlanPricing.objects.filter(pk=host.premium.pk).update(is_default=True)
    preview = host.post("change", body | {"preview": True})
    assert preview.status_code == 200, preview.content


def test_change__never_another_currency(host: SubscriptionHost) -> None:
    subscription = host.subscribed()
    PlanPricing.objects.filter(pk=host.premium.pk).update(is_active=False)
    euro = host.sell("premium", Decimal("45.00"), currency="EUR", is_default=True)
    body = {"subscription_id": subscription.provider_id}
    for named in ({"plan_id": euro.plan_id}, {"pricing_id": euro.pk}):
        refused = host.post("change", body | named)
        assert (refused.status_code, refused.json()["code"]) == (400, "other_currency")
        assert "45.00 EUR / month" in refused.json()["detail"]
    assert Subscription.objects.get().pricing == host.basic


@pytest.mark.parametrize("named", [{}, {"plan": True}, {"pricing": True}])
def test_seats__keep_the_price(either_host: SubscriptionHost, named: dict[str, bool]) -> None:
    """An archived yearly price of three seats, beside a monthly one that is cheaper."""
    host = either_host
    legacy = host.sell("basic", Decimal("300.00"), interval="year", is_per_seat=True)
    subscription = host.subscribed(legacy, pricing_id=legacy.pk, quantity=3)
    PlanPricing.objects.filter(pk=legacy.pk).update(is_active=False)
    PlanPricing.objects.filter(pk=host.basic.pk).update(is_per_seat=True, is_default=True)
    body = {"subscription_id": subscription.provider_id, "quantity": 5}
    body |= {"plan_id": legacy.plan_id} if "plan" in named else {}
    body |= {"pricing_id": legacy.pk} if "pricing" in named else {}
    changed = host.post("change", body).json()
    assert (changed["quantity"], changed["pricing"]["pricing_id"]) == (5, legacy.pk)
    item = host.fake.get(subscription.provider_id)["items"]["data"][0]
    assert (item["quantity"], item["price"]["id"]) == (5, legacy.stripe_price_id)


def test_seats__at_a_negotiated_price(either_host: SubscriptionHost) -> None:
    host = either_host
    subscription = host.subscribed()
    negotiated = host.made_at_stripe(host.basic.stripe_product_id, Decimal("18.00"))
    subscription = host.put_on(subscription, negotiated)
    assert (subscription.plan, subscription.pricing) == (host.basic.plan, None)
    body = {"subscription_id": subscription.provider_id, "quantity": 2}
    refused = host.post("change", body)
    assert (refused.status_code, refused.json()["field"]) == (400, "quantity")
    PlanPricing.objects.filter(pk=host.basic.pk).update(is_per_seat=True)
    assert host.post("change", body).json()["quantity"] == 2
    PlanPricing.objects.filter(pk=host.basic.pk).update(is_per_seat=False)
    assert host.post("change", body | {"quantity": 3}).json()["quantity"] == 3
    assert host.fake.get(subscription.provider_id)["items"]["data"][0]["price"]["id"] == negotiated


def test_plan_and_seats(host: SubscriptionHost) -> None:
    subscription = host.subscribed()
    body = {"subscription_id": subscription.provider_id, "plan_id": host.premium.plan_id, "quantity": 4}
    refused = host.post("change", body)
    assert (refused.status_code, refused.json()["field"]) == (400, "quantity")
    PlanPricing.objects.filter(pk=host.premium.pk).update(is_per_seat=True)
    changed = host.post("change", body).json()
    assert (changed["plan"]["slug"], changed["quantity"]) == ("premium", 4)


def test_negotiated__is_not_sold_again(host: SubscriptionHost) -> None:
    subscription = host.subscribed()
    host.put_on(subscription, host.made_at_stripe(host.basic.stripe_product_id, Decimal("18.00")))
    refused = host.post("subscribe", {"plan_id": host.basic.plan_id})
    assert (refused.status_code, refused.json()["code"]) == (409, "already_subscribed")
    assert len(host.fake.all("subscription")) == 1


def test_second_plan_of_a_subscription__is_not_sold_again(host: SubscriptionHost) -> None:
    subscription = host.subscribed()
    add = {"items": [{"price": host.premium.stripe_price_id}]}
    host.fake.change_subscription(subscription.provider_id, add)
    host.deliver_new()
    for plan_id in (host.basic.plan_id, host.premium.plan_id):
        assert host.post("subscribe", {"plan_id": plan_id}).json()["code"] == "already_subscribed"


def test_second_plan_of_a_subscription__is_not_changed_to(either_host: SubscriptionHost, settings: Any) -> None:
    host, settings.STRIPE_GATEWAY_SUBSCRIPTIONS_PER_OWNER = either_host, "several"
    subscription, other = host.subscribed(), host.sell("basic", Decimal("22.00"))
    host.fake.change_subscription(subscription.provider_id, {"items": [{"price": host.premium.stripe_price_id}]})
    host.deliver_new()
    body = {"subscription_id": subscription.provider_id, "pricing_id": other.pk}
    for at_period_end in (False, True):
        refused = host.post("change", body | {"at_period_end": at_period_end})
        assert (refused.status_code, refused.json()["code"]) == (409, "already_subscribed")
    # The plan itself has its other prices.
    dearer = host.sell("premium", Decimal("60.00"))
    assert host.post("change", body | {"pricing_id": dearer.pk}).status_code == 200


@pytest.mark.usefixtures("one_per_plan")
def test_scheduled_plan__is_not_sold_again(either_host: SubscriptionHost) -> None:
    host = either_host
    first, second = host.subscribed(), host.subscribed(host.sell("third", Decimal("10.00")))
    planned = {"subscription_id": first.provider_id, "plan_id": host.premium.plan_id, "at_period_end": True}
    assert host.post("change", planned).status_code == 200
    body = {"subscription_id": second.provider_id, "plan_id": host.premium.plan_id}
    for refused in (
        host.post("subscribe", {"plan_id": host.premium.plan_id}),
        host.post("change", body),
        host.post("change", body | {"at_period_end": True}),
    ):
        assert (refused.status_code, refused.json()["code"]) == (409, "already_subscribed")
    assert len(host.fake.all("subscription")) == 2
    # The subscription that has it planned may have it now.
    assert host.post("change", planned | {"at_period_end": False}).status_code == 200


@pytest.mark.usefixtures("one_per_plan")
def test_plan_that_waits_for_its_payment__is_not_sold_again(either_host: SubscriptionHost) -> None:
    host = either_host
    first, second = host.subscribed(), host.subscribed(host.sell("third", Decimal("10.00")))
    host.change_card(first, "pm_card_authenticationRequired")
    asked = {"subscription_id": first.provider_id, "plan_id": host.premium.plan_id, "proration": "always_invoice"}
    assert host.post("change", asked).json()["has_pending_update"]
    body = {"subscription_id": second.provider_id, "plan_id": host.premium.plan_id}
    for _told in ("by the answer", "by events"):
        for refused in (
            host.post("subscribe", {"plan_id": host.premium.plan_id}),
            host.post("change", body),
            host.post("change", body | {"at_period_end": True}),
        ):
            assert (refused.status_code, refused.json()["code"]) == (409, "already_subscribed")
        host.deliver_new()
    # It is given up.
    host.fake.advance(hours=24)
    host.deliver_new()
    assert host.post("change", body).status_code == 200


def test_unknown_price__cancel_resume_and_change(either_host: SubscriptionHost) -> None:
    host = either_host
    product = host.fake.get(host.sell("other", Decimal("1.00")).stripe_product_id)["id"]
    Plan.objects.filter(slug="other").get().pricing.all().delete()
    subscription = host.put_on(host.subscribed(), host.made_at_stripe(product, Decimal("33.00")))
    assert (subscription.plan, subscription.pricing) == (None, None)
    assert cancel_subscription(subscription=subscription).on_grace_period
    assert not resume_subscription(subscription=subscription).is_cancelled
    subscription = Subscription.objects.select_related("customer").get()
    changed = change_subscription(subscription=subscription, plan=host.premium.plan)
    assert (changed.plan, changed.pricing) == (host.premium.plan, host.premium)
    euro = host.sell("basic", Decimal("2.00"), currency="EUR")
    refused = host.post("change", {"subscription_id": subscription.provider_id, "pricing_id": euro.pk})
    assert refused.json()["code"] == "other_currency"


def test_change__to_what_was_archived(host: SubscriptionHost) -> None:
    subscription = host.subscribed()
    PlanPricing.objects.filter(pk=host.premium.pk).update(is_active=False)
    body = {"subscription_id": subscription.provider_id}
    assert host.post("change", body | {"plan_id": host.premium.plan_id}).json()["code"] == "not_for_sale"
    assert host.post("change", body | {"pricing_id": host.premium.pk}).json()["code"] == "unknown_pricing"
    assert (
        refusal(
            lambda: change_subscription(
                subscription=Subscription.objects.select_related("customer").get(),
                pricing=PlanPricing.objects.get(pk=host.premium.pk),
            )
        ).code
        == "not_for_sale"
    )
