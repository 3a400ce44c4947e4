"""Create, start and confirm payments."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from payments import get_payment_model

from django_stripe_gateway import exceptions
from django_stripe_gateway.choices import OperationState
from django_stripe_gateway.models import PaymentGatewayConfig, PaymentOperation
from django_stripe_gateway.services.payments import capture as captures
from django_stripe_gateway.services.payments import confirm as confirming
from django_stripe_gateway.services.payments import create as payments
from django_stripe_gateway.services.payments import refresh as syncing
from tests.conftest import SignalRecorder
from tests.factories import make_payment
from tests.test_services.conftest import Shop

pytestmark = pytest.mark.django_db(transaction=True)


def test_create__checkout(shop: Shop, recorded_signals: SignalRecorder) -> None:
    payment = shop.waiting("10.00", order_id="ord_1", description="A book", metadata={"note": "gift"})

    assert payment.status == "waiting"
    assert payment.gateway_url.startswith(shop.stripe.url)
    session = shop.stripe.get(payment.transaction_id)
    assert session["amount_total"] == 1000
    assert session["client_reference_id"] == payment.token
    identity = {"payment_id": str(payment.pk), "token": payment.token, "order_id": "ord_1"}
    assert session["metadata"] == identity | {"attempt": str(PaymentOperation.objects.get().pk)}
    (request,) = shop.mutations()
    assert request.params["payment_intent_data"]["metadata"] == session["metadata"]
    assert request.params["success_url"].startswith("https://shop.test/api/v1/payments/")
    operation = PaymentOperation.objects.get()
    assert request.idempotency_key == operation.idempotency_key
    assert operation.state == OperationState.SUCCEEDED
    assert recorded_signals.names == ["payment_created"]
    assert [log.event for log in payment.logs.all()] == ["created", "updated"]


def test_create__key_is_committed_before_the_call(shop: Shop) -> None:
    from concurrent.futures import ThreadPoolExecutor

    from django.db import connection

    def create() -> Any:
        try:
            return shop.waiting()
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as threads:
        with shop.stripe.hold("POST", "/v1/checkout/sessions") as hold:
            creating = threads.submit(create)
            hold.wait()
            operation = PaymentOperation.objects.get()
            assert operation.state == OperationState.PENDING
            assert operation.payment.status == "waiting"
            hold.release()
        creating.result()
    assert shop.mutations()[0].idempotency_key == operation.idempotency_key


def test_create__manual_capture(shop: Shop) -> None:
    payment = shop.authorized()
    assert payment.status == "preauth"
    assert payment.captured_amount == 0
    assert payment.intent_id.startswith("pi_")


def test_create__variant_that_authorises(shop: Shop, settings: Any) -> None:
    provider = "django_stripe_gateway.providers.StripeProvider"
    settings.PAYMENT_VARIANTS = {"stripe": (provider, {"capture": False})}
    assert shop.waiting().capture_method == "manual"


def test_create__expiry(shop: Shop, settings: Any) -> None:
    settings.STRIPE_GATEWAY_CHECKOUT_EXPIRES_AFTER = 1800
    payment = shop.waiting()
    expires = datetime.fromtimestamp(payment.stored_session["expires_at"], UTC)
    # Five minutes from what Stripe refuses.
    assert 2000 < (expires - datetime.now(UTC)).total_seconds() <= 2100


@pytest.mark.parametrize(
    ("fields", "error", "field"),
    [
        ({"amount": Decimal(0)}, exceptions.InvalidAmount, "amount"),
        ({"amount": Decimal("-1")}, exceptions.InvalidAmount, "amount"),
        ({"amount": Decimal("1.001")}, exceptions.InvalidAmount, "amount"),
        ({"amount": Decimal("NaN")}, exceptions.InvalidAmount, "amount"),
        ({"amount": 10.0}, exceptions.InvalidAmount, "amount"),
        ({"currency": "XXX"}, exceptions.UnsupportedCurrency, "currency"),
        ({"gateway": "nowhere"}, exceptions.UnknownGateway, "gateway"),
        ({"capture_method": "later"}, exceptions.InvalidInput, "capture_method"),
    ],
)
def test_create__refuses(shop: Shop, fields: dict[str, Any], error: type[Exception], field: str) -> None:
    values = {"owner": shop.user, "gateway": "Stripe", "amount": Decimal(10), "currency": "USD"} | fields
    with pytest.raises(error) as caught:
        payments.create_payment(**values)
    assert caught.value.field == field  # type: ignore[attr-defined]
    assert not get_payment_model().objects.exists()
    assert not shop.stripe.requests


def test_create__inactive_gateway(shop: Shop) -> None:
    PaymentGatewayConfig.objects.update(is_active=False)
    with pytest.raises(exceptions.UnknownGateway):
        shop.waiting()


def test_create__refused_by_stripe(shop: Shop, settings: Any, recorded_signals: SignalRecorder) -> None:
    settings.STRIPE_GATEWAY_API_KEY = "sk_test_stranger_with_a_secret"
    with pytest.raises(exceptions.GatewayConfigurationError) as caught:
        shop.waiting()
    assert "stranger" not in str(caught.value)
    payment = get_payment_model().objects.get()
    assert payment.status == "error"
    assert payment.operations.get().state == OperationState.FAILED
    assert recorded_signals.names == ["payment_created", "payment_failed"]


def test_create__same_key_same_payment(shop: Shop) -> None:
    first = shop.waiting(idempotency_key="k")
    second = shop.waiting(idempotency_key="k")
    assert first.pk == second.pk
    assert second.gateway_url == first.gateway_url
    assert len(shop.mutations()) == 1


def test_create__same_key_of_another_owner(shop: Shop, other_user: Any) -> None:
    first = shop.waiting(idempotency_key="k")
    second = shop.waiting(idempotency_key="k", owner=other_user)
    assert first.pk != second.pk


def test_create__inside_a_transaction_is_refused(shop: Shop) -> None:
    from django.db import transaction

    with pytest.raises(RuntimeError), transaction.atomic():
        shop.waiting()
    assert not shop.stripe.requests


def test_create__intent_flow_on_stripe(shop: Shop, settings: Any) -> None:
    provider = "django_stripe_gateway.providers.StripeProvider"
    settings.PAYMENT_VARIANTS = {"stripe": (provider, {"flow": "intent"})}
    payment = shop.waiting()
    assert payment.status == "waiting"
    assert payment.client_secret.startswith(payment.intent_id)
    assert payment.client_secret not in payment.extra_data
    repeated = confirming.confirm_payment(payment=payment, payment_method="pm_card_visa")
    assert repeated.status == "confirmed"


def test_create__repeat_brings_the_client_secret_again(shop: Shop, settings: Any) -> None:
    provider = "django_stripe_gateway.providers.StripeProvider"
    settings.PAYMENT_VARIANTS = {"stripe": (provider, {"flow": "intent"})}
    first = shop.waiting(idempotency_key="k")
    second = shop.waiting(idempotency_key="k")
    assert second.client_secret == first.client_secret


def test_confirm__decline_then_success(shop: Shop, settings: Any, recorded_signals: SignalRecorder) -> None:
    provider = "django_stripe_gateway.providers.StripeProvider"
    settings.PAYMENT_VARIANTS = {"stripe": (provider, {"flow": "intent"})}
    payment = shop.waiting()
    with pytest.raises(exceptions.PaymentDeclined) as caught:
        confirming.confirm_payment(payment=payment, payment_method="pm_card_chargeDeclinedInsufficientFunds")
    assert caught.value.extra["decline_code"] == "insufficient_funds"
    payment.refresh_from_db()
    assert payment.status == "error"
    assert payment.decline_code == "insufficient_funds"
    assert payment.is_payable

    payment = confirming.confirm_payment(payment=payment, payment_method="pm_card_visa")
    assert payment.status == "confirmed"
    assert payment.failure_code == payment.decline_code == ""
    assert recorded_signals.names == ["payment_created", "payment_failed", "payment_confirmed"]


def test_confirm__requires_action(shop: Shop, settings: Any) -> None:
    provider = "django_stripe_gateway.providers.StripeProvider"
    settings.PAYMENT_VARIANTS = {"stripe": (provider, {"flow": "intent"})}
    payment = shop.waiting()
    payment = confirming.confirm_payment(payment=payment, payment_method="pm_card_authenticationRequired")
    assert payment.status == "waiting"
    assert payment.client_secret

    shop.stripe.customer_authenticates(payment.intent_id)
    assert confirming.confirm_payment(payment=payment).status == "confirmed"
    with pytest.raises(exceptions.WrongState):
        confirming.confirm_payment(payment=payment)


def test_confirm__checkout_is_confirmed_by_the_customer(shop: Shop) -> None:
    with pytest.raises(exceptions.WrongState) as caught:
        confirming.confirm_payment(payment=shop.waiting())
    assert caught.value.code == "not_confirmable"


def test_start__saved_by_the_host(shop: Shop) -> None:
    payment = make_payment(owner=shop.user)
    started = payments.start_payment(payment=payment)
    again = payments.start_payment(payment=started)
    assert again.gateway_url == started.gateway_url
    assert len(shop.mutations()) == 1


def test_start__new_session_when_the_old_one_expired(shop: Shop) -> None:
    payment = shop.waiting()
    old = payment.transaction_id
    shop.stripe.expire_session(old)
    payment = syncing.sync_payment(payment=payment)
    assert payment.status == "rejected"

    payment = payments.start_payment(payment=payment)
    assert payment.status == "waiting"
    assert payment.transaction_id != old
    shop.stripe.complete_checkout(payment.transaction_id)
    assert syncing.sync_payment(payment=payment).status == "confirmed"


def test_start__bank_debit(shop: Shop) -> None:
    payment = shop.waiting()
    session = payment.transaction_id
    shop.stripe.complete_checkout(session, "async")
    payment = syncing.sync_payment(payment=payment)
    assert payment.status == "waiting"
    assert payments.start_payment(payment=payment).transaction_id == session

    shop.stripe.settle_async(session, succeeded=False)
    payment = syncing.sync_payment(payment=payment)
    assert payment.status in ("error", "rejected")
    payment = payments.start_payment(payment=payment)
    assert payment.transaction_id != session
    assert payment.gateway_url


def test_start__stale_instance(shop: Shop) -> None:
    payment = make_payment(owner=shop.user)
    stale = type(payment).objects.get(pk=payment.pk)
    started = payments.start_payment(payment=payment)
    assert payments.start_payment(payment=stale).gateway_url == started.gateway_url
    assert len(shop.stripe.all("checkout.session")) == 1


def test_start__paid_without_an_event(shop: Shop, settings: Any) -> None:
    settings.STRIPE_GATEWAY_CHECKOUT_EXPIRES_AFTER = 1800
    payment = shop.waiting()
    shop.stripe.complete_checkout(payment.transaction_id)
    payment.extra_data = payment.extra_data.replace(str(payment.stored_session["expires_at"]), "1000000000")
    payment.save(update_fields=["extra_data"])
    assert payments.start_payment(payment=payment).status == "confirmed"
    assert len(shop.stripe.all("checkout.session")) == 1


@pytest.mark.parametrize("amount", ["0.10", "9999999.00"])
def test_create__amount_that_stripe_does_not_take(shop: Shop, amount: str) -> None:
    with pytest.raises(exceptions.InvalidAmount):
        shop.waiting(amount)


def test_start__paid_is_refused(shop: Shop) -> None:
    with pytest.raises(exceptions.WrongState):
        payments.start_payment(payment=shop.completed())


def test_sync__finds_dashboard_refunds(shop: Shop) -> None:
    payment = shop.completed()
    shop.stripe.dashboard_refund(payment.intent_id, 400)
    payment = syncing.sync_payment(payment=payment, with_refunds=True)
    assert payment.refunded_amount == Decimal("4.00")


@pytest.mark.localstripe
class TestLocalstripe:
    """The development path."""

    def create(self, user: Any, **fields: Any) -> Any:
        values = {"owner": user, "gateway": "Stripe", "amount": Decimal("10.00"), "currency": "USD"} | fields
        return payments.create_payment(**values)

    def test_confirmed_at_once(self, localstripe: str, user: Any, recorded_signals: SignalRecorder) -> None:
        payment = self.create(user)
        assert payment.status == "confirmed"
        assert payment.captured_amount == Decimal("10.00")
        assert payment.transaction_id == payment.intent_id
        assert payment.attrs.intent["status"] == "succeeded"
        assert recorded_signals.names == ["payment_created", "payment_confirmed"]

    def test_manual_capture(self, localstripe: str, user: Any) -> None:
        payment = self.create(user, capture_method="manual")
        assert payment.status == "preauth"
        payment = captures.capture_payment(payment=payment, amount=Decimal("4.50"))
        assert (payment.status, payment.captured_amount) == ("confirmed", Decimal("4.50"))
        assert syncing.sync_payment(payment=payment, with_refunds=True).refunded_amount == 0

    def test_decline_then_success(self, localstripe: str, user: Any) -> None:
        with pytest.raises(exceptions.PaymentDeclined) as caught:
            self.create(user, payment_method="pm_card_chargeCustomerFail")
        payment = get_payment_model().objects.get(pk=caught.value.extra["payment_id"])
        assert (payment.status, payment.decline_code) == ("error", "card_declined")
        assert confirming.confirm_payment(payment=payment, payment_method="pm_card_visa").status == "confirmed"

    def test_confirmed_later(self, localstripe: str, user: Any) -> None:
        payment = self.create(user, confirm=False)
        assert payment.status == "waiting"
        assert confirming.confirm_payment(payment=payment).status == "confirmed"

    def test_requires_action(self, localstripe: str, user: Any, settings: Any) -> None:
        import requests

        card = {"number": "4000002500003155", "exp_month": "12", "exp_year": "2030", "cvc": "123"}
        method = requests.post(
            f"{localstripe}/v1/payment_methods",
            data={"type": "card"} | {f"card[{name}]": value for name, value in card.items()},
            auth=("sk_test_123", ""),
            timeout=10,
        ).json()["id"]
        payment = self.create(user, payment_method=method)
        assert payment.status == "waiting"
        assert payment.client_secret
        requests.post(
            f"{localstripe}/v1/payment_intents/{payment.intent_id}/_authenticate",
            data={"client_secret": payment.client_secret, "success": "true"},
            auth=("sk_test_123", ""),
            timeout=10,
        ).raise_for_status()
        assert confirming.confirm_payment(payment=payment).status == "confirmed"
