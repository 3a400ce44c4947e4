"""What was used, from the line in the ledger to that of the invoice: all of it, once, at the price that was sold."""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from unittest import mock

import pytest
from django.core.management import call_command
from django.utils import timezone

from django_stripe_gateway import usage
from django_stripe_gateway.exceptions import UsageLimitExceeded
from django_stripe_gateway.gateways.registry import get_billing_gateway
from django_stripe_gateway.models import Customer, Invoice, MeterEvent, PlanPricing, Subscription, SubscriptionItem
from django_stripe_gateway.services.catalogue.publish import push_plan
from django_stripe_gateway.services.subscriptions.add_items import add_item, remove_item
from django_stripe_gateway.services.subscriptions.cancel import cancel_subscription
from django_stripe_gateway.services.subscriptions.customers import ensure_customer
from django_stripe_gateway.services.subscriptions.subscribe import subscribe
from django_stripe_gateway.services.usage.meters.compare import compare_usage
from django_stripe_gateway.services.usage.meters.gather import gather_meter_events
from tests.billing_factories import make_plan
from tests.test_billing.host import SubscriptionHost

pytestmark = pytest.mark.django_db(transaction=True)

EVENTS = "/v1/billing/meter_events"
# Of a call: a twenty-fifth of a cent.
AMOUNT = Decimal("0.0004")


class MeteredHost:
    """A site that sells calls beside its plan, whose clock is Stripe's."""

    def __init__(self, host: SubscriptionHost) -> None:
        self.host, self.fake, self.user = host, host.fake, host.user
        self.calls = self.sell(host.basic.plan)
        host.basic.plan.limits.create(metric="calls", limit=None)

    def sell(self, plan: Any, metric: str = "calls") -> PlanPricing:
        """Return a price by use of a plan, known to Stripe by a push of the catalogue."""
        product = PlanPricing.objects.filter(plan=plan).values_list("stripe_product_id", flat=True).first()
        fields = {"usage_type": "metered", "metric": metric, "currency": "USD", "stripe_product_id": product or ""}
        row = PlanPricing.objects.create(plan=plan, amount=AMOUNT, **fields)
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


@pytest.fixture
def metered(either_host: SubscriptionHost, settings: Any) -> Iterator[MeteredHost]:
    """Return a site on each generation of the API."""
    settings.STRIPE_GATEWAY_USAGE_METERS = {"calls": "api_calls"}
    state = either_host.fake.state
    # The defaults of fields keep the real time, which has been when it is an hour later at Stripe.
    state.ahead = 3600
    with mock.patch.object(timezone, "now", side_effect=lambda: datetime.fromtimestamp(state.now(), UTC)):
        yield MeteredHost(either_host)


def use_over_days(metered: MeteredHost) -> None:
    """Use 90 calls over several days, each time less than a cent and a half: 3.6 cents, 3 if each were rounded."""
    for quantity in (30, 20, 15):
        usage.consume(metered.user, "calls", quantity)
        send()
        metered.pass_time(days=3, hours=1)
    usage.consume(metered.user, "calls", 35)
    send()
    # Given back after it was sent.
    usage.refund(metered.user, "calls", 10)
    send()


@pytest.mark.parametrize("way", ["added", "subscribed to", "in checkout"])
def test_month(metered: MeteredHost, way: str) -> None:
    if way == "added":
        subscription = metered.with_calls()
    elif way == "subscribed to":
        subscription = metered.subscribed(add_ons=[(metered.calls, 1)])
    else:
        body = {"add_ons": [{"pricing_id": metered.calls.pk}], "mode": "checkout", "pricing_id": metered.host.basic.pk}
        PlanPricing.objects.filter(pk=metered.calls.pk).update(may_be_added=True)
        metered.host.subscribe(**body)
        metered.fake.complete_checkout(metered.fake.all("checkout.session")[0]["id"])
        metered.host.deliver_new()
        subscription = Subscription.objects.get()
    use_over_days(metered)
    assert metered.agrees() == [(True, 90)]
    metered.renew(subscription)
    assert metered.charges(metered.calls)[-1] == Decimal("0.04")
    assert metered.totals() == [Decimal("20.00"), Decimal("20.04")]
    assert Invoice.objects.latest("pk").status == "paid"
    # The next month begins at nothing.
    usage.consume(metered.user, "calls", 25_000)
    send()
    metered.renew(subscription)
    assert metered.charges(metered.calls)[-1] == Decimal("10.00")
    assert metered.totals()[-1] == Decimal("30.00")
    assert metered.agrees() == [(True, 25_090)]


def test_month__of_a_plan_that_is_only_metered(metered: MeteredHost) -> None:
    plan = make_plan("by-use")
    plan.limits.create(metric="calls", limit=100, period="day")
    pricing = metered.sell(plan)
    subscription = metered.subscribed(pricing)
    assert (subscription.plan, subscription.is_valid) == (plan, True)
    with pytest.raises(UsageLimitExceeded):
        usage.consume(metered.user, "calls", 101)
    use_over_days(metered)
    metered.renew(subscription)
    assert metered.charges(pricing)[-1] == Decimal("0.04")
    assert metered.totals()[-1] == Decimal("0.04")


