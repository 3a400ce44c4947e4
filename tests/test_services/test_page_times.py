"""A page closes when it should, by the provider's clock, however late the call arrives and whatever our clock says."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from django_stripe_gateway.exceptions import ProviderError, ProviderUnavailable
from django_stripe_gateway.models import BillingOperation, PaymentOperation, get_payment_model
from tests.test_billing.host import SubscriptionHost
from tests.test_services.conftest import Shop, run_out_leases

pytestmark = pytest.mark.django_db(transaction=True)

PAGES = "/v1/checkout/sessions"
HALF_AN_HOUR, DAY = 1800, 86400


def skew(fake: Any, seconds: float) -> None:
    """Let Stripe's clock be ahead of ours."""
    fake.state.clock = lambda: time.time() + seconds


def open_for(session: dict[str, Any]) -> int:
    return int(session["expires_at"] - session["created"])


def age(table: Any, seconds: int) -> None:
    """Let the moment that an operation has kept be as near as it is after a while."""
    for operation in table.objects.pending():
        closes = timezone.datetime.fromisoformat(operation.params["expires_at"]) - timedelta(seconds=seconds)
        operation.params["expires_at"] = closes.isoformat()
        operation.save()


@pytest.mark.parametrize("asked", [HALF_AN_HOUR, HALF_AN_HOUR + 1, 3600, DAY - 1, DAY])
@pytest.mark.parametrize("ahead", [-240, 0, 240])
def test_clock_that_is_minutes_off(shop: Shop, settings: Any, asked: int, ahead: int) -> None:
    settings.STRIPE_GATEWAY_CHECKOUT_EXPIRES_AFTER = asked
    skew(shop.stripe, ahead)
    payment = shop.waiting()
    assert HALF_AN_HOUR <= open_for(payment.stored_session) <= DAY
    # At once: no call was refused.
    assert len(shop.mutations(PAGES)) == 1


@pytest.mark.parametrize("asked", [HALF_AN_HOUR, DAY])
@pytest.mark.parametrize("ahead", [-7200, 7200])
def test_clock_that_is_hours_off(shop: Shop, settings: Any, asked: int, ahead: int) -> None:
    settings.STRIPE_GATEWAY_CHECKOUT_EXPIRES_AFTER = asked
    skew(shop.stripe, ahead)
    payment = shop.waiting()
    length, (first, *more) = open_for(payment.stored_session), shop.mutations(PAGES)
    assert HALF_AN_HOUR <= length <= DAY
    if more:
        # The refusal has told what Stripe's clock says.
        assert abs(length - min(max(asked, 2100), 86100)) < 30
        assert first.idempotency_key != more[0].idempotency_key
        assert len(more) == 1
    assert payment.transaction_id == shop.stripe.all("checkout.session")[0]["id"]
    assert PaymentOperation.objects.get().state == "succeeded"


def test_request_that_arrives_late(shop: Shop, settings: Any) -> None:
    settings.STRIPE_GATEWAY_CHECKOUT_EXPIRES_AFTER = HALF_AN_HOUR
    # Two attempts of the SDK have run out before one is answered.
    shop.stripe.interrupt("POST", PAGES, lambda: skew(shop.stripe, 120))
    assert open_for(shop.waiting().stored_session) >= HALF_AN_HOUR


def test_repeat_is_the_same_request(shop: Shop, settings: Any) -> None:
    settings.STRIPE_GATEWAY_CHECKOUT_EXPIRES_AFTER = HALF_AN_HOUR
    shop.stripe.fault("POST", PAGES, kind="reset_before")
    with pytest.raises(ProviderUnavailable):
        shop.waiting(idempotency_key="once")
    payment = shop.waiting(idempotency_key="once")
    assert payment.gateway_url
    first, second = shop.mutations(PAGES)
    assert first.idempotency_key == second.idempotency_key
    assert len(shop.stripe.all("checkout.session")) == 1


def test_repeat_after_the_moment_has_aged(shop: Shop, settings: Any) -> None:
    settings.STRIPE_GATEWAY_CHECKOUT_EXPIRES_AFTER = HALF_AN_HOUR
    shop.stripe.fault("POST", PAGES, kind="reset_before")
    with pytest.raises(ProviderUnavailable):
        shop.waiting(idempotency_key="once")
    age(PaymentOperation, 1200)
    payment = shop.waiting(idempotency_key="once")
    assert payment.gateway_url
    assert open_for(payment.stored_session) >= HALF_AN_HOUR
    first, second = shop.mutations(PAGES)
    assert first.idempotency_key != second.idempotency_key
    # It was looked first whether the lost request has made one.
    asked = [(request.method, request.path) for request in shop.stripe.requests]
    assert asked.index(("GET", PAGES)) < len(asked) - 1
    assert get_payment_model().objects.count() == 1


