"""Taxes, delivery and discounts of a payment's page: taken over when they add up, and refused when they do not."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from payments import get_payment_model

from django_stripe_gateway.adapter import CallKind
from django_stripe_gateway.choices import WebhookState
from django_stripe_gateway.gateways.registry import get_billing_gateway
from django_stripe_gateway.models import PaymentLog, UnexpectedPayment, WebhookEvent
from django_stripe_gateway.services.payments.capture import capture_payment
from django_stripe_gateway.services.payments.create import start_payment
from django_stripe_gateway.services.payments.refresh import sync_payment
from django_stripe_gateway.services.payments.refund import refund_payment
from tests.test_further_params.adding import ADDED
from tests.test_services.conftest import Shop
from tests.test_webhooks.support import deliver_all

pytestmark = pytest.mark.django_db(transaction=True)

TAX = {"automatic_tax": {"enabled": True}}
POST = {"display_name": "Post", "type": "fixed_amount", "fixed_amount": {"amount": 500, "currency": "usd"}}
COURIER = {**POST, "display_name": "Courier", "fixed_amount": {"amount": 900, "currency": "usd"}}
SHIPPING = {
    "shipping_address_collection": {"allowed_countries": ["DE"]},
    "shipping_options": [{"shipping_rate_data": POST}, {"shipping_rate_data": COURIER}],
}


def costs(payment: Any) -> tuple[str, ...]:
    payment = get_payment_model().objects.get(pk=payment.pk)
    names = ("total", "tax", "delivery", "captured_amount")
    return (payment.status, *(f"{getattr(payment, name):.2f}" for name in names))


def paid(shop: Shop, added: dict[str, Any], *, by_events: bool = False, order: int = 1, **fields: Any) -> Any:
    ADDED[CallKind.PAYMENT_PAGE] = added
    payment = shop.waiting("10.00", **fields)
    shop.stripe.complete_checkout(payment.transaction_id)
    if by_events:
        assert set(deliver_all(shop.stripe.events()[::order])) <= {"processed", "ignored"}
        return get_payment_model().objects.get(pk=payment.pk)
    return sync_payment(payment=payment)


@pytest.mark.parametrize(
    ("added", "expected"),
    [
        (TAX, ("12.00", "2.00", "0.00")),
        (SHIPPING, ("15.00", "0.00", "5.00")),
        ({**TAX, **SHIPPING}, ("18.00", "3.00", "5.00")),
    ],
)
@pytest.mark.parametrize("way", ["asked", "events", "events backwards"])
def test_page_that_adds(shop: Shop, added: dict[str, Any], expected: tuple[str, ...], way: str) -> None:
    payment = paid(shop, added, by_events=way != "asked", order=-1 if "backwards" in way else 1)
    assert costs(payment) == ("confirmed", *expected, expected[0])
    # Told once more, it is the same.
    deliver_all(shop.stripe.events())
    assert costs(sync_payment(payment=payment)) == ("confirmed", *expected, expected[0])
    assert not WebhookEvent.objects.filter(state=WebhookState.MISMATCHED).exists()


def test_page_that_adds__is_logged_and_itemised(shop: Shop) -> None:
    payment = paid(shop, {**TAX, **SHIPPING})
    log = PaymentLog.objects.get(payment=payment, message="10.00 -> 18.00 by taxes, delivery and discounts of its page")
    assert log.data == {"asked": "10.00", "total": "18.00", "tax": "3.00", "delivery": "5.00", "discount": "0.00"}
    session = payment.stored_session
    assert (session["amount_tax"], session["amount_shipping"]) == (300, 500)


def test_taxes_by_the_accounts_default__are_none_that_were_asked_for(shop: Shop) -> None:
    shop.stripe.state.taxes_by_default = True
    assert costs(paid(shop, {})) == ("confirmed", "10.00", "0.00", "0.00", "10.00")
    assert costs(paid(shop, TAX)) == ("confirmed", "12.00", "2.00", "0.00", "12.00")


def test_customer_chooses_delivery(shop: Shop) -> None:
    ADDED[CallKind.PAYMENT_PAGE] = SHIPPING
    payment = shop.waiting("10.00")
    # The first choice is in the open page's amount, which moves nothing.
    assert costs(sync_payment(payment=payment)) == ("waiting", "10.00", "0.00", "0.00", "0.00")
    shop.stripe.choose_shipping(payment.transaction_id, 1)
    shop.stripe.complete_checkout(payment.transaction_id)
    assert costs(sync_payment(payment=payment)) == ("confirmed", "19.00", "0.00", "9.00", "19.00")


def test_discount(shop: Shop) -> None:
    payment = paid(shop, {"discounts": [{"coupon": make_coupon(25)}]})
    assert costs(payment) == ("confirmed", "7.50", "0.00", "0.00", "7.50")
    assert payment.stored_session["amount_discount"] == 250


def test_whole_discount(shop: Shop) -> None:
    payment = paid(shop, {"discounts": [{"coupon": make_coupon(100)}]})
    assert costs(payment) == ("confirmed", "0.00", "0.00", "0.00", "0.00")


def test_authorised_captured_refunded(shop: Shop) -> None:
    payment = paid(shop, TAX, capture_method="manual")
    assert costs(payment) == ("preauth", "12.00", "2.00", "0.00", "0.00")
    payment = capture_payment(payment=payment)
    assert costs(payment) == ("confirmed", "12.00", "2.00", "0.00", "12.00")
    assert refund_payment(payment=payment).amount == Decimal("12.00")


def test_started_anew__what_was_asked_is_asked_again(shop: Shop) -> None:
    payment = paid(shop, TAX, capture_method="manual")
    # The authorisation runs out.
    v1().payment_intents.cancel(payment.intent_id)
    payment = sync_payment(payment=payment)
    assert (payment.status, payment.total) == ("rejected", Decimal("12.00"))
    payment = start_payment(payment=payment)
    assert costs(payment) == ("waiting", "10.00", "0.00", "0.00", "0.00")
    shop.stripe.complete_checkout(payment.transaction_id)
    assert costs(sync_payment(payment=payment))[:2] == ("preauth", "12.00")


def test_page_that_adds_though_the_host_did_not(shop: Shop) -> None:
    payment = shop.waiting("10.00")
    with shop.stripe.state.acting():
        _, session = shop.stripe.state.locate(payment.transaction_id)
        session["amount_total"], session["total_details"]["amount_tax"] = 1200, 200
    shop.stripe.complete_checkout(payment.transaction_id)
    assert costs(sync_payment(payment=payment))[:2] == ("waiting", "10.00")
    row = UnexpectedPayment.objects.open().get()
    assert (row.object_id, row.reason, f"{row.amount:.2f}") == (payment.transaction_id, "amount", "12.00")


@pytest.mark.parametrize("change", [{"amount_subtotal": 900}, {"amount_total": 1300}, {"amount_total": 900}])
def test_sums_that_do_not_add_up(shop: Shop, change: dict[str, int]) -> None:
    ADDED[CallKind.PAYMENT_PAGE] = TAX
    payment = shop.waiting("10.00")
    shop.stripe.complete_checkout(payment.transaction_id)
    with shop.stripe.state.acting():
        _, session = shop.stripe.state.locate(payment.transaction_id)
        session.update(change)
    assert costs(sync_payment(payment=payment))[:2] == ("waiting", "10.00")
    assert PaymentLog.objects.filter(payment=payment, event="mismatch").exists()


def test_prices_with_tax(shop: Shop) -> None:
    ADDED[CallKind.PAYMENT_PAGE] = TAX
    payment = shop.waiting("12.00")
    with shop.stripe.state.acting():
        _, session = shop.stripe.state.locate(payment.transaction_id)
        session["automatic_tax"]["status"] = "complete"
        session["total_details"]["amount_tax"] = 200
    shop.stripe.complete_checkout(payment.transaction_id)
    assert costs(sync_payment(payment=payment)) == ("confirmed", "12.00", "2.00", "0.00", "12.00")


def test_adaptive_pricing__settles_in_what_was_asked_for(shop: Shop) -> None:
    ADDED[CallKind.PAYMENT_PAGE] = {"adaptive_pricing": {"enabled": True}}
    payment = shop.waiting("10.00")
    shop.stripe.present_checkout(payment.transaction_id, "jpy", 1570)
    shop.stripe.complete_checkout(payment.transaction_id)
    assert set(deliver_all(shop.stripe.events())) <= {"processed", "ignored"}
    payment = get_payment_model().objects.get(pk=payment.pk)
    assert costs(payment) == ("confirmed", "10.00", "0.00", "0.00", "10.00")
    session = payment.stored_session
    assert (session["presentment_amount"], session["presentment_currency"]) == (1570, "jpy")


def make_coupon(percent: int) -> str:
    made: str = v1().coupons.create({"percent_off": percent, "duration": "once"}).id
    return made


def v1() -> Any:
    """Return the SDK's services, for what somebody else does at Stripe."""
    gateway: Any = get_billing_gateway("stripe")
    return gateway.v1
