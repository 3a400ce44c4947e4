"""Discounts of running subscriptions, and how they are collected."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from django_stripe_gateway.exceptions import InvalidInput, ProviderUnavailable
from django_stripe_gateway.models import Subscription
from django_stripe_gateway.services.subscriptions.add_items import add_item
from django_stripe_gateway.services.subscriptions.cancel import cancel_subscription
from django_stripe_gateway.services.subscriptions.change import change_subscription
from django_stripe_gateway.services.subscriptions.collection import change_collection
from django_stripe_gateway.services.subscriptions.discounts import apply_discount, remove_discount
from django_stripe_gateway.services.subscriptions.subscribe import subscribe
from django_stripe_gateway.services.subscriptions.trials import end_trial
from tests.test_billing.host import SubscriptionHost

pytestmark = pytest.mark.django_db(transaction=True)


def coupon(host: SubscriptionHost, code: str = "", **fields: Any) -> str:
    made = str(host.fake.coupon(**{"percent_off": 50, "duration": "forever", **fields})["id"])
    if code:
        host.fake.promotion_code(made, code)
    return made


def test_customers_enter_a_code(host: SubscriptionHost) -> None:
    half, found = coupon(host, "HALF"), host.subscribed()
    answer = host.post("discount", {"subscription_id": found.provider_id, "promotion_code": "HALF"})
    (shown,) = answer.json()["discounts"]
    assert (shown["coupon"], shown["promotion_code"][:6], shown["ends"]) == (half, "promo_", None)
    host.deliver_new()
    found.refresh_from_db()
    # Events tell no more than the id.
    assert found.discounts[0]["coupon"] == half
    host.change_card(found, "pm_card_visa")
    host.fake.advance(days=32)
    assert host.fake.all("charge")[-1]["amount"] == 1000


def test_a_code_counts_once_for_each_customer(host: SubscriptionHost) -> None:
    coupon(host, "HALF")
    found = apply_discount(subscription=host.subscribed(), promotion_code="HALF")
    assert apply_discount(subscription=found, promotion_code="HALF").discounts == found.discounts
    found = remove_discount(subscription=found)
    assert found.discounts == host.fake.get(found.provider_id)["discounts"] == []
    with pytest.raises(InvalidInput) as refused:
        apply_discount(subscription=found, promotion_code="HALF")
    assert refused.value.code == "promotion_code_used"


@pytest.mark.usefixtures("one_per_plan")
def test_a_code_counts_once_for_each_customer__by_subscribing_too(host: SubscriptionHost) -> None:
    coupon(host, "HALF")
    first = host.subscribed(promotion_code="HALF")
    again = {"plan_id": host.premium.plan_id, "promotion_code": "HALF"}
    beside = host.post("subscribe", again)
    cancel_subscription(subscription=first, at_period_end=False)
    for answer in (beside, host.post("subscribe", again)):
        assert (answer.status_code, answer.json()["code"]) == (400, "promotion_code_used")
    assert len(host.fake.all("subscription")) == 1


def test_a_code_counts_once_for_each_customer__unless_nobody_paid(host: SubscriptionHost) -> None:
    coupon(host, "HALF")
    assert host.subscribe(promotion_code="HALF")["status"] == "incomplete"
    host.fake.advance(hours=24)
    host.deliver_new()
    found = apply_discount(subscription=host.subscribed(), promotion_code="HALF")
    assert len(found.discounts) == 1


def test_a_code_takes_the_place_of_a_code_and_leaves_the_coupon(host: SubscriptionHost) -> None:
    given, second = coupon(host), coupon(host, "SECOND")
    coupon(host, "FIRST")
    found = apply_discount(subscription=host.subscribed(), coupon=given)
    apply_discount(subscription=found, promotion_code="FIRST")
    found = apply_discount(subscription=found, promotion_code="SECOND")
    assert {known["coupon"] for known in found.discounts} == {given, second}


def paid_on_a_page(host: SubscriptionHost, code: str) -> Subscription:
    """Return a subscription of whose start only events tell, and so of its discount no more than an id."""
    host.subscribe(mode="checkout", promotion_code=code)
    host.fake.complete_checkout(host.fake.all("checkout.session")[0]["id"])
    host.deliver_new()
    return Subscription.objects.select_related("customer").get()


def at_stripe(host: SubscriptionHost, found: Subscription) -> set[str]:
    """Return the coupons that a subscription has at Stripe."""
    ids = host.fake.get(found.provider_id)["discounts"]
    return {host.fake.get(identifier)["source"]["coupon"] for identifier in ids}


def test_a_code_from_a_page__is_shown(either_host: SubscriptionHost) -> None:
    half = coupon(either_host, "HALF")
    assert [known["coupon"] for known in paid_on_a_page(either_host, "HALF").discounts] == [half]


@pytest.mark.parametrize("is_known", [True, False])
def test_a_code_from_a_page__is_replaced_and_kept(host: SubscriptionHost, is_known: bool) -> None:
    half, forty, given = coupon(host, "HALF"), coupon(host, "FORTY", percent_off=40), coupon(host, percent_off=10)
    found = paid_on_a_page(host, "HALF")
    if not is_known:
        Subscription.objects.update(discounts=[{"discount": found.discounts[0]["discount"]}])
        found.refresh_from_db()
    found = apply_discount(subscription=found, coupon=given)
    assert {known["coupon"] for known in found.discounts} == at_stripe(host, found) == {half, given}
    found = apply_discount(subscription=found, promotion_code="FORTY")
    assert {known["coupon"] for known in found.discounts} == at_stripe(host, found) == {forty, given}


def test_discounts_that_are_not_heard_of_yet(host: SubscriptionHost) -> None:
    """Stripe takes a list that overwrites all that there is, the seller's own too."""
    given, ten = coupon(host), coupon(host, "TEN", percent_off=10)
    found = host.subscribed()
    host.fake.change_subscription(found.provider_id, {"discounts": [{"coupon": given}]})
    answer = host.post("discount", {"subscription_id": found.provider_id, "promotion_code": "TEN"})
    assert {shown["coupon"] for shown in answer.json()["discounts"]} == at_stripe(host, found) == {given, ten}
    host.fake.change_subscription(found.provider_id, {"discounts": ""})
    # The row still has both.
    found = apply_discount(subscription=Subscription.objects.select_related("customer").get(), coupon=given)
    assert at_stripe(host, found) == {given}
    Subscription.objects.update(discounts=[])
    removed = remove_discount(subscription=Subscription.objects.select_related("customer").get())
    assert (removed.discounts, at_stripe(host, removed)) == ([], set())


