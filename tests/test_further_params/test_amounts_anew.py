"""Pages that add taxes, delivery or discounts, where the payment is started anew."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from django_stripe_gateway.adapter import CallKind
from django_stripe_gateway.exceptions import WrongState
from django_stripe_gateway.models import PaymentOperation, UnexpectedPayment
from django_stripe_gateway.payments import accept_unexpected, start_payment, sync_payment
from tests.test_further_params.adding import ADDED
from tests.test_further_params.test_amounts import SHIPPING, TAX, costs, make_coupon
from tests.test_services.conftest import Shop
from tests.test_services.test_overtaken import changed
from tests.test_services.test_unexpected import events_of, with_an_older_page
from tests.test_webhooks.support import deliver_all

pytestmark = pytest.mark.django_db(transaction=True)


def pages(shop: Shop, status: str = "open") -> list[str]:
    return [session["id"] for session in shop.stripe.all("checkout.session") if session["status"] == status]


def test_total_that_the_host_has_changed__is_asked_for(shop: Shop) -> None:
    ADDED[CallKind.PAYMENT_PAGE] = TAX
    payment = start_payment(payment=changed(shop.waiting("10.00")))
    assert costs(payment)[:2] == ("waiting", "20.00")
    assert pages(shop) == [payment.transaction_id]
    shop.stripe.complete_checkout(payment.transaction_id)
    assert costs(sync_payment(payment=payment)) == ("confirmed", "24.00", "4.00", "0.00", "24.00")


@pytest.mark.parametrize("way", ["asked", "events"])
def test_sums_that_do_not_add_up__are_not_paid_twice(shop: Shop, way: str) -> None:
    ADDED[CallKind.PAYMENT_PAGE] = TAX
    payment = shop.waiting("10.00")
    shop.stripe.act(
        payment.transaction_id, lambda _scope, session: session.update(amount_subtotal=900, amount_total=900)
    )
    shop.stripe.complete_checkout(payment.transaction_id)
    if way == "asked":
        sync_payment(payment=payment)
    else:
        deliver_all(shop.stripe.events())
    row = UnexpectedPayment.objects.open().get()
    assert (row.object_id, row.reason) == (payment.transaction_id, "amount")
    with pytest.raises(WrongState) as caught:
        start_payment(payment=payment)
    assert caught.value.code == "needs_decision"
    assert len(shop.stripe.all("checkout.session")) == 1
    payment = accept_unexpected(payment=payment)
    assert payment.status == "confirmed"
    assert payment.total == payment.captured_amount == row.amount


@pytest.mark.parametrize("is_fresh", [True, False])
@pytest.mark.parametrize("added", ["delivery", "discount"])
def test_page_that_adds__is_used_again(shop: Shop, added: str, is_fresh: bool) -> None:
    ADDED[CallKind.PAYMENT_PAGE] = SHIPPING if added == "delivery" else {"discounts": [{"coupon": make_coupon(25)}]}
    payment = shop.waiting("10.00")
    first = payment.transaction_id
    if not is_fresh:
        PaymentOperation.objects.update(created=timezone.now() - timedelta(hours=1))
    for _time in range(2):
        payment = start_payment(payment=payment)
        assert payment.gateway_url
    assert pages(shop) == [first] == [session["id"] for session in shop.stripe.all("checkout.session")]


def test_page_that_adds__costs_what_the_payment_costs_now(shop: Shop) -> None:
    ADDED[CallKind.PAYMENT_PAGE] = SHIPPING
    payment = shop.waiting("10.00")
    # As much as the open page, with its delivery.
    payment = start_payment(payment=changed(payment, 15))
    assert pages(shop) == [payment.transaction_id]
    assert shop.stripe.get(payment.transaction_id)["amount_subtotal"] == 1500


@pytest.mark.parametrize("kind", ["payment_intent.succeeded", "checkout.session.completed"])
def test_earlier_page_that_adds__paid_after_all(shop: Shop, kind: str) -> None:
    ADDED[CallKind.PAYMENT_PAGE] = TAX
    payment, first = with_an_older_page(shop)
    shop.stripe.complete_checkout(first)
    assert deliver_all([event for event in events_of(shop) if event["type"] == kind]) == ["mismatched"]
    row = UnexpectedPayment.objects.get()
    assert (row.reason, row.intent_id) == ("second", shop.stripe.get(first)["payment_intent"])
    payment.refresh_from_db()
    assert costs(payment)[:2] == ("waiting", "10.00")
