"""What is late stays late until it is paid, whatever small thing is paid meanwhile; who has paid is not shut out."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from django_stripe_gateway.gateways.registry import get_billing_gateway
from django_stripe_gateway.models import PlanPricing, Subscription
from django_stripe_gateway.services.subscriptions.reconcile import reconcile_subscriptions
from django_stripe_gateway.subscriptions import pause_subscription, sync_subscription, unpause_subscription
from tests.fake_stripe import invoicing
from tests.test_billing.host import SubscriptionHost

pytestmark = pytest.mark.django_db(transaction=True)

BAD, GOOD = "pm_card_chargeCustomerFail", "pm_card_visa"


@pytest.fixture(autouse=True)
def _customers(clock: None, settings: Any) -> None:
    settings.STRIPE_GATEWAY_CUSTOMER_ACTIONS = ["default"]


def now(found: Subscription) -> Subscription:
    found.refresh_from_db()
    assert found.is_valid == Subscription.objects.valid().filter(pk=found.pk).exists()
    return found


def let_renewal_fail(host: SubscriptionHost, found: Subscription) -> str:
    """Return the id of the invoice that is open then."""
    host.change_card(found, BAD)
    host.deliver_new()
    host.fake.advance_to(host.fake.get(found.provider_id)["items"]["data"][0]["current_period_end"] + 4000)
    host.deliver_new()
    assert now(found).status == "past_due"
    return str(host.fake.get(found.provider_id)["latest_invoice"])


def add_elsewhere(host: SubscriptionHost, found: Subscription) -> None:
    """Let the seller sell an add-on, paid by a good card, while the renewal stays open."""
    support = host.sell("support", Decimal("0.50"), is_add_on=True)
    host.change_card(found, GOOD)
    item = {"price": support.stripe_price_id}
    host.fake.change_subscription(found.provider_id, {"items": [item], "proration_behavior": "always_invoice"})
    assert host.fake.get(found.provider_id)["status"] == "active"
    host.change_card(found, BAD)


@pytest.mark.parametrize("what", ["add-on", "seats", "plan", "item's seats"])
def test_more__while_late(host: SubscriptionHost, what: str) -> None:
    support = host.sell("support", Decimal("0.50"), is_add_on=True)
    PlanPricing.objects.update(is_per_seat=True, may_be_added=True)
    found = host.subscribed(host.basic)
    about = {"subscription_id": found.provider_id}
    assert host.post("items", about | {"pricing_id": support.pk}).status_code == 201
    host.deliver_new()
    other = host.sell("help", Decimal("0.50"), is_add_on=True)
    PlanPricing.objects.filter(pk=other.pk).update(is_per_seat=True, may_be_added=True)
    invoice = let_renewal_fail(host, found)
    host.change_card(found, GOOD)
    added = found.items.get(kind="add_on").provider_id
    path, body = {
        "add-on": ("items", about | {"pricing_id": other.pk}),
        "seats": ("change", about | {"quantity": 2}),
        "plan": ("change", about | {"plan_id": host.premium.plan_id}),
        "item's seats": (f"items/{added}", {"quantity": 2}),
    }[what]
    answer = host.post(path, body)
    assert (answer.status_code, answer.json()["code"]) == (409, "open_invoice")
    assert invoice in answer.json()["detail"]
    # Paid, of which nothing was heard: the provider is asked.
    host.fake.act(invoice, invoicing.paid)
    assert host.post(path, body).status_code in (200, 201)


@pytest.mark.parametrize("order", ["as it was", "reversed", "subscription only", "invoices only"])
def test_lateness__is_not_taken_back_by_a_small_invoice(host: SubscriptionHost, order: str) -> None:
    found = host.subscribed(host.premium)
    invoice = let_renewal_fail(host, found)
    since = found.past_due_since
    add_elsewhere(host, found)
    events = host.new_events()
    if order.endswith("only"):
        events = [one for one in events if one["data"]["object"]["object"] == order.split()[0].rstrip("s")]
    host.deliver(events[::-1] if order == "reversed" else events)
    # An event tells a moment later than its invoice since when; never is it postponed.
    assert timedelta() <= since - now(found).past_due_since < timedelta(seconds=2)
    assert found.is_valid
    host.fake.advance(days=8)
    host.deliver_new()
    assert not now(found).is_valid
    # Once the renewal is paid, it is valid, by whatever is heard.
    host.change_card(found, GOOD)
    host.fake.act(invoice, invoicing.paid)
    heard = host.new_events()
    if order == "subscription only":
        for _ in reconcile_subscriptions(older_than=timedelta()):
            pass
        sync_subscription(subscription=now(found))
    else:
        host.deliver(heard[::-1] if order == "reversed" else heard)
    assert (now(found).is_valid, found.past_due_since) == (True, None)


@pytest.mark.parametrize("how", ["void", "mark_uncollectible"])
def test_seller_takes_it_back(host: SubscriptionHost, how: str) -> None:
    found = host.subscribed(host.premium)
    invoice = let_renewal_fail(host, found)
    add_elsewhere(host, found)
    host.deliver_new()
    host.fake.advance(days=8)
    host.deliver_new()
    assert not now(found).is_valid
    host.fake.act(invoice, getattr(invoicing, how))
    host.deliver_new()
    sync_subscription(subscription=found)
    assert now(found).past_due_since is None


def test_active_by_a_small_invoice__reconciled(host: SubscriptionHost) -> None:
    """It is called active all the time, and the payment of its renewal was never heard of."""
    found = host.subscribed(host.premium)
    invoice = let_renewal_fail(host, found)
    add_elsewhere(host, found)
    host.deliver_new()
    assert (now(found).status, found.past_due_since is None) == ("active", False)
    host.fake.act(invoice, invoicing.paid)
    host.new_events()
    host.fake.advance(days=2)
    list(reconcile_subscriptions(older_than=timedelta(hours=1)))
    assert now(found).past_due_since is None


def test_grace__no_longer_than_a_period(host: SubscriptionHost) -> None:
    daily = host.sell("pass", Decimal("5.00"), interval="day")
    found = host.subscribed(daily)
    let_renewal_fail(host, found)
    assert now(found).is_valid
    host.fake.advance(hours=22)
    assert now(found).is_valid
    host.fake.advance(hours=3)
    host.deliver_new()
    assert not now(found).is_valid


def test_daily__pays_the_latest_only_and_begins_anew(host: SubscriptionHost) -> None:
    daily = host.sell("pass", Decimal("5.00"), interval="day")
    found = host.subscribed(daily)
    good = get_billing_gateway("stripe").attach_payment_method(
        GOOD, host.customer.provider_id or "", idempotency_key="g"
    )
    card = {"payment_method": good.payment_method_id}
    let_renewal_fail(host, found)
    days = 0
    for _day in range(30):
        row = Subscription.objects.latest("pk")
        if row.has_ended:
            host.post("subscribe", {"plan_id": daily.plan_id, **card})
        elif not row.is_valid:
            host.post(f"invoices/{host.fake.get(row.provider_id)['latest_invoice']}/pay", card)
        host.deliver_new()
        row = Subscription.objects.latest("pk")
        days += row.is_valid
        host.fake.advance(days=1)
        host.deliver_new()
    paid = sum(one["amount_paid"] for one in host.fake.all("invoice"))
    # The first day was paid before; one more is the grace.
    assert days <= paid / 500 + 1


@pytest.mark.parametrize("way", ["paid", "void", "unheard"])
def test_subscribe__after_an_end_with_an_open_invoice(host: SubscriptionHost, way: str) -> None:
    found = host.subscribed(host.premium)
    invoice = let_renewal_fail(host, found)
    assert host.post("cancel", {"subscription_id": found.provider_id, "at_period_end": False}).status_code == 200
    host.deliver_new()
    again = {"plan_id": host.basic.plan_id}
    for mode in ("direct", "checkout"):
        answer = host.post("subscribe", again | {"mode": mode})
        assert (answer.status_code, answer.json()["code"]) == (409, "open_invoice")
        assert invoice in answer.json()["detail"]
    host.fake.customer_changes_card(host.customer.provider_id, GOOD)
    if way == "paid":
        host.deliver_new()
        method = host.fake.get(host.customer.provider_id)["invoice_settings"]["default_payment_method"]
        assert host.post(f"invoices/{invoice}/pay", {"payment_method": method}).status_code == 200
    else:
        host.fake.act(invoice, invoicing.void if way == "void" else invoicing.paid)
    assert host.post("subscribe", again).status_code == 201


@pytest.mark.parametrize("behavior", ["void", "keep_as_draft", "mark_uncollectible"])
def test_pause__nothing_is_sold_meanwhile(host: SubscriptionHost, behavior: str) -> None:
    support = host.sell("support", Decimal("0.50"), is_add_on=True)
    yearly = host.sell("premium", Decimal("480.00"), interval="year")
    PlanPricing.objects.update(is_per_seat=True, may_be_added=True)
    found = host.subscribed()
    about = {"subscription_id": found.provider_id}
    assert host.post("items", about | {"pricing_id": support.pk}).status_code == 201
    host.deliver_new()
    added = found.items.get(kind="add_on").provider_id
    pause_subscription(subscription=found, behavior=behavior)
    host.deliver_new()
    for path, body in (
        ("change", about | {"quantity": 500}),
        ("change", about | {"quantity": 500, "preview": True}),
        ("change", about | {"plan_id": host.premium.plan_id}),
        ("change", about | {"pricing_id": yearly.pk}),
        (f"items/{added}", {"quantity": 500}),
    ):
        answer = host.post(path, body)
        assert (answer.status_code, answer.json()["code"]) == (409, "paused"), path
    unpause_subscription(subscription=now(found))
    assert host.post("change", about | {"quantity": 2}).status_code == 200


@pytest.mark.parametrize("behavior", ["void", "keep_as_draft", "mark_uncollectible"])
def test_pause__another_period_is_another_to_pay(host: SubscriptionHost, behavior: str) -> None:
    """A change that was made elsewhere during the pause, to a year of which nothing is collected."""
    yearly = host.sell("premium", Decimal("480.00"), interval="year")
    found = host.subscribed()
    host.fake.advance(days=2)
    pause_subscription(subscription=found, behavior=behavior)
    host.deliver_new()
    item = {"id": found.item_id, "price": yearly.stripe_price_id}
    host.fake.change_subscription(found.provider_id, {"items": [item]})
    host.deliver_new()
    unpause_subscription(subscription=now(found))
    host.deliver_new()
    host.fake.advance(days=40)
    host.deliver_new()
    sync_subscription(subscription=found)
    assert not now(found).is_valid
