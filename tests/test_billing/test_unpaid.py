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
    host.fake.customer_changes_card(host.customer.provider_id, "pm_card_visa")
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
    settings.STRIPE_GATEWAY_ALLOW_DUPLICATE_SUBSCRIPTIONS = True
    host.subscribe(pricing_id=host.basic.pk)
    host.subscribe(**other_price(host))
    assert [one["status"] for one in host.fake.all("subscription")] == ["incomplete", "incomplete"]
