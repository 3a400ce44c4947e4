"""One page at a time can be paid, whatever our clock says."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from django_stripe_gateway.conf import gateway_settings
from django_stripe_gateway.exceptions import ProviderError
from django_stripe_gateway.models import PaymentOperation
from django_stripe_gateway.payments import charge, start_payment, sync_payment
from django_stripe_gateway.services.operations.engine import lease_end
from django_stripe_gateway.services.payments import create
from django_stripe_gateway.services.payments.reconcile import reconcile_operations
from tests.test_services.conftest import Shop, run_out_leases
from tests.test_services.test_overtaken import changed, in_intent_flow
from tests.test_services.test_saved_cards import saved_card

pytestmark = pytest.mark.django_db(transaction=True)


def open_pages(shop: Shop) -> list[str]:
    return [session["id"] for session in shop.stripe.all("checkout.session") if session["status"] == "open"]


@pytest.mark.parametrize("hours", [-30, 30, 1])
def test_clock_that_is_wrong__the_open_page_again(shop: Shop, hours: int, monkeypatch: Any) -> None:
    payment = shop.waiting()
    real = timezone.now
    monkeypatch.setattr(timezone, "now", lambda: real() + timedelta(hours=hours))
    again = start_payment(payment=payment)
    assert again.gateway_url == payment.gateway_url
    assert len(shop.stripe.all("checkout.session")) == 1


@pytest.mark.parametrize("hours", [-30, 30, 1])
def test_clock_that_is_wrong__no_closed_page(shop: Shop, hours: int, monkeypatch: Any) -> None:
    payment = shop.waiting()
    shop.stripe.expire_session(payment.transaction_id)
    real = timezone.now
    monkeypatch.setattr(timezone, "now", lambda: real() + timedelta(hours=hours))
    again = start_payment(payment=payment)
    assert open_pages(shop) == [again.transaction_id]


def test_open_page_of_another_amount__is_closed_first(shop: Shop) -> None:
    payment = shop.waiting()
    first = payment.transaction_id
    payment.total = Decimal(12)
    payment.save(update_fields=["total"])
    again = start_payment(payment=payment)
    assert open_pages(shop) == [again.transaction_id] != [first]
    assert shop.stripe.get(again.transaction_id)["amount_total"] == 1200


def test_closed_for_us_and_open_there__is_closed_first(shop: Shop) -> None:
    payment = shop.waiting()
    first = payment.transaction_id
    shop.stripe.expire_session(first)
    payment = sync_payment(payment=payment)
    shop.stripe.act(first, lambda _scope, session: session.update(status="open", url="https://checkout.example/1"))
    again = start_payment(payment=payment)
    assert open_pages(shop) == [again.transaction_id] != [first]


def test_paid_meanwhile__is_taken(shop: Shop) -> None:
    payment = shop.waiting()
    first = payment.transaction_id
    shop.stripe.expire_session(first)
    payment = sync_payment(payment=payment)
    shop.stripe.act(first, lambda _scope, session: session.update(status="open", url="https://checkout.example/1"))
    shop.stripe.complete_checkout(first)
    again = start_payment(payment=payment)
    assert (again.status, again.transaction_id) == ("confirmed", first)
    assert len(shop.stripe.all("checkout.session")) == 1


@pytest.mark.parametrize("fault", ["error_500_before", "error_500_after", "reset_before", "reset_after"])
def test_killed_between(shop: Shop, fault: Any, settings: Any) -> None:
    settings.STRIPE_GATEWAY_MAX_NETWORK_RETRIES = 0
    payment = shop.waiting()
    payment.total = Decimal(12)
    payment.save(update_fields=["total"])
    shop.stripe.fault("POST", "/v1/checkout/sessions", kind=fault)
    with pytest.raises(Exception, match=r".+"):
        start_payment(payment=payment)
    run_out_leases()
    list(reconcile_operations())
    payment.refresh_from_db()
    assert open_pages(shop) == [payment.transaction_id]
    assert not PaymentOperation.objects.pending().exists()


@pytest.mark.parametrize("times", [1, 2])
def test_closing_is_refused__the_next_attempt_closes_it(shop: Shop, times: int, monkeypatch: Any) -> None:
    payment = shop.waiting()
    first = payment.transaction_id
    payment.total = Decimal(12)
    payment.save(update_fields=["total"])

    def refuse(*args: Any) -> Any:
        raise ProviderError("Stripe refused.", code="refused")

    with monkeypatch.context() as patched:
        patched.setattr(create, "settle_earlier", refuse)
        for _time in range(times):
            with pytest.raises(ProviderError):
                start_payment(payment=payment)
            payment.refresh_from_db()
    assert open_pages(shop) == [first]
    again = start_payment(payment=payment)
    assert open_pages(shop) == [again.transaction_id] != [first]


def test_lease__outlasts_every_call_of_a_new_attempt(shop: Shop) -> None:
    payment = shop.waiting()
    first = payment.transaction_id
    payment.total = Decimal(12)
    payment.save(update_fields=["total"])
    calls = gateway_settings.timeout * (gateway_settings.max_network_retries + 1)
    asked = len(shop.stripe.requests)
    start_payment(payment=payment)
    assert shop.stripe.get(first)["status"] == "expired"
    # A look before it, a look for what an earlier attempt has made, and a second page where the clock is wrong.
    most = len(shop.stripe.requests) - asked - 1 + 2
    assert lease_end() - timezone.now() > timedelta(seconds=calls * most)


@pytest.mark.parametrize("is_fresh", [True, False])
def test_intent_of_another_amount__is_cancelled_first(shop: Shop, is_fresh: bool, settings: Any) -> None:
    in_intent_flow(settings)
    payment = shop.waiting("10.00")
    first = payment.transaction_id
    if not is_fresh:
        PaymentOperation.objects.update(created=timezone.now() - timedelta(hours=1))
    again = start_payment(payment=changed(payment))
    intents = {intent["id"]: (intent["status"], intent["amount"]) for intent in shop.stripe.all("payment_intent")}
    assert intents == {first: ("canceled", 1000), again.transaction_id: ("requires_payment_method", 2000)}
    assert start_payment(payment=again).transaction_id == again.transaction_id


def test_charge_that_waits_for_authentication__is_cancelled_for_a_page(shop: Shop) -> None:
    saved_card(shop.user, "pm_card_authenticationRequired")
    payment = charge(owner=shop.user, amount=Decimal(10), currency="USD")
    assert payment.requires_action
    again = start_payment(payment=changed(payment))
    assert again.gateway_url
    assert [intent["status"] for intent in shop.stripe.all("payment_intent")] == ["canceled"]
    assert open_pages(shop) == [again.transaction_id]