def test_a_discount_whose_answer_was_lost(host: SubscriptionHost) -> None:
    """What stays is read anew, and what is sent then is another request than the first."""
    given, ten = coupon(host), coupon(host, "TEN", percent_off=10)
    found = host.subscribed()
    host.fake.fault("POST", "/v1/subscriptions/*", kind="reset_before")
    with pytest.raises(ProviderUnavailable):
        apply_discount(subscription=found, promotion_code="TEN")
    host.fake.change_subscription(found.provider_id, {"discounts": [{"coupon": given}]})
    found = apply_discount(subscription=found, promotion_code="TEN")
    assert {known["coupon"] for known in found.discounts} == at_stripe(host, found) == {given, ten}
    assert host.fake.get(host.fake.all("promotion_code")[0]["id"])["times_redeemed"] == 1


def test_unknown_code(host: SubscriptionHost) -> None:
    found = host.subscribed()
    answer = host.post("discount", {"subscription_id": found.provider_id, "promotion_code": "NONE"})
    assert (answer.status_code, answer.json()["code"]) == (400, "unknown_promotion_code")
    refused = host.post("discount", {"subscription_id": found.provider_id, "coupon": "X"})
    assert refused.status_code == 400


def test_sent_invoices(host: SubscriptionHost) -> None:
    found = subscribe(owner=host.user, plan=host.basic.plan, collection_method="send_invoice", days_until_due=30)
    assert (found.status, found.collection_method, found.days_until_due) == ("active", "send_invoice", 30)
    found = change_collection(subscription=found, collection_method="charge_automatically")
    assert (found.collection_method, found.days_until_due) == ("charge_automatically", None)
    found = change_collection(subscription=found, collection_method="send_invoice", days_until_due=14)
    assert (found.collection_method, found.days_until_due) == ("send_invoice", 14)


