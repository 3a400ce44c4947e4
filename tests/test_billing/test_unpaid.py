"""A first payment that was never made, and its customer who subscribes to the plan again."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from django_stripe_gateway.exceptions import ProviderUnavailable, WrongState
from django_stripe_gateway.models import BillingOperation, Subscription
from django_stripe_gateway.services.subscriptions import unpaid
from django_stripe_gateway.services.subscriptions.subscribe import subscribe
from tests.test_billing.host import SubscriptionHost

pytestmark = pytest.mark.django_db(transaction=True)


def other_price(host: SubscriptionHost) -> dict[str, Any]:
    return {"pricing_id": host.sell("basic", Decimal("200.00"), interval="year").pk}


def more_seats(host: SubscriptionHost) -> dict[str, Any]:
    host.basic.is_per_seat = True
    host.basic.save()
    return {"quantity": 3}


def add_on(host: SubscriptionHost) -> dict[str, Any]:
    support = host.sell("support", Decimal("15.00"), is_add_on=True, may_be_added=True)
    return {"add_ons": [{"pricing_id": support.pk}]}


def promotion_code(host: SubscriptionHost) -> dict[str, Any]:
    host.fake.promotion_code(host.fake.coupon(percent_off=50, duration="forever")["id"], "HALF")
    return {"promotion_code": "HALF"}


def payment_method(host: SubscriptionHost) -> dict[str, Any]:
    host.fake.customer_changes_card(host.customer.provider_id, "pm_card_chargeCustomerFail")
    settings = host.fake.get(host.customer.provider_id)["invoice_settings"]
    return {"payment_method": settings["default_payment_method"]}


def page(host: SubscriptionHost) -> dict[str, Any]:
    return {"mode": "checkout"}


@pytest.mark.parametrize("ask", [other_price, more_seats, add_on, promotion_code, payment_method, page])
def test_something_else(either_host: SubscriptionHost, ask: Callable[[SubscriptionHost], dict[str, Any]]) -> None:
    host = either_host
    first = host.subscribe(pricing_id=host.basic.pk)
    body = {"pricing_id": host.basic.pk, **ask(host)}
    again = host.subscribe(**body)
    assert again["subscription_id"] != first["subscription_id"]
    # Nobody can pay for the one that was given up.
    given_up = host.fake.get(first["subscription_id"])
    assert (given_up["status"] in {"canceled", "incomplete_expired"}, given_up["ended_at"] is not None) == (True, True)
    assert host.fake.get(given_up["latest_invoice"])["status"] == "void"
    host.deliver_new()
    assert Subscription.objects.get(provider_id=first["subscription_id"]).has_ended
    assert Subscription.objects.not_ended().count() == 1
    if ask is not page:
        assert host.subscribe(**body)["subscription_id"] == again["subscription_id"]
    assert len(host.fake.all("subscription")) == (1 if ask is page else 2)


def on_a_page(host: SubscriptionHost) -> None:
    host.subscribe(mode="checkout", promotion_code="HALF")


def at_once(host: SubscriptionHost) -> None:
    host.subscribe(promotion_code="HALF")


@pytest.mark.parametrize("begin", [at_once, on_a_page])
@pytest.mark.parametrize("mode", ["direct", "checkout"])
def test_code_of_another_plan(either_host: SubscriptionHost, begin: Callable[..., None], mode: str) -> None:
    """A code goes to what is asked for last; nobody can use it for both."""
    host = either_host
    promotion_code(host)
    begin(host)
    host.deliver_new()
    host.subscribe(host.premium, promotion_code="HALF", mode=mode)
    host.deliver_new()
    (first,) = Subscription.objects.filter(plan=host.basic.plan)
    assert first.has_ended
    if first.provider_id:
        given_up = host.fake.get(first.provider_id)
        assert host.fake.get(given_up["latest_invoice"])["status"] == "void"
    else:
        assert host.fake.get(first.checkout_id)["status"] == "expired"


@pytest.mark.parametrize("begin", [at_once, on_a_page])
@pytest.mark.usefixtures("one_per_plan")
def test_code_for_what_runs(host: SubscriptionHost, begin: Callable[..., None]) -> None:
    running = host.subscribed(host.premium)
    promotion_code(host)
    begin(host)
    body = {"subscription_id": running.provider_id, "promotion_code": "HALF"}
    assert len(host.post("discount", body).json()["discounts"]) == 1
    assert Subscription.objects.not_ended().get() == running


def test_code_with_other_seats(either_host: SubscriptionHost) -> None:
    host = either_host
    more_seats(host)
    half = promotion_code(host)
    for seats in (2, 3, 4):
        host.subscribe(quantity=seats, **half)
        host.deliver_new()
    assert Subscription.objects.not_ended().get().quantity == 4


@pytest.mark.parametrize("status", ["canceled", "incomplete_expired"])
def test_code__after_an_attempt_that_was_cancelled(host: SubscriptionHost, status: str) -> None:
    """Whatever Stripe calls it, and whoever has ended it."""
    half = promotion_code(host)
    first = host.subscribe(**half)
    host.post("cancel", {"subscription_id": first["subscription_id"], "at_period_end": False})
    host.deliver_new()
    Subscription.objects.update(status=status)
    host.subscribe(**half)


@pytest.mark.parametrize("terms", [{"trial_days": 7}, {"collection_method": "send_invoice", "days_until_due": 30}, {}])
def test_code__after_what_cost_nothing(host: SubscriptionHost, terms: dict[str, Any]) -> None:
    """What was used without money has used the code."""
    half = promotion_code(host)
    host.fake.promotion_code(host.fake.coupon(percent_off=100, duration="forever")["id"], "FREE")
    code = half["promotion_code"] if terms else "FREE"
    first = subscribe(owner=host.user, plan=host.basic.plan, promotion_code=code, **terms)
    assert first.is_valid
    host.post("cancel", {"subscription_id": first.provider_id, "at_period_end": False})
    host.deliver_new()
    refused = host.post("subscribe", {"plan_id": host.basic.plan_id, "promotion_code": code})
    assert (refused.status_code, refused.json()["code"]) == (400, "promotion_code_used")


@pytest.mark.usefixtures("one_per_plan")
def test_code__of_what_is_refused(host: SubscriptionHost) -> None:
    """Nothing is ended for a request that is refused."""
    host.subscribed(host.premium)
    promotion_code(host)
    at_once(host)
    assert host.post("subscribe", {"plan_id": host.premium.plan_id, "promotion_code": "HALF"}).status_code == 409
    assert Subscription.objects.get(plan=host.basic.plan).status == "incomplete"


def test_terms_of_the_seller(either_host: SubscriptionHost) -> None:
    host = either_host
    host.subscribe()
    coupon = host.fake.coupon(percent_off=50, duration="forever")["id"]
    given = subscribe(owner=host.user, plan=host.basic.plan, coupon=coupon)
    assert given.discounts[0]["coupon"] == coupon
    sent = subscribe(owner=host.user, plan=host.basic.plan, collection_method="send_invoice", days_until_due=30)
    assert (sent.status, sent.collection_method, sent.discounts) == ("active", "send_invoice", [])
    assert Subscription.objects.not_ended().get() == sent


def test_same_key__same_answer(host: SubscriptionHost) -> None:
    keys = [{"HTTP_IDEMPOTENCY_KEY": key} for key in ("first", "second")]
    half = promotion_code(host)
    for key, body in zip(keys, ({}, half), strict=True):
        assert host.post("subscribe", {"plan_id": host.basic.plan_id, **body}, **key).status_code == 201
    first = subscribe(owner=host.user, plan=host.basic.plan, promotion_code="HALF", idempotency_key="second")
    assert first.status == "incomplete"
    assert len(host.fake.all("subscription")) == 2


@pytest.mark.parametrize("known", [False, True])
def test_paid_meanwhile(either_host: SubscriptionHost, monkeypatch: pytest.MonkeyPatch, known: bool) -> None:
    """Whoever pays while something else is asked for has the plan: what was paid for is not ended."""
    host = either_host
    first, half = host.subscribe(), promotion_code(host)
    end = unpaid.give_up_unpaid

    def raced(*args: Any) -> None:
        host.fake.customer_pays(first["subscription_id"])
        end(*args)

    if known:
        # Stripe knows, and its events have not arrived.
        host.fake.customer_pays(first["subscription_id"])
    else:
        monkeypatch.setattr(unpaid, "give_up_unpaid", raced)
    refused = host.post("subscribe", {"plan_id": host.basic.plan_id, **half})
    assert (refused.status_code, refused.json()["code"]) == (409, "already_subscribed")
    (subscription,) = host.fake.all("subscription")
    assert subscription["status"] == Subscription.objects.get().status == "active"


@pytest.mark.parametrize("path", ["/v1/invoices/*/void", "/v1/subscriptions/*"])
def test_fault(host: SubscriptionHost, path: str) -> None:
    """Nothing is started before the first one has ended for certain."""
    host.subscribe()
    promotion_code(host)
    host.fake.fault("DELETE" if "subscriptions" in path else "POST", path, kind="reset_after")
    with pytest.raises(ProviderUnavailable):
        subscribe(owner=host.user, plan=host.basic.plan, promotion_code="HALF")
    assert len(host.fake.all("subscription")) == 1
    # Under another key, as after a fault that Stripe would repeat.
    BillingOperation.objects.pending().update(idempotency_key="another")
    again = subscribe(owner=host.user, plan=host.basic.plan, promotion_code="HALF")
    assert Subscription.objects.not_ended().get() == again
    assert len(host.fake.all("subscription")) == 2


def test_made_elsewhere(host: SubscriptionHost) -> None:
    """What the seller has started is the seller's to end."""
    first = host.subscribe()
    BillingOperation.objects.filter(subscription__isnull=False).delete()
    assert host.subscribe()["subscription_id"] == first["subscription_id"]
    with pytest.raises(WrongState) as refused:
        subscribe(owner=host.user, plan=host.basic.plan, pricing=host.sell("basic", Decimal("30.00")))
    assert refused.value.code == "already_subscribed"
    assert host.fake.get(first["subscription_id"])["status"] == "incomplete"


def test_two_of_a_plan(host: SubscriptionHost, settings: Any) -> None:
    settings.STRIPE_GATEWAY_SUBSCRIPTIONS_PER_OWNER = "several"
    host.subscribe(pricing_id=host.basic.pk)
    host.subscribe(**other_price(host))
    assert [one["status"] for one in host.fake.all("subscription")] == ["incomplete", "incomplete"]
