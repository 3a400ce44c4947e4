from __future__ import annotations

from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.test import Client
from payments import PaymentError, RedirectNeeded, get_payment_model
from payments.core import provider_factory
from rest_framework.test import APIClient

from django_stripe_gateway.choices import OperationKind, OperationState
from django_stripe_gateway.exceptions import (
    InvalidAmount,
    InvalidInput,
    PaymentDeclined,
    ProviderUnavailable,
    UnsupportedCurrency,
    WrongState,
)
from django_stripe_gateway.models import PaymentOperation
from django_stripe_gateway.services.payments import cancel as cancelling
from django_stripe_gateway.services.payments import capture as captures
from django_stripe_gateway.services.payments import create as payments
from django_stripe_gateway.services.payments import reconcile as reconciling
from django_stripe_gateway.services.payments import refund as refunds
from django_stripe_gateway.services.payments.refresh import sync_payment
from django_stripe_gateway.services.payments.returns import complete_return
from tests.factories import make_payment
from tests.test_paypal.conftest import Shop
from tests.test_services.conftest import run_out_leases

TEN = Decimal("10.00")

pytestmark = pytest.mark.django_db(transaction=True)


def visit(address: str) -> Any:
    """Let the buyer's browser open one of our pages."""
    parts = urlsplit(address)
    return Client().get(f"{parts.path}?{parts.query}", headers={"Accept": "application/json"})


def test_create_approve_return(shop: Shop, api_client: APIClient, recorded_signals: Any) -> None:
    answer = api_client.post(
        "/api/v1/payments/create_payment/", {"gateway": "PayPal", "amount": "10.00", "currency": "USD"}
    )
    assert answer.status_code == 201, answer.content
    payment = get_payment_model().objects.get(pk=answer.json()["payment_id"])
    assert answer.json()["gateway_url"] == payment.gateway_url
    back = shop.browse(payment, "approve")
    page = visit(back)
    assert page.status_code == 200
    assert page.json()["status"] == "confirmed"
    payment.refresh_from_db()
    assert (payment.captured_amount, payment.intent_id) == (TEN, shop.capture_id(payment))
    assert (payment.gateway_url, payment.livemode) == ("", False)
    assert recorded_signals.names == ["payment_created", "payment_confirmed"]
    # Another visit changes nothing.
    assert visit(back).json()["status"] == "confirmed"
    assert len(shop.fake.acted("/capture")) == 1


def test_return__given_up(shop: Shop) -> None:
    payment = shop.waiting()
    page = visit(shop.browse(payment, "cancel"))
    assert page.status_code == 200
    payment.refresh_from_db()
    assert payment.status == "waiting"
    assert payment.gateway_url
    assert visit(payment.get_success_url()).json()["status"] == "waiting"
    assert PaymentOperation.objects.filter(kind=OperationKind.CONFIRM).count() == 0


def test_return__pending(shop: Shop) -> None:
    shop.fake.behaviour.pending = True
    payment = shop.paid()
    assert (payment.status, payment.gateway_url) == ("waiting", "")
    # Coming back again finds an order that is over, and confirms nothing.
    assert complete_return(payment=payment).status == "waiting"
    assert len(shop.fake.acted("/capture")) == 1
    shop.fake.settle(shop.capture_id(payment))
    assert sync_payment(payment=payment).status == "confirmed"


def test_return__declined__another_card(shop: Shop, recorded_signals: Any) -> None:
    payment = shop.approved()
    shop.fake.behaviour.decline = "INSTRUMENT_DECLINED"
    with pytest.raises(PaymentDeclined):
        complete_return(payment=payment)
    payment.refresh_from_db()
    assert (payment.status, payment.failure_code) == ("error", "instrument_declined")
    # The way back leads to the same order.
    assert payment.gateway_url.endswith(payment.transaction_id)
    shop.fake.behaviour.decline = ""
    visit(shop.browse(payment, "approve"))
    payment.refresh_from_db()
    assert (payment.status, payment.failure_code) == ("confirmed", "")
    assert recorded_signals.names == ["payment_created", "payment_failed", "payment_confirmed"]