def sent(host: SubscriptionHost, **fields: Any) -> Subscription:
    """Return a subscription of which invoices are sent."""
    terms = {"collection_method": "send_invoice", "days_until_due": 30}
    found = subscribe(owner=host.user, plan=host.basic.plan, pricing=host.basic, **terms, **fields)
    host.deliver_new()
    return found


def paid(host: SubscriptionHost, found: Subscription) -> Subscription:
    """Return the subscription once its latest invoice was sent, and paid."""
    host.fake.advance(hours=2)
    host.fake.customer_pays(found.provider_id)
    host.deliver_new()
    found.refresh_from_db()
    return found


def invoices(host: SubscriptionHost) -> list[tuple[str, int]]:
    """Return how the invoices stand at Stripe, the oldest first."""
    return [(invoice["status"], invoice["total"]) for invoice in host.fake.all("invoice")]


def test_sent_invoices__change(either_host: SubscriptionHost) -> None:
    """What a change costs is on an invoice, too, for which it does not wait."""
    host = either_host
    yearly = host.sell("premium", Decimal("500.00"), interval="year")
    found = paid(host, sent(host))
    changed = change_subscription(subscription=found, pricing=host.premium, proration="always_invoice")
    assert (changed.pricing, changed.has_pending_update) == (host.premium, False)
    (_first, (status, total)) = invoices(host)
    assert (status, 2980 <= total <= 3000) == ("draft", True)
    changed = change_subscription(subscription=paid(host, changed), pricing=yearly)
    assert (changed.pricing, changed.has_pending_update, changed.status) == (yearly, False, "active")
    status, total = invoices(host)[2]
    assert (status, 45_000 <= total <= 45_050) == ("draft", True)


def test_sent_invoices__change_with_an_end(either_host: SubscriptionHost) -> None:
    host = either_host
    once = host.sell("course", Decimal("90.00"), auto_renew=False, interval="year")
    changed = change_subscription(subscription=paid(host, sent(host)), pricing=once)
    assert (changed.pricing, changed.cancel_at_period_end) == (once, True)


def test_sent_invoices__add_on(either_host: SubscriptionHost) -> None:
    host = either_host
    support = host.sell("support", Decimal("15.00"), is_add_on=True)
    added = add_item(subscription=sent(host), pricing=support, proration="always_invoice")
    assert (added.items.count(), added.has_pending_update) == (2, False)
    assert invoices(host) == [("draft", 2000), ("draft", 1500)]


def test_sent_invoices__trial(either_host: SubscriptionHost) -> None:
    host = either_host
    tried = sent(host, trial_days=14)
    assert tried.on_trial
    ended = end_trial(subscription=tried)
    assert (ended.status, invoices(host)[-1]) == ("active", ("draft", 2000))


def test_sent_invoices__change_in_a_trial(either_host: SubscriptionHost) -> None:
    host = either_host
    changed = change_subscription(subscription=sent(host, trial_days=14), pricing=host.premium)
    assert (changed.status, changed.pricing, changed.has_pending_update) == ("active", host.premium, False)


@pytest.mark.parametrize(
    ("method", "days", "field"),
    [
        ("send_invoice", None, "days_until_due"),
        ("send_invoice", 0, "days_until_due"),
        ("send_invoice", 30.5, "days_until_due"),
        ("send_invoice", "30", "days_until_due"),
        ("charge_automatically", 30, "days_until_due"),
        ("cash", None, "collection_method"),
        ("", None, "collection_method"),
    ],
)
def test_unacceptable(host: SubscriptionHost, method: str, days: Any, field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        change_collection(subscription=host.subscribed(), collection_method=method, days_until_due=days)
    assert refused.value.field == field
