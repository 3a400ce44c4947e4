"""What Stripe refuses because of what the customer has chosen: with its reason at each endpoint, never 502."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
import stripe

from django_stripe_gateway.exceptions import GatewayError
from django_stripe_gateway.gateways.stripe.errors import translate
from django_stripe_gateway.models import PlanPricing, Subscription
from tests.test_billing.host import SubscriptionHost

pytestmark = pytest.mark.django_db(transaction=True)

Refusal = Callable[[SubscriptionHost], tuple[dict[str, Any], str]]


def code_of(host: SubscriptionHost, restricted: dict[str, Any], **coupon: Any) -> dict[str, str]:
    """Let the seller make a promotion code, and return what the customer enters."""
    made = host.fake.coupon(percent_off=50, duration="forever", **coupon)
    host.fake.promotion_code(made["id"], "HALF", **restricted)
    return {"promotion_code": "HALF"}


# The code of each refusal, and a body that meets it.


def first_orders_only(host: SubscriptionHost) -> tuple[dict[str, Any], str]:
    if not Subscription.objects.exists():
        # They had one before.
        earlier = host.subscribed()
        host.post("cancel", {"subscription_id": earlier.provider_id, "at_period_end": False})
        host.deliver_new()
    return code_of(host, {"restrictions": {"first_time_transaction": True}}), "promotion_code_refused"


def larger_orders_only(host: SubscriptionHost) -> tuple[dict[str, Any], str]:
    least = {"minimum_amount": 100_000, "minimum_amount_currency": "usd"}
    return code_of(host, {"restrictions": least}), "promotion_code_refused"


def of_another_customer(host: SubscriptionHost) -> tuple[dict[str, Any], str]:
    return code_of(host, {"customer": host.v1.customers.create({}).id}), "promotion_code_refused"


def of_another_product(host: SubscriptionHost) -> tuple[dict[str, Any], str]:
    other = host.v1.products.create({"name": "Other"}).id
    return code_of(host, {}, applies_to={"products": [other]}), "coupon_applies_to_nothing"


def expired(host: SubscriptionHost) -> tuple[dict[str, Any], str]:
    body = code_of(host, {"expires_at": int(host.fake.state.now()) + 60})
    host.fake.advance(seconds=120)
    return body, "coupon_expired"


def used_up(host: SubscriptionHost) -> tuple[dict[str, Any], str]:
    body = code_of(host, {}, max_redemptions=1)
    with host.fake.state.acting():
        _scope, coupon = host.fake.state.locate(host.fake.all("promotion_code")[0]["promotion"]["coupon"])
        coupon["times_redeemed"] = 1
    return body, "coupon_expired"


def unknown(host: SubscriptionHost) -> tuple[dict[str, Any], str]:
    return {"promotion_code": "NEVER-HEARD"}, "unknown_promotion_code"


DISCOUNTS: list[Refusal] = [
    first_orders_only,
    larger_orders_only,
    of_another_customer,
    of_another_product,
    expired,
    used_up,
    unknown,
]


@pytest.mark.parametrize("endpoint", ["direct", "checkout", "discount"])
@pytest.mark.parametrize("refuse", DISCOUNTS)
def test_discount(either_host: SubscriptionHost, endpoint: str, refuse: Refusal) -> None:
    host = either_host
    if endpoint == "discount":
        running = host.subscribed()
        body, code = refuse(host)
        answer = host.post("discount", {"subscription_id": running.provider_id, **body})
    else:
        body, code = refuse(host)
        answer = host.post("subscribe", {"plan_id": host.premium.plan_id, "mode": endpoint, **body})
    assert (answer.status_code, answer.json()["field"]) == (400, "promotion_code"), answer.content
    assert answer.json()["code"] in (code, "unknown_promotion_code")
    assert answer.json()["detail"]
    # Nothing is left of it, and the customer may go on without the code.
    if endpoint != "discount":
        assert not Subscription.objects.not_ended().exists()
        host.subscribe(host.premium)


def archived(host: SubscriptionHost, pricing: PlanPricing) -> None:
    host.v1.prices.update(pricing.stripe_price_id, {"active": False})


def archived_with_its_product(host: SubscriptionHost, pricing: PlanPricing) -> None:
    host.v1.products.update(pricing.stripe_product_id, {"active": False})


@pytest.mark.parametrize("archive", [archived, archived_with_its_product])
@pytest.mark.parametrize("endpoint", ["direct", "checkout", "change", "preview", "at_period_end", "items"])
def test_price_that_is_sold_no_more(
    either_host: SubscriptionHost, endpoint: str, archive: Callable[[SubscriptionHost, PlanPricing], None]
) -> None:
    """At Stripe, and nobody here has heard of it."""
    host = either_host
    asked = host.premium
    if endpoint == "items":
        asked = host.sell("support", Decimal("15.00"), is_add_on=True, may_be_added=True)
    running = None if endpoint in ("direct", "checkout") else host.subscribed()
    archive(host, asked)
    if running is None:
        answer = host.post("subscribe", {"plan_id": asked.plan_id, "mode": endpoint})
    elif endpoint == "items":
        answer = host.post("items", {"subscription_id": running.provider_id, "pricing_id": asked.pk})
    else:
        how = {} if endpoint == "change" else {endpoint: True}
        answer = host.post("change", {"subscription_id": running.provider_id, "plan_id": asked.plan_id, **how})
    assert (answer.status_code, answer.json()["code"]) == (400, "not_for_sale"), answer.content
    assert answer.json()["field"] == "pricing_id"


@pytest.mark.parametrize("mode", ["direct", "checkout"])
def test_currency_that_the_customer_cannot_have(either_host: SubscriptionHost, one_per_plan: None, mode: str) -> None:
    host = either_host
    host.subscribed(host.sell("euro", Decimal("20.00"), currency="EUR"))
    answer = host.post("subscribe", {"pricing_id": host.premium.pk, "mode": mode})
    assert (answer.status_code, answer.json()["code"]) == (400, "other_currency")
    assert "eur" in answer.json()["detail"].lower()


def test_declined_card(host: SubscriptionHost) -> None:
    """What waits to be paid is refused with the bank's reason."""
    running = host.subscribed()
    host.change_card(running, "pm_card_chargeCustomerFail")
    host.fake.advance(days=31, hours=2)
    host.deliver_new()
    (invoice, *_others) = [one for one in host.get("invoices").json()["results"] if one["status"] == "open"]
    paid = host.post(f"invoices/{invoice['invoice_id']}/pay")
    assert (paid.status_code, paid.json()["type"]) == (402, "card_error")


@pytest.mark.parametrize("param", ["discounts[0][promotion_code]", "discounts[0][coupon]", "coupon", "promotion_code"])
@pytest.mark.parametrize("code", ["", "resource_missing", "coupon_expired"])
def test_discount__whatever_stripe_calls_it(param: str, code: str) -> None:
    """A code is looked up before it is used: it may be gone by then."""
    body = {"error": {"type": "invalid_request_error", "message": "No such code.", "param": param, "code": code}}
    error: GatewayError = translate(stripe.InvalidRequestError("x", param, http_status=400, json_body=body))
    assert (error.status_code, error.field, error.detail) == (400, "promotion_code", "No such code.")
    assert not getattr(error, "is_missing", False)
