"""One page at a time can be paid, whatever our clock says."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from django_stripe_gateway.models import PaymentOperation
from django_stripe_gateway.payments import start_payment, sync_payment
from django_stripe_gateway.services.payments.reconcile import reconcile_operations
from tests.test_services.conftest import Shop, run_out_leases

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
