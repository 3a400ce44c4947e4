"""Short ways to sell, to deliver what Stripe says, and to look at what that did."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from django.contrib.auth.models import Permission
from rest_framework.test import APIClient

from django_stripe_gateway.gateways.catalogue_values import PriceRequest, ProductRequest
from django_stripe_gateway.gateways.registry import get_billing_gateway
from django_stripe_gateway.models import Customer, Plan, PlanPricing, Subscription, SubscriptionItem
from django_stripe_gateway.webhooks.registry import handled_types
from tests.billing_factories import make_plan
from tests.fake_stripe import FakeStripe
from tests.test_webhooks.support import deliver_all

ROOT = "/api/v1/subscriptions/"
PLAN_FIELDS = ("auto_renew", "is_add_on")


class SubscriptionHost:
    """A site whose plans are known to the fake Stripe, and one of its customers."""

    # What a test sells beside a plan, and has put there.
    support: PlanPricing
    add_on: SubscriptionItem

    def __init__(self, fake: FakeStripe, user: Any, client: APIClient) -> None:
        self.fake, self.user, self.client = fake, user, client
        self.seen: set[str] = set()
        # What both sides know need not be heard of.
        self.known: set[str] = set()
        self.basic = self.sell("basic", Decimal("20.00"))
        self.premium = self.sell("premium", Decimal("50.00"))

    def sell(self, slug: str, amount: Decimal, **fields: Any) -> PlanPricing:
        """Return a price of a plan that both sides know; all prices of a plan are of one product."""
        plan_fields = {name: fields.pop(name) for name in PLAN_FIELDS if name in fields}
        plan = Plan.objects.filter(slug=slug).first() or make_plan(slug, **plan_fields)
        gateway = get_billing_gateway("stripe")
        product = gateway.create_product(ProductRequest(plan.name), idempotency_key=f"product-{slug}")
        values = {"currency": "USD", "interval": "month"} | fields
        request = PriceRequest(
            product.product_id, amount, values["currency"], values["interval"], values.get("interval_count", 1)
        )
        named = f"price-{slug}-{amount}-{values['interval']}-{values['currency']}"
        price = gateway.create_price(request, idempotency_key=named)
        self.known |= {product.product_id, price.price_id}
        return PlanPricing.objects.create(
            plan=plan, amount=amount, stripe_price_id=price.price_id, stripe_product_id=product.product_id, **values
        )

    def sell_metered(self, slug: str, amount: Decimal, *, product_id: str) -> PlanPricing:
        """Return a price of a plan, multiplied by what a meter counts; customers add it themselves."""
        v1 = self.v1
        meter = {"display_name": slug, "event_name": slug, "default_aggregation": {"formula": "sum"}}
        recurring = {"interval": "month", "usage_type": "metered", "meter": v1.billing.meters.create(meter).id}
        base = {"product": product_id, "currency": "usd", "unit_amount": int(amount * 100), "recurring": recurring}
        plan, price = Plan.objects.get(slug=slug), v1.prices.create(base)
        fields = {"usage_type": "metered", "metric": "calls", "meter_id": recurring["meter"], "currency": "USD"}
        return PlanPricing.objects.create(
            plan=plan,
            amount=amount,
            may_be_added=True,
            stripe_price_id=price.id,
            stripe_product_id=product_id,
            **fields,
        )

    def delete(self, path: str, *, client: APIClient | None = None, **kw: Any) -> Any:
        """Delete with the API."""
        return (client or self.client).delete(f"{ROOT}{path}/", **kw)

    def made_at_stripe(
        self, product_id: str, amount: Decimal, *, currency: str = "USD", interval: str = "month"
    ) -> str:
        """Return a price that only Stripe knows, such as one that was negotiated."""
        request = PriceRequest(product_id, amount, currency, interval)
        price = get_billing_gateway("stripe").create_price(request, idempotency_key=f"{product_id}-{amount}-{currency}")
        return price.price_id

    def put_on(self, subscription: Subscription, price_id: str, **item: Any) -> Subscription:
        """Let the merchant put a subscription on another price in the Dashboard, and hear of it."""
        change = {"items": [{"id": subscription.item_id, "price": price_id, **item}]}
        self.fake.change_subscription(subscription.provider_id, change)
        self.deliver_new()
        return Subscription.objects.get(pk=subscription.pk)

    def post(self, path: str, body: dict[str, Any] | None = None, *, client: APIClient | None = None, **kw: Any) -> Any:
        """Post to the API."""
        return (client or self.client).post(f"{ROOT}{path}/", body or {}, format="json", **kw)

    def get(self, path: str, *, client: APIClient | None = None) -> Any:
        """Get from the API."""
        return (client or self.client).get(f"{ROOT}{path}/")

    def subscribe(self, pricing: PlanPricing | None = None, **body: Any) -> Any:
        """Subscribe and return the answer's body."""
        answer = self.post("subscribe", {"plan_id": (pricing or self.basic).plan_id, **body})
        assert answer.status_code == 201, answer.content
        return answer.json()

    def subscribed(self, pricing: PlanPricing | None = None, **body: Any) -> Subscription:
        """Subscribe, pay, deliver what Stripe says, and return the subscription."""
        made = self.subscribe(pricing, **body)
        if made["status"] == "incomplete":
            self.fake.customer_pays(made["subscription_id"], "pm_card_visa")
        self.deliver_new()
        return Subscription.objects.get(provider_id=made["subscription_id"])

    def let_change_terms(self) -> None:
        """Give the user the permission of who sets the terms."""
        self.user.user_permissions.add(Permission.objects.get(codename="change_terms"))
        # What a user may do is read once.
        self.client.force_authenticate(type(self.user).objects.get(pk=self.user.pk))

    def change_card(self, subscription: Subscription, method: str) -> None:
        """Let the customer pay with another card from now on."""
        self.fake.customer_changes_card(self.customer.provider_id, method)
        new = self.fake.get(self.customer.provider_id)["invoice_settings"]["default_payment_method"]
        self.fake.change_subscription(subscription.provider_id, {"default_payment_method": new})

    def deliver_new(self, *, order: Any = None) -> list[str]:
        """Deliver what Stripe has to say since the last time, and return the states of the events.

        As to an endpoint of ``register_webhook_endpoint``: of the types that somebody handles.
        """
        ours = handled_types()
        events = [event for event in self.new_events() if event["type"] in ours and not self.is_known(event)]
        return self.deliver(order(events) if order else events)

    def is_known(self, event: dict[str, Any]) -> bool:
        """Return whether an event says that something was made which this host has had made."""
        return event["type"].endswith(".created") and event["data"]["object"].get("id") in self.known

    def deliver(self, events: Iterable[dict[str, Any]]) -> list[str]:
        """Deliver events in their order."""
        return deliver_all(events)

    def new_events(self) -> list[dict[str, Any]]:
        """Return what Stripe has to say since the last time, without delivering it."""
        events = [event for event in self.fake.events() if event["id"] not in self.seen]
        self.seen |= {event["id"] for event in events}
        return events

    @property
    def v1(self) -> Any:
        """Return the SDK's services, for what somebody else does at Stripe."""
        return get_billing_gateway("stripe").v1  # type: ignore[attr-defined]

    @property
    def customer(self) -> Customer:
        """Return the user's customer."""
        return Customer.objects.get(owner=self.user)
