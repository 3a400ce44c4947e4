"""A site that sells calls, what was used of which is charged."""

from __future__ import annotations

import io
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.core.management import call_command
from django.utils import timezone

from django_stripe_gateway.gateways.registry import get_billing_gateway
from django_stripe_gateway.models import Invoice, PlanPricing, Subscription
from django_stripe_gateway.services.catalogue.publish import push_plan
from django_stripe_gateway.services.subscriptions.add_items import add_item
from django_stripe_gateway.services.subscriptions.subscribe import subscribe
from django_stripe_gateway.services.usage.meters.compare import compare_usage
from tests.test_billing.host import SubscriptionHost

# Of a call: a twenty-fifth of a cent.
AMOUNT = Decimal("0.0004")


class MeteredHost:
    """A site that sells calls beside its plan, whose clock is Stripe's."""

    def __init__(self, host: SubscriptionHost) -> None:
        self.host, self.fake, self.user = host, host.fake, host.user
        self.calls = self.sell(host.basic.plan)
        host.basic.plan.limits.create(metric="calls", limit=None)

    def sell(self, plan: Any, metric: str = "calls", **more: Any) -> PlanPricing:
        """Return a price by use of a plan, known to Stripe by a push of the catalogue; customers add it themselves."""
        product = PlanPricing.objects.filter(plan=plan).values_list("stripe_product_id", flat=True).first()
        fields = {"usage_type": "metered", "metric": metric, "currency": "USD", "stripe_product_id": product or ""}
        row = PlanPricing.objects.create(plan=plan, amount=AMOUNT, **{"may_be_added": True, **fields, **more})
        push_plan(plan=plan)
        row.refresh_from_db()
        return row

    def subscribed(self, pricing: PlanPricing | None = None, **more: Any) -> Subscription:
        """Return a running subscription."""
        pricing = pricing or self.host.basic
        made = subscribe(owner=self.user, plan=pricing.plan, pricing=pricing, **more)
        if made.status == "incomplete":
            self.fake.customer_pays(made.provider_id)
        self.host.deliver_new()
        return Subscription.objects.select_related("customer").get(pk=made.pk)

    def with_calls(self) -> Subscription:
        """Return a running subscription of which the calls are an item."""
        return add_item(subscription=self.subscribed(), pricing=self.calls)

    def pass_time(self, **units: int) -> None:
        """Let time pass, and hear what Stripe has to say of it."""
        self.fake.advance(**units)
        self.host.deliver_new()

    def renew(self, subscription: Subscription, *, until_paid: bool = True) -> None:
        """Let the period end; the invoice is paid after the hour for which it is a draft."""
        subscription.refresh_from_db()
        self.fake.advance_to(int(subscription.current_period_end.timestamp()))  # type: ignore[union-attr]
        if until_paid:
            self.fake.advance(hours=2)
        self.host.deliver_new()

    def charges(self, pricing: PlanPricing) -> list[Decimal]:
        """Return what the invoices charge at a price, the oldest first, as the gateway reads them."""
        gateway = get_billing_gateway("stripe")
        found = [gateway.retrieve_invoice(row.provider_id) for row in Invoice.objects.order_by("pk")]
        return [line.amount for invoice in found for line in invoice.lines if line.price_id == pricing.stripe_price_id]

    def totals(self) -> list[Decimal]:
        """Return the totals of the stored invoices, the oldest first, which are those that the customer sees."""
        shown = self.host.get("invoices").json()["results"]
        totals = [row.total for row in Invoice.objects.order_by("pk")]
        assert [Decimal(invoice["total"]) for invoice in shown][::-1] == totals
        return totals

    def agrees(self) -> list[tuple[bool, int]]:
        """Return whether Stripe has counted what was sent, and how much that was, of each customer and meter."""
        now = timezone.now().replace(second=0, microsecond=0) + timedelta(minutes=1)
        return [(row.agrees, row.sent) for row in compare_usage(now - timedelta(days=100), now)]


def send() -> None:
    call_command("send_meter_events", stdout=io.StringIO())


def to_the_hour(metered: MeteredHost) -> None:
    """Let it be five minutes past an hour."""
    metered.fake.advance(seconds=3600 - metered.fake.state.now() % 3600 + 300)
