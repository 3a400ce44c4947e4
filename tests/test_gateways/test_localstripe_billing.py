from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from django_stripe_gateway.exceptions import PaymentDeclined, UnsupportedByGateway
from django_stripe_gateway.gateways.billing_values import (
    ItemChange,
    SubscriptionChange,
    SubscriptionCheckoutRequest,
    SubscriptionRequest,
)
from tests.test_gateways.billing_conformance import OnLocalstripe


@pytest.mark.localstripe
@pytest.mark.parametrize(
    "call",
    [
        lambda biller, found: biller.gateway.find_promotion_code("x"),
        lambda biller, found: biller.gateway.create_portal_url(found.customer_id, "https://x", idempotency_key="k"),
        lambda biller, found: biller.gateway.preview_change(
            found.subscription_id,
            found.customer_id,
            SubscriptionChange([ItemChange(found.items[0].item_id, quantity=2)]),
        ),
        lambda biller, found: biller.gateway.pause_subscription(
            found.subscription_id, behavior="void", resumes_at=None, idempotency_key="k"
        ),
        lambda biller, found: biller.gateway.unpause_subscription(found.subscription_id, idempotency_key="k"),
        lambda biller, found: biller.gateway.create_subscription_checkout(
            SubscriptionCheckoutRequest(SubscriptionRequest("cus_1", "plan_1"), "", ""), idempotency_key="k"
        ),
        lambda biller, found: biller.gateway.retrieve_subscription_checkout("cs_1"),
        lambda biller, found: biller.gateway.expire_subscription_checkout("cs_1", idempotency_key="k"),
        lambda biller, found: biller.gateway.create_subscription(
            SubscriptionRequest("cus_1", "plan_1", coupon="x"), idempotency_key="k"
        ),
        lambda biller, found: biller.gateway.create_subscription(
            SubscriptionRequest("cus_1", "plan_1", automatic_tax=True), idempotency_key="k"
        ),
        lambda biller, found: biller.gateway.change_subscription(
            found.subscription_id,
            SubscriptionChange([ItemChange(found.items[0].item_id, quantity=2)], proration="always_invoice"),
            idempotency_key="k",
        ),
    ],
)
def test_localstripe__refuses_what_it_cannot_do(localstripe: str, call: Callable[[OnLocalstripe, Any], Any]) -> None:
    biller = OnLocalstripe()
    found = biller.active()
    with pytest.raises(UnsupportedByGateway, match="localstripe does not know") as caught:
        call(biller, found)
    assert caught.value.status_code == 501
    assert biller.gateway.retrieve_subscription(found.subscription_id) == found


@pytest.mark.localstripe
def test_localstripe__no_payment_method(localstripe: str) -> None:
    biller = OnLocalstripe()
    with pytest.raises(PaymentDeclined) as caught:
        biller.subscribe(biller.customer(""), biller.price())
    assert caught.value.code == "payment_method_missing"


@pytest.mark.localstripe
def test_localstripe__method_of_the_request(localstripe: str) -> None:
    biller = OnLocalstripe()
    customer = biller.customer("")
    method = biller.gateway.attach_payment_method("pm_card_visa", customer.customer_id, idempotency_key=biller.key())
    made = biller.subscribe(customer, biller.price(), default_payment_method=method.payment_method_id)
    assert made.status == "active"
