"""What is unused is credited if it was paid, and not before; whatever gives no credit stays possible."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from django_stripe_gateway import usage
from django_stripe_gateway.exceptions import ProviderUnavailable, WrongState
from django_stripe_gateway.models import PlanPricing, Subscription, SubscriptionItem
from django_stripe_gateway.services.subscriptions.add_items import add_item, change_item, remove_item
from django_stripe_gateway.services.subscriptions.cancel import cancel_subscription
from django_stripe_gateway.services.subscriptions.change import change_subscription, preview_change
from django_stripe_gateway.services.subscriptions.customers import ensure_customer
from django_stripe_gateway.services.subscriptions.pause import pause_subscription, unpause_subscription
from django_stripe_gateway.services.subscriptions.subscribe import subscribe
from tests.fake_stripe import invoicing
from tests.test_billing.host import SubscriptionHost
from tests.test_billing.metered_host import MeteredHost, send
from tests.test_billing.rows import now

pytestmark = pytest.mark.django_db(transaction=True)

DECLINED = "pm_card_chargeCustomerFail"


def balance(host: SubscriptionHost) -> int:
    owed: int = host.fake.get(host.customer.provider_id)["balance"]
    return owed


def credited(host: SubscriptionHost) -> int:
    """Return what customers were credited, or will be with the next invoice, less what they are charged with it."""
    waiting = sum(item["amount"] for item in host.fake.all("invoiceitem") if item["invoice"] is None)
    return -balance(host) - waiting


def latest(host: SubscriptionHost, subscription: Subscription) -> dict[str, Any]:
    invoice: dict[str, Any] = host.fake.get(host.fake.get(subscription.provider_id)["latest_invoice"])
    return invoice


def refused(code: str, ask: Any, **arguments: Any) -> str:
    """Return the sentence of a refusal, and see that it is this one."""
    with pytest.raises(WrongState) as refusal:
        ask(**arguments)
    assert (refusal.value.code, refusal.value.status_code) == (code, 409)
    return refusal.value.detail


def with_support(host: SubscriptionHost) -> Subscription:
    """Return a subscription of ten seats with an add-on, its renewal not paid."""
    PlanPricing.objects.filter(pk=host.basic.pk).update(is_per_seat=True)
    host.support = host.sell("support", Decimal("300.00"), is_add_on=True, may_be_added=True, is_per_seat=True)
    return renewal_not_paid(host, host.subscribed(quantity=10, add_ons=[{"pricing_id": host.support.pk}]))


def renewal_not_paid(host: SubscriptionHost, subscription: Subscription) -> Subscription:
    host.change_card(subscription, DECLINED)
    host.fake.advance(days=32 if subscription.pricing.interval == "month" else 367)  # type: ignore[union-attr]
    host.deliver_new()
    subscription = now(subscription)
    assert subscription.status == "past_due"
    return subscription


def never_paid(host: SubscriptionHost, how: str) -> Subscription:
    """Return a yearly subscription whose period nobody has paid for."""
    gold = host.sell("gold", Decimal("900.00"), interval="year", trial_days=7 if how == "after a trial" else 0)
    ensure_customer(owner=host.user)
    if how == "sent":
        sent = subscribe(
            owner=host.user, plan=gold.plan, pricing=gold, collection_method="send_invoice", days_until_due=30
        )
        host.fake.advance(hours=2)
        host.deliver_new()
        return now(sent)
    if how == "after a trial":
        host.fake.customer_changes_card(host.customer.provider_id, DECLINED)
        tried = host.subscribed(gold, pricing_id=gold.pk)
        host.fake.advance(days=8)
        host.deliver_new()
        return now(tried)
    found = host.subscribed(gold, pricing_id=gold.pk)
    if how == "renewed":
        return renewal_not_paid(host, found)
    # The renewal's invoice is a draft for an hour, of which nobody here has heard.
    host.change_card(found, DECLINED)
    host.fake.advance_to(int(found.current_period_end.timestamp()) + 60)  # type: ignore[union-attr]
    return now(found)


@pytest.mark.parametrize("how", ["after a trial", "renewed", "draft", "sent"])
def test_change__of_what_nobody_has_paid(host: SubscriptionHost, how: str) -> None:
    found = never_paid(host, how)
    answer = host.post("change", {"subscription_id": found.provider_id, "pricing_id": host.basic.pk})
    invoice = latest(host, found)
    assert (answer.status_code, answer.json()["code"]) == (409, "open_invoice")
    assert invoice["id"] in answer.json()["detail"]
    assert credited(host) == 0
    refused("open_invoice", preview_change, subscription=now(found), pricing=host.basic)
    # Who goes, goes without a credit, and pays what is open and what comes next.
    assert cancel_subscription(subscription=now(found), at_period_end=False).has_ended
    host.deliver_new()
    if latest(host, found)["status"] == "open" and now(found).first_paid_at:
        assert host.post("subscribe", {"plan_id": host.premium.plan_id}).json()["code"] == "open_invoice"
        host.fake.act(invoice["id"], invoicing.void)
    assert host.subscribe(host.premium)["status"] == "incomplete"
    assert credited(host) == 0


def test_change__once_it_is_paid(either_host: SubscriptionHost) -> None:
    host = either_host
    found = never_paid(host, "renewed")
    refused("open_invoice", change_subscription, subscription=found, pricing=host.basic)
    host.fake.customer_pays(found.provider_id)
    changed = change_subscription(subscription=now(found), pricing=host.basic)
    assert changed.pricing == host.basic
    assert 80_000 < credited(host) < 90_000


def test_change__keeps_what_is_scheduled_when_it_is_refused(host: SubscriptionHost) -> None:
    found = change_subscription(subscription=host.subscribed(host.premium), pricing=host.basic, at_period_end=True)
    host.fake.advance_to(int(found.current_period_end.timestamp()) - 3600)  # type: ignore[union-attr]
    pay_by_invoice = {"collection_method": "send_invoice", "days_until_due": 30}
    host.fake.change_subscription(found.provider_id, pay_by_invoice)
    host.support = host.sell("support", Decimal("15.00"), is_add_on=True)
    found = now(found)
    host.fake.change_subscription(
        found.provider_id, {"items": [{"price": host.support.stripe_price_id}], "proration_behavior": "always_invoice"}
    )
    refused("open_invoice", change_subscription, subscription=found, pricing=host.sell("gold", Decimal("90.00")))
    assert host.fake.get(found.provider_id)["schedule"] == found.schedule_id != ""


def test_seats(either_host: SubscriptionHost) -> None:
    """Fewer are refused while they are not paid; more only cost."""
    host = either_host
    found = with_support(host)
    sentence = refused("open_invoice", change_subscription, subscription=found, quantity=1)
    assert latest(host, found)["id"] in sentence
    refused("open_invoice", preview_change, subscription=found, quantity=1)
    assert credited(host) == 0
    assert change_subscription(subscription=found, quantity=11).quantity == 11
    assert credited(host) < 0
    refused("open_invoice", change_subscription, subscription=now(found), quantity=10)


def test_without_a_credit(host: SubscriptionHost) -> None:
    found = with_support(host)
    assert change_subscription(subscription=found, quantity=1, proration="none").quantity == 1
    later = change_subscription(subscription=now(found), pricing=host.premium, at_period_end=True)
    assert later.scheduled_pricing == host.premium
    assert cancel_subscription(subscription=now(found)).cancel_at_period_end
    assert cancel_subscription(subscription=now(found), at_period_end=False).has_ended
    assert credited(host) == 0


def test_items(either_host: SubscriptionHost) -> None:
    host = either_host
    found = with_support(host)
    item = found.items.get(kind="add_on")
    answer = host.delete(f"items/{item.provider_id}")
    assert (answer.status_code, answer.json()["code"]) == (409, "open_invoice")
    cheaper = PlanPricing.objects.create(
        plan=host.support.plan,
        amount=Decimal("100.00"),
        currency="USD",
        interval="month",
        stripe_price_id=host.made_at_stripe(host.support.stripe_product_id, Decimal("100.00")),
        stripe_product_id=host.support.stripe_product_id,
    )
    refused("open_invoice", change_item, item=item, pricing=cheaper)
    change_item(item=item, quantity=3)
    refused("open_invoice", change_item, item=now(found).items.get(kind="add_on"), quantity=2)
    extra = host.sell("extra", Decimal("5.00"), is_add_on=True)
    assert add_item(subscription=now(found), pricing=extra).items.count() == 3
    item = SubscriptionItem.objects.select_related("subscription__customer").get(price_id=host.support.stripe_price_id)
    assert remove_item(item=item, proration="none").items.count() == 2
    assert credited(host) < 0


def test_end__credits_nothing_unpaid(either_host: SubscriptionHost) -> None:
    host = either_host
    found = renewal_not_paid(host, host.subscribed(host.premium))
    refused("open_invoice", cancel_subscription, subscription=found, at_period_end=False, refund_unused="credit")
    end = timezone.now() + timedelta(days=40)
    refused("open_invoice", cancel_subscription, subscription=now(found), cancel_at=end, refund_unused="credit")
    assert not now(found).has_ended
    assert credited(host) == 0
    host.fake.customer_pays(found.provider_id)
    assert cancel_subscription(subscription=now(found), at_period_end=False, refund_unused="credit").has_ended
    assert credited(host) > 0


@pytest.mark.parametrize("behavior", ["void", "mark_uncollectible"])
def test_period_of_a_pause(either_host: SubscriptionHost, behavior: str) -> None:
    """Nobody can pay it any more: there is no credit until the next period, which is paid."""
    host = either_host
    found = host.subscribed(host.premium)
    host.change_card(found, "pm_card_visa")
    pause_subscription(subscription=found, behavior=behavior)
    host.fake.advance(days=32)
    host.deliver_new()
    unpause_subscription(subscription=now(found))
    refused("unpaid_period", change_subscription, subscription=now(found), pricing=host.basic)
    refused("unpaid_period", cancel_subscription, subscription=now(found), at_period_end=False, refund_unused="credit")
    assert credited(host) == 0


def test_period_after_a_pause(host: SubscriptionHost, monkeypatch: pytest.MonkeyPatch) -> None:
    found = host.subscribed(host.premium)
    host.change_card(found, "pm_card_visa")
    pause_subscription(subscription=found)
    for _month in range(2):
        host.fake.advance(days=32)
        host.deliver_new()
        if now(found).is_paused:
            unpause_subscription(subscription=now(found))
    ahead = timezone.now() + (now(found).current_period_start - found.current_period_start)  # type: ignore[operator]
    monkeypatch.setattr(timezone, "now", lambda: ahead)
    assert change_subscription(subscription=now(found), pricing=host.basic).pricing == host.basic
    assert credited(host) > 0


def test_drafts_of_a_pause__count_while_their_period_runs(
    host: SubscriptionHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timezone, "now", lambda: datetime.fromtimestamp(host.fake.state.now(), UTC))
    found = host.subscribed(host.premium)
    host.change_card(found, "pm_card_visa")
    pause_subscription(subscription=found, behavior="keep_as_draft")
    host.fake.advance(days=32)
    host.deliver_new()
    unpause_subscription(subscription=now(found))
    refused("open_invoice", change_subscription, subscription=now(found), pricing=host.basic)
    host.fake.advance(days=32)
    host.deliver_new()
    assert [invoice["status"] for invoice in host.fake.all("invoice")] == ["paid", "draft", "paid"]
    assert change_subscription(subscription=now(found), pricing=host.basic).pricing == host.basic


@pytest.mark.parametrize("seconds_later", [0, 2 * 3600])
@pytest.mark.parametrize("either_host", ["current"], indirect=True)
def test_what_was_used__is_in_nobodys_way(metered: MeteredHost, seconds_later: int) -> None:
    """A year is paid, and what was used in its first month is not yet; that is nothing that could be credited."""
    host = metered.host
    gold, silver = (host.sell(name, Decimal(900), interval="year") for name in ("gold", "silver"))
    gold.plan.limits.create(metric="calls", limit=None)
    metered.sell(gold.plan, may_be_added=False)
    found = metered.subscribed(gold)
    host.change_card(found, DECLINED)
    usage.consume(metered.user, "calls", 5000)
    send()
    month_end = found.items.get(kind="metered").current_period_end
    host.fake.advance_to(int(month_end.timestamp()) + 300 + seconds_later)
    host.deliver_new()
    assert latest(host, found)["status"] == ("open" if seconds_later else "draft")
    host.change_card(found, "pm_card_visa")
    if seconds_later:
        # More is sold once that is paid.
        refused("open_invoice", change_subscription, subscription=now(found), pricing=silver)
        host.fake.act(latest(host, found)["id"], invoicing.collect)
    assert change_subscription(subscription=now(found), pricing=silver).pricing == silver
    assert credited(host) > -10


@pytest.mark.parametrize("is_over", [False, True])
def test_void_invoice_of_many_lines(host: SubscriptionHost, monkeypatch: pytest.MonkeyPatch, is_over: bool) -> None:
    """The invoice shows its first lines alone, and Stripe is asked for the others."""
    monkeypatch.setattr(timezone, "now", lambda: datetime.fromtimestamp(host.fake.state.now(), UTC))
    found = host.subscribed(host.premium)
    host.change_card(found, "pm_card_visa")
    for number in range(12):
        host.fake.add_invoice_item(found.provider_id, 100, f"extra {number}")
    found = renewal_not_paid(host, found)
    # Stripe promises no order.
    host.fake.act(latest(host, found)["id"], lambda _scope, one: one["lines"]["data"].reverse())
    host.change_card(found, "pm_card_visa")
    host.fake.void_invoice(latest(host, found)["id"])
    if not is_over:
        host.deliver_new()
        refused("unpaid_period", change_subscription, subscription=now(found), pricing=host.basic)
        return
    host.fake.advance(days=32)
    host.deliver_new()
    assert change_subscription(subscription=now(found), pricing=host.basic).pricing == host.basic


def test_change_that_was_not_paid__is_in_nobodys_way(either_host: SubscriptionHost) -> None:
    """An upgrade that waits for its payment can be given up for another, and one that was given up counts no more."""
    host = either_host
    gold, found = host.sell("gold", Decimal("90.00")), host.subscribed()
    host.change_card(found, "pm_card_authenticationRequired")
    for wanted in (host.premium, gold):
        waits = change_subscription(subscription=now(found), pricing=wanted, proration="always_invoice")
        assert waits.has_pending_update
    host.fake.advance(hours=24)
    host.deliver_new()
    assert [invoice["status"] for invoice in host.fake.all("invoice")] == ["paid", "void", "void"]
    cheap = host.sell("cheap", Decimal("5.00"))
    assert change_subscription(subscription=now(found), pricing=cheap).pricing == cheap
    assert credited(host) > 0


def test_repeat__of_a_change_whose_own_invoice_is_open(host: SubscriptionHost) -> None:
    terms = {"collection_method": "send_invoice", "days_until_due": 30}
    found = subscribe(owner=host.user, plan=host.basic.plan, pricing=host.basic, **terms)
    host.fake.advance(hours=2)
    host.fake.customer_pays(found.provider_id)
    host.deliver_new()
    asked = {"pricing": host.premium, "proration": "always_invoice", "idempotency_key": "k1"}
    host.fake.fault("POST", f"/v1/subscriptions/{found.provider_id}", kind="reset_after", times=9)
    with pytest.raises(ProviderUnavailable):
        change_subscription(subscription=now(found), **asked)
    host.fake.clear_faults()
    assert latest(host, found)["status"] == "draft"
    changed = change_subscription(subscription=now(found), **asked)
    assert (changed.pricing, len(host.fake.all("invoice"))) == (host.premium, 2)


def test_repeat__of_a_change_that_was_not_made(host: SubscriptionHost) -> None:
    """Between the attempts the period has ended, and the next one is not paid."""
    found = host.subscribed(host.premium)
    host.fake.fault("POST", f"/v1/subscriptions/{found.provider_id}", kind="reset_before", times=9)
    with pytest.raises(ProviderUnavailable):
        change_subscription(subscription=found, pricing=host.basic)
    host.fake.clear_faults()
    found = renewal_not_paid(host, now(found))
    refused("open_invoice", change_subscription, subscription=found, pricing=host.basic)
    assert credited(host) == 0


def test_cost(host: SubscriptionHost) -> None:
    """The invoices are asked for where something is credited, and nowhere else."""
    PlanPricing.objects.filter(pk=host.basic.pk).update(is_per_seat=True)
    found = host.subscribed(quantity=2)
    support = host.sell("support", Decimal("15.00"), is_add_on=True)
    host.fake.forget_requests()
    change_subscription(subscription=found, quantity=3)
    add_item(subscription=now(found), pricing=support)
    change_subscription(subscription=now(found), quantity=1, proration="none")
    cancel_subscription(subscription=now(found))
    assert [request.path for request in host.fake.requests if "invoice" in request.path] == []
    change_subscription(subscription=now(found), pricing=host.premium)
    paid = f"/v1/invoices/{latest(host, found)['id']}"
    assert [request.path for request in host.fake.requests if "invoice" in request.path] == ["/v1/invoices", paid]