def test_return__needs_no_address_of_ours(shop: Shop, settings: Any) -> None:
    from django_stripe_gateway.conf import unset_payment_host

    payment = shop.approved()
    settings.PAYMENT_HOST = unset_payment_host
    assert complete_return(payment=payment).status == "confirmed"


def test_return__declined_for_good__a_new_order(shop: Shop) -> None:
    shop.fake.behaviour.capture_status = "DECLINED"
    payment = shop.paid()
    assert payment.status == "rejected"
    shop.fake.behaviour.capture_status = ""
    first = payment.transaction_id
    payment = payments.start_payment(payment=payment)
    assert payment.transaction_id != first
    shop.fake.approve(payment.transaction_id)
    assert complete_return(payment=payment).status == "confirmed"


@pytest.mark.parametrize("kind", ["error_500_after", "reset_after", "garbage", "error_500_before", "reset_before"])
def test_return__fault__one_capture(shop: Shop, kind: Any, recorded_signals: Any) -> None:
    payment = shop.approved()
    shop.fake.fault("POST", "/v2/checkout/orders/*/capture", kind=kind)
    with pytest.raises(ProviderUnavailable):
        complete_return(payment=payment)
    payment.refresh_from_db()
    assert payment.status == "waiting"
    assert payment.operations.pending().count() == 1
    outcomes = [done.outcome for done in reconciling.reconcile_operations()]
    assert outcomes == ["settled"]
    payment.refresh_from_db()
    assert payment.status == "confirmed"
    assert len(shop.fake.state.captures) == 1
    assert recorded_signals.names.count("payment_confirmed") == 1


def test_return__killed_before_the_answer(shop: Shop) -> None:
    payment = shop.approved()
    shop.fake.fault("POST", "/v2/checkout/orders/*/capture", kind="reset_after")
    with pytest.raises(ProviderUnavailable):
        complete_return(payment=payment)
    shop.fake.api.forget_request_ids()
    run_out_leases()
    assert complete_return(payment=payment).status == "confirmed"
    assert len(shop.fake.state.captures) == 1


def test_create__fault__one_order_is_offered(shop: Shop) -> None:
    shop.fake.fault("POST", "/v2/checkout/orders", kind="reset_after")
    with pytest.raises(ProviderUnavailable):
        shop.waiting(idempotency_key="order-17")
    payment = shop.waiting(idempotency_key="order-17")
    assert payment.gateway_url
    assert len(shop.fake.state.orders) == 1


