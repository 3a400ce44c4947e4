"""Checkout within the host's own page: a secret instead of an address, handed on and never stored."""

from __future__ import annotations

from typing import Any

import pytest
from django.core import serializers
from payments import PaymentError, RedirectNeeded, get_payment_model

from django_stripe_gateway import exceptions
from django_stripe_gateway.adapter import CallKind
from django_stripe_gateway.models import IdempotencyKey, PaymentOperation, Subscription
from django_stripe_gateway.services.payments.create import start_payment
from django_stripe_gateway.services.payments.refresh import sync_payment
from django_stripe_gateway.services.subscriptions.subscribe import subscribe
from tests.test_billing.host import SubscriptionHost
from tests.test_further_params.adding import ADDED
from tests.test_services.conftest import Shop, run_out_leases

pytestmark = pytest.mark.django_db(transaction=True)

EMBEDDED = {"ui_mode": "embedded_page"}
PAGE = "https://shop.example.com/"


@pytest.fixture(autouse=True)
def _embedded(_adding: None) -> None:
    ADDED[CallKind.PAYMENT_PAGE] = ADDED[CallKind.SUBSCRIPTION_PAGE] = EMBEDDED


def stored(secret: str) -> bool:
    rows: list[Any] = [*get_payment_model().objects.all(), *PaymentOperation.objects.all()]
    return secret in serializers.serialize("json", [*rows, *Subscription.objects.all(), *IdempotencyKey.objects.all()])


def test_payment__secret_and_one_address_to_return_to(shop: Shop) -> None:
    payment = shop.waiting()
    assert payment.client_secret == shop.stripe.get(payment.transaction_id)["client_secret"]
    assert payment.gateway_url == ""
    (request,) = shop.mutations("/sessions")
    assert request.params["return_url"] == payment.get_success_url()
    assert {"success_url", "cancel_url"}.isdisjoint(request.params)
    assert not stored(payment.client_secret)


@pytest.mark.parametrize("mode", ["if_required", "never"])
def test_payment__whose_customer_never_leaves(shop: Shop, mode: str) -> None:
    ADDED[CallKind.PAYMENT_PAGE] = {**EMBEDDED, "redirect_on_completion": mode}
    assert shop.waiting().client_secret
    (request,) = shop.mutations("/sessions")
    assert ("return_url" in request.params) == (mode != "never")


def test_payment__paid(shop: Shop) -> None:
    payment = shop.waiting()
    shop.stripe.complete_checkout(payment.transaction_id)
    payment = sync_payment(payment=payment)
    assert (payment.status, payment.client_secret) == ("confirmed", "")


def test_start__an_open_page_is_given_back_with_its_secret(shop: Shop) -> None:
    made = shop.waiting()
    again = start_payment(payment=get_payment_model().objects.get(pk=made.pk))
    assert again.client_secret == made.client_secret
    assert len(shop.mutations("/sessions")) == 1
    # A page of Stripe's own costs no call.
    ADDED.clear()
    hosted = shop.waiting()
    shop.stripe.forget_requests()
    assert start_payment(payment=hosted).gateway_url
    assert shop.stripe.requests == []


def test_create__the_same_key_asks_for_the_secret_again(shop: Shop) -> None:
    first = shop.waiting(idempotency_key="k")
    second = shop.waiting(idempotency_key="k")
    assert (second.pk, second.client_secret) == (first.pk, first.client_secret)


def test_create__whose_answer_was_lost(shop: Shop) -> None:
    shop.stripe.fault("POST", "/v1/checkout/sessions", kind="reset_after")
    with pytest.raises(exceptions.ProviderUnavailable):
        shop.waiting(idempotency_key="k")
    run_out_leases()
    ADDED.clear()
    payment = shop.waiting(idempotency_key="k")
    assert payment.client_secret
    assert len(shop.stripe.all("checkout.session")) == 1


def test_get_form__says_that_there_is_no_page(shop: Shop) -> None:
    payment = shop.waiting()
    with pytest.raises(PaymentError) as caught:
        payment.get_form()
    assert caught.value.code == "no_redirect"
    assert payment.client_secret
    shop.stripe.complete_checkout(payment.transaction_id)
    with pytest.raises(RedirectNeeded):
        sync_payment(payment=payment).get_form()


def test_subscription__secret_of_its_page_and_again(host: SubscriptionHost) -> None:
    def begin() -> Subscription:
        plan = host.basic.plan
        return subscribe(
            owner=host.user, plan=plan, mode="checkout", success_url=PAGE, cancel_url=PAGE, idempotency_key="k"
        )

    first = begin()
    assert first.client_secret == host.fake.get(first.checkout_id)["client_secret"]
    assert (first.client_secret_kind, first.gateway_url) == ("page", "")
    second = begin()
    assert (second.pk, second.client_secret, second.client_secret_kind) == (first.pk, first.client_secret, "page")
    assert not stored(first.client_secret)


def test_api__payment_and_subscription(host: SubscriptionHost) -> None:
    body = {"gateway": "Stripe", "amount": "10.00", "currency": "USD"}
    key = {"HTTP_IDEMPOTENCY_KEY": "one"}
    first, second = (
        host.client.post("/api/v1/payments/create_payment/", body, format="json", **key).json() for _ in range(2)
    )
    assert first["client_secret"] == second["client_secret"] != ""
    assert "gateway_url" not in first
    key = {"HTTP_IDEMPOTENCY_KEY": "two"}
    asked = {"plan_id": host.basic.plan_id, "mode": "checkout"}
    first, second = (host.post("subscribe", asked, **key).json() for _ in range(2))
    assert first["client_secret"] == second["client_secret"] != ""
    assert first["client_secret_kind"] == second["client_secret_kind"] == "page"
    assert not stored(first["client_secret"])