def test_month__of_an_add_on(metered: MeteredHost, settings: Any) -> None:
    settings.STRIPE_GATEWAY_USAGE_METERS = {"calls": "api_calls", "minutes": "minutes"}
    plan = make_plan("minutes", is_add_on=True)
    plan.limits.create(metric="minutes", limit=None)
    pricing, subscription = metered.sell(plan, "minutes"), metered.with_calls()
    with pytest.raises(UsageLimitExceeded):
        usage.consume(metered.user, "minutes")
    add_item(subscription=subscription, pricing=pricing)
    usage.consume(metered.user, "minutes", 1000)
    usage.consume(metered.user, "calls", 500)
    send()
    metered.renew(subscription)
    assert (metered.charges(pricing)[-1], metered.charges(metered.calls)[-1]) == (Decimal("0.40"), Decimal("0.20"))
    assert metered.totals()[-1] == Decimal("20.60")


def test_crash__charged_once(metered: MeteredHost) -> None:
    subscription = metered.with_calls()
    usage.consume(metered.user, "calls", 1000)
    # One process gathers and dies, the answer to the next one is lost, and Stripe forgets the key of its request.
    gather_meter_events()
    metered.fake.fault("POST", EVENTS, kind="reset_after")
    send()
    assert MeterEvent.objects.get().state == "pending"
    metered.fake.forget_idempotency_keys()
    send()
    send()
    assert set(MeterEvent.objects.values_list("state", "attempts")) == {("sent", 2)}
    metered.renew(subscription)
    assert metered.charges(metered.calls)[-1] == Decimal("0.40")
    assert metered.agrees() == [(True, 1000)]


def test_late(metered: MeteredHost) -> None:
    """An invoice takes in what arrives while it is a draft; what comes later was used in a period that is paid."""
    subscription = metered.with_calls()
    usage.consume(metered.user, "calls", 1000)
    metered.renew(subscription, until_paid=False)
    # Used in the new period, and in the same hour perhaps.
    usage.consume(metered.user, "calls", 5000)
    send()
    metered.pass_time(hours=2)
    assert metered.charges(metered.calls)[-1] == Decimal("0.40")
    usage.consume(metered.user, "calls", 2500)
    metered.renew(subscription)
    send()
    assert metered.charges(metered.calls)[-1] == Decimal("2.00")
    metered.renew(subscription)
    assert metered.charges(metered.calls)[-1] == Decimal("0.00")
    assert metered.agrees() == [(True, 8500)]


def test_added__counts_from_then_on(metered: MeteredHost) -> None:
    """Use in the hour before the price was added is not charged, and takes with it nothing of what comes after."""
    subscription = metered.subscribed()
    to_the_hour(metered)
    usage.consume(metered.user, "calls", 7000)
    metered.pass_time(seconds=600)
    add_item(subscription=subscription, pricing=metered.calls)
    metered.pass_time(seconds=600)
    usage.consume(metered.user, "calls", 1000)
    send()
    metered.renew(subscription)
    assert metered.charges(metered.calls)[-1] == Decimal("0.40")
    assert metered.agrees() == [(True, 8000)]


def test_removed(metered: MeteredHost) -> None:
    """What was sent until then is charged with the next invoice, but not in the classic billing mode; the rest not."""
    subscription = metered.with_calls()
    usage.consume(metered.user, "calls", 1000)
    send()
    metered.pass_time(days=2)
    remove_item(item=SubscriptionItem.objects.select_related("subscription__customer").get(kind="metered"))
    usage.consume(metered.user, "calls", 5000)
    send()
    metered.renew(subscription)
    is_flexible = metered.fake.get(subscription.provider_id)["billing_mode"]["type"] == "flexible"
    assert is_flexible == (metered.fake.generation == "current")
    assert metered.totals()[-1] == Decimal("20.40" if is_flexible else "20.00")
    assert metered.agrees() == [(True, 6000)]


def test_cancelled_at_once(metered: MeteredHost) -> None:
    subscription = metered.with_calls()
    usage.consume(metered.user, "calls", 1000)
    send()
    metered.pass_time(days=2)
    cancel_subscription(subscription=subscription, at_period_end=False)
    metered.host.deliver_new()
    assert metered.charges(metered.calls)[-1] == Decimal("0.40")
    usage_before = len(metered.totals())
    metered.pass_time(days=40)
    assert len(metered.totals()) == usage_before


def test_without_a_subscription(metered: MeteredHost) -> None:
    """It is counted and not charged, also where somebody subscribes in the same hour."""
    make_plan("free", is_default=True).limits.create(metric="calls", limit=None)
    usage.consume(metered.user, "calls", 100)
    send()
    assert metered.fake.all("billing.meter_event") == []
    ensure_customer(owner=metered.user)
    to_the_hour(metered)
    usage.consume(metered.user, "calls", 7000)
    metered.pass_time(seconds=600)
    subscription = metered.with_calls()
    metered.pass_time(seconds=600)
    usage.consume(metered.user, "calls", 1000)
    send()
    metered.renew(subscription)
    assert metered.charges(metered.calls)[-1] == Decimal("0.40")
    assert metered.agrees() == [(True, 8000)]
    assert Customer.objects.count() == 1


def to_the_hour(metered: MeteredHost) -> None:
    """Let it be five minutes past an hour."""
    metered.fake.advance(seconds=3600 - metered.fake.state.now() % 3600 + 300)