@pytest.mark.parametrize(
    ("amount", "currency", "error"),
    [("10.50", "HUF", InvalidAmount), ("10.000", "KWD", UnsupportedCurrency)],
)
def test_create__not_taken_by_paypal(shop: Shop, amount: str, currency: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        shop.waiting(amount, currency=currency)
    assert get_payment_model().objects.get().status == "error"
    assert shop.fake.requests == []


def test_create__whole_forints(shop: Shop) -> None:
    payment = shop.paid("1000", currency="HUF")
    assert (payment.status, payment.captured_amount) == ("confirmed", Decimal("1000.00"))


@pytest.mark.parametrize("part", [None, "4.00"])
def test_capture_later(shop: Shop, part: str | None, recorded_signals: Any) -> None:
    payment = shop.authorized()
    assert payment.status == "preauth"
    payment = captures.capture_payment(payment=payment, amount=Decimal(part) if part else None)
    assert (payment.status, payment.captured_amount) == ("confirmed", Decimal(part or "10.00"))
    assert payment.intent_id.startswith("AU")
    assert "payment_captured" in recorded_signals.names


@pytest.mark.parametrize("kind", ["reset_after", "error_500_after"])
def test_capture_later__fault(shop: Shop, kind: Any) -> None:
    payment = shop.authorized()
    shop.fake.fault("POST", "/v2/payments/authorizations/*/capture", kind=kind)
    with pytest.raises(ProviderUnavailable):
        captures.capture_payment(payment=payment)
    assert captures.capture_payment(payment=payment).status == "confirmed"
    assert len(shop.fake.state.captures) == 1


def test_capture_later__order_is_silent_after_the_capture(shop: Shop) -> None:
    payment = shop.authorized()
    shop.fake.fault("GET", "/v2/checkout/orders/*", kind="error_500_before")
    with pytest.raises(ProviderUnavailable):
        captures.capture_payment(payment=payment, amount=Decimal("4.00"))
    payment = captures.capture_payment(payment=payment, amount=Decimal("4.00"))
    assert payment.captured_amount == Decimal("4.00")
    assert len(shop.fake.state.captures) == 1


def test_capture_later__voided_at_paypal(shop: Shop) -> None:
    payment = shop.authorized()
    shop.fake.state.void(payment.intent_id)
    with pytest.raises(WrongState):
        captures.capture_payment(payment=payment)
    payment.refresh_from_db()
    assert payment.status == "rejected"


@pytest.mark.parametrize("fault", [None, "reset_after"])
def test_release(shop: Shop, fault: Any) -> None:
    payment = shop.authorized()
    if fault:
        shop.fake.fault("POST", "/v2/payments/authorizations/*/void", kind=fault)
        with pytest.raises(ProviderUnavailable):
            cancelling.cancel_payment(payment=payment)
    assert cancelling.cancel_payment(payment=payment).status == "cancelled"
    assert shop.fake.state.authorizations[payment.intent_id]["status"] == "VOIDED"


def test_cancel__unpaid__is_never_captured(shop: Shop) -> None:
    payment = cancelling.cancel_payment(payment=shop.waiting())
    assert (payment.status, payment.gateway_url) == ("cancelled", "")
    event = shop.fake.approve(payment.transaction_id)
    assert complete_return(payment=payment).status == "cancelled"
    assert shop.deliver(event) == ["processed"]
    assert shop.fake.state.captures == {}


def test_refund__of_what_a_host_has_written_on_it(shop: Shop) -> None:
    """Nothing of PayPal's has gone on to anybody, whatever the row says."""
    payment = shop.paid()
    payment.destination_id, payment.application_fee = "acct_1", Decimal(1)
    payment.save()
    assert refunds.refund_payment(payment=payment).status == "succeeded"
    with pytest.raises(InvalidInput):
        refunds.refund_payment(payment=shop.paid(), reverse_transfer=True)


@pytest.mark.parametrize("manual", [False, True])
def test_refund__parts(shop: Shop, manual: bool, recorded_signals: Any) -> None:
    payment = shop.captured() if manual else shop.paid()
    first = refunds.refund_payment(payment=payment, amount=Decimal("3.00"), reason="duplicate")
    assert (first.status, first.payment.refunded_amount) == ("succeeded", Decimal("3.00"))
    last = refunds.refund_payment(payment=payment)
    assert (last.amount, last.payment.status) == (Decimal("7.00"), "refunded")
    assert len(recorded_signals.values("payment_refunded")) == 2
    synced = sync_payment(payment=payment, with_refunds=True)
    assert (synced.status, synced.refunds.count()) == ("refunded", 2)


@pytest.mark.parametrize("kind", ["reset_after", "error_500_after", "garbage"])
@pytest.mark.parametrize("forgotten", [False, True])
def test_refund__fault__one_refund(shop: Shop, kind: Any, forgotten: bool) -> None:
    payment = shop.paid()
    shop.fake.fault("POST", "/v2/payments/captures/*/refund", kind=kind)
    with pytest.raises(ProviderUnavailable):
        refunds.refund_payment(payment=payment, amount=Decimal("3.00"))
    if forgotten:
        shop.fake.api.forget_request_ids()
    refund = refunds.refund_payment(payment=payment, amount=Decimal("3.00"))
    assert refund.payment.refunded_amount == Decimal("3.00")
    assert len(shop.fake.state.refunds) == 1


def test_refund__made_at_paypal(shop: Shop) -> None:
    payment = shop.paid()
    shop.fake.refund(shop.capture_id(payment), "4.00")
    assert sync_payment(payment=payment, with_refunds=True).refunded_amount == Decimal("4.00")
    with pytest.raises(InvalidAmount):
        refunds.refund_payment(payment=payment, amount=Decimal("6.01"))


def test_refund__refused(shop: Shop) -> None:
    payment = shop.paid()
    shop.fake.refund(shop.capture_id(payment), "4.00")
    with pytest.raises(WrongState):
        refunds.refund_payment(payment=payment)
    payment.refresh_from_db()
    assert (payment.refunds.get().status, payment.refunded_amount) == ("failed", 0)


def test_operations__each_change_has_one(shop: Shop) -> None:
    payment = shop.captured()
    refunds.refund_payment(payment=payment)
    states = PaymentOperation.objects.order_by("pk").values_list("kind", "state")
    assert list(states) == [(kind, OperationState.SUCCEEDED) for kind in ("create", "confirm", "capture", "refund")]
    sent = {request.request_id for request in shop.fake.requests if request.acted}
    assert sent == set(PaymentOperation.objects.values_list("idempotency_key", flat=True))


def test_confirm_intent__over_the_api(shop: Shop, api_client: APIClient) -> None:
    payment = shop.waiting()
    url = f"/api/v1/payments/{payment.pk}/confirm_intent/"
    assert api_client.post(url, {}).status_code == 409
    shop.fake.approve(payment.transaction_id)
    assert api_client.post(url, {}).json()["status"] == "confirmed"


def test_reconcile__approved_without_an_event(shop: Shop) -> None:
    from datetime import timedelta

    from django.utils import timezone

    payment = shop.approved()
    get_payment_model().objects.update(created=timezone.now() - timedelta(days=2))
    assert [done.outcome for done in reconciling.reconcile_payments(older_than=timedelta(days=1))] == ["changed"]
    payment.refresh_from_db()
    assert payment.status == "confirmed"


# django-payments


def test_provider__life_of_a_payment(shop: Shop, user: Any) -> None:
    payment = make_payment(owner=user, variant="paypal", gateway="PayPal", capture_method="manual")
    with pytest.raises(RedirectNeeded) as caught:
        payment.get_form()
    payment.refresh_from_db()
    assert str(caught.value) == payment.gateway_url
    shop.fake.approve(payment.transaction_id)
    provider = provider_factory("paypal")
    assert provider.status(payment).status == "preauth"
    with pytest.raises(RedirectNeeded, match="/success/"):
        payment.get_form()
    payment.capture(Decimal("8.00"))
    assert (payment.status, payment.captured_amount) == ("confirmed", Decimal("8.00"))
    payment.refund(3)
    payment.refund()
    assert (payment.status, payment.refunded_amount) == ("refunded", Decimal("8.00"))
    with pytest.raises(ValueError):
        payment.refund()


def test_provider__release_and_cancel(shop: Shop, user: Any) -> None:
    payment = shop.authorized()
    payment.release()
    assert payment.status == "cancelled"
    waiting = shop.waiting()
    waiting.cancel()
    assert waiting.status == "cancelled"
    with pytest.raises(RedirectNeeded, match="/failure/"):
        waiting.get_form()


def test_provider__failure(shop: Shop, user: Any) -> None:
    payment = make_payment(owner=user, variant="paypal")
    shop.fake.fault("POST", "/v2/checkout/orders", kind="error_500_before")
    with pytest.raises(PaymentError):
        payment.get_form()
    with pytest.raises(PaymentError):
        provider_factory("paypal").get_token_from_request(None, None)
    assert provider_factory("paypal").process_data(payment, None).status_code == 400
    with pytest.raises(ValueError):
        get_payment_model()(variant="paypal").get_form()