def test_repeat_finds_the_page_that_was_made(shop: Shop, settings: Any) -> None:
    settings.STRIPE_GATEWAY_CHECKOUT_EXPIRES_AFTER = HALF_AN_HOUR
    shop.stripe.fault("POST", PAGES, kind="reset_after")
    with pytest.raises(ProviderUnavailable):
        shop.waiting(idempotency_key="once")
    age(PaymentOperation, 1200)
    assert shop.waiting(idempotency_key="once").gateway_url
    assert len(shop.mutations(PAGES)) == len(shop.stripe.all("checkout.session")) == 1


def test_reconcile_after_the_moment_has_aged(shop: Shop, settings: Any) -> None:
    from django_stripe_gateway.services.operations.reconcile import settle_pending

    settings.STRIPE_GATEWAY_CHECKOUT_EXPIRES_AFTER = HALF_AN_HOUR
    shop.stripe.fault("POST", PAGES, kind="reset_before")
    with pytest.raises(ProviderUnavailable):
        shop.waiting()
    age(PaymentOperation, 7200)
    run_out_leases()
    list(settle_pending(PaymentOperation))
    payment = get_payment_model().objects.get()
    assert payment.status == "waiting"
    assert open_for(payment.stored_session) >= HALF_AN_HOUR


def test_setting_that_was_taken_back(shop: Shop, settings: Any) -> None:
    settings.STRIPE_GATEWAY_CHECKOUT_EXPIRES_AFTER = HALF_AN_HOUR
    shop.stripe.fault("POST", PAGES, kind="reset_before")
    with pytest.raises(ProviderUnavailable):
        shop.waiting(idempotency_key="once")
    age(PaymentOperation, 7200)
    settings.STRIPE_GATEWAY_CHECKOUT_EXPIRES_AFTER = None
    assert open_for(shop.waiting(idempotency_key="once").stored_session) == DAY


def test_provider_that_refuses_any_moment(shop: Shop, settings: Any) -> None:
    settings.STRIPE_GATEWAY_CHECKOUT_EXPIRES_AFTER = HALF_AN_HOUR

    def tick() -> None:
        skew(shop.stripe, 10_000_000 * len(shop.mutations(PAGES)))

    shop.stripe.interrupt("POST", PAGES, tick)
    shop.stripe.interrupt("POST", PAGES, tick, after=1)
    with pytest.raises(ProviderError):
        shop.waiting()
    assert get_payment_model().objects.get().status == "error"
    assert len(shop.mutations(PAGES)) == 2


def subscription_page(host: SubscriptionHost) -> Any:
    body = {"plan_id": host.basic.plan_id, "mode": "checkout"}
    return host.post("subscribe", body, headers={"Idempotency-Key": "page"})


def setup_page(host: SubscriptionHost) -> Any:
    return host.post("payment_methods", {"mode": "checkout"})


@pytest.fixture
def host(stripe_server: Any, user: Any, api_client: Any) -> SubscriptionHost:
    return SubscriptionHost(stripe_server, user, api_client)


@pytest.mark.parametrize("make", [subscription_page, setup_page])
@pytest.mark.parametrize("ahead", [0, 240, 7200])
def test_pages_of_subscriptions_and_cards(host: SubscriptionHost, settings: Any, make: Any, ahead: int) -> None:
    settings.STRIPE_GATEWAY_CHECKOUT_EXPIRES_AFTER = HALF_AN_HOUR
    settings.STRIPE_GATEWAY_PORTAL_RETURN_URL = "https://shop.example/account/"
    skew(host.fake, ahead)
    answer = make(host)
    assert answer.status_code == 201, answer.content
    (page,) = host.fake.all("checkout.session")
    assert 2070 < open_for(page) + min(ahead, 240) % 7200 <= 2340
    assert open_for(page) >= HALF_AN_HOUR


@pytest.mark.parametrize("make", [subscription_page, setup_page])
def test_pages_of_subscriptions_and_cards__repeated(host: SubscriptionHost, settings: Any, make: Any) -> None:
    settings.STRIPE_GATEWAY_CHECKOUT_EXPIRES_AFTER = HALF_AN_HOUR
    settings.STRIPE_GATEWAY_PORTAL_RETURN_URL = "https://shop.example/account/"
    host.fake.fault("POST", PAGES, kind="reset_before")
    assert make(host).status_code == 502
    age(BillingOperation, 1200)
    answer = make(host)
    assert answer.status_code == 201, answer.content
    (page,) = host.fake.all("checkout.session")
    assert open_for(page) >= HALF_AN_HOUR
