"""Charge what is saved without its customer: declines, authentication and the way back, repeats, and nobody else's."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from django_stripe_gateway.choices import OperationKind, OperationState
from django_stripe_gateway.exceptions import (
    InvalidInput,
    PaymentDeclined,
    ProviderUnavailable,
    UnsupportedByGateway,
)
from django_stripe_gateway.gateways.registry import get_billing_gateway
from django_stripe_gateway.models import Customer, PaymentOperation, get_payment_model
from django_stripe_gateway.payments import charge
from django_stripe_gateway.services.operations.engine import resume
from django_stripe_gateway.services.payments.cancel import cancel_payment
from django_stripe_gateway.services.payments.capture import capture_payment
from django_stripe_gateway.services.payments.confirm import confirm_payment
from django_stripe_gateway.services.payments.refresh import sync_payment
from django_stripe_gateway.services.payments.refund import refund_payment
from django_stripe_gateway.services.subscriptions.customers import ensure_customer
from django_stripe_gateway.services.subscriptions.default_payment_method import set_default_payment_method
from django_stripe_gateway.services.subscriptions.payment_methods import remove_payment_method
from tests.conftest import SignalRecorder
from tests.factories import make_user
from tests.test_services.conftest import Shop, run_out_leases
from tests.test_services.test_saved_cards import intents, saved_card  # noqa: F401 (a fixture)
from tests.test_webhooks.support import deliver_all

pytestmark = pytest.mark.django_db(transaction=True)

AUTHENTICATE = "pm_card_authenticationRequired"
DECLINE = "pm_card_chargeCustomerFail"


def charged(shop: Shop, **fields: Any) -> Any:
    return charge(**{"owner": shop.user, "amount": Decimal("10.00"), "currency": "USD"} | fields)


def the_events(shop: Shop) -> list[dict[str, Any]]:
    return [event for event in shop.stripe.events() if event["type"].startswith("payment_intent.")]


@pytest.fixture(params=["checkout", "intent"])
def either(request: pytest.FixtureRequest, shop: Shop, settings: Any) -> Shop:
    """Return a shop of either flow."""
    provider, options = settings.PAYMENT_VARIANTS["stripe"]
    settings.PAYMENT_VARIANTS = settings.PAYMENT_VARIANTS | {"stripe": (provider, {**options, "flow": request.param})}
    return shop


def test_charge(either: Shop, recorded_signals: SignalRecorder) -> None:
    card = saved_card(either.user)
    payment = charged(either, order_id="ord_1", description="Usage", metadata={"month": "11"})
    assert (payment.status, payment.captured_amount, payment.order_id) == ("confirmed", Decimal(10), "ord_1")
    assert payment.transaction_id == payment.intent_id
    assert payment.owner == either.user
    (request,) = either.mutations("/payment_intents")
    sent = {name: request.params[name] for name in ("amount", "customer", "payment_method", "confirm", "off_session")}
    assert sent == {
        "amount": 1000,
        "customer": Customer.objects.get().provider_id,
        "payment_method": card,
        "confirm": True,
        "off_session": True,
    }
    assert recorded_signals.names == ["payment_created", "payment_confirmed"]
    assert refund_payment(payment=payment, amount=Decimal(4)).status == "succeeded"
    assert sync_payment(payment=payment, with_refunds=True).refunded_amount == Decimal(4)


def test_charge__authorised_and_captured_or_released(either: Shop) -> None:
    saved_card(either.user)
    first, second = (charged(either, capture_method="manual") for _ in range(2))
    assert first.status == second.status == "preauth"
    assert capture_payment(payment=first, amount=Decimal(6)).captured_amount == Decimal(6)
    assert cancel_payment(payment=second).status == "cancelled"


def test_charge__the_default_one_wins(shop: Shop) -> None:
    saved_card(shop.user)
    default = saved_card(shop.user, "pm_card_mastercard")
    with pytest.raises(InvalidInput, match="no default payment method"):
        charged(shop)
    set_default_payment_method(customer=Customer.objects.get(), payment_method_id=default)
    assert shop.stripe.get(charged(shop).intent_id)["payment_method"] == default


def test_charge__the_one_that_is_named(shop: Shop) -> None:
    card = saved_card(shop.user)
    set_default_payment_method(
        customer=Customer.objects.get(), payment_method_id=saved_card(shop.user, "pm_card_mastercard")
    )
    assert shop.stripe.get(charged(shop, payment_method=card).intent_id)["payment_method"] == card


def no_customer(shop: Shop) -> None:
    """Charge somebody who has never paid."""


def no_card(shop: Shop) -> None:
    ensure_customer(owner=shop.user)


@pytest.mark.parametrize("begin", [no_customer, no_card], ids=lambda begin: str(begin.__name__))
def test_charge__nothing_to_charge(shop: Shop, begin: Callable[[Shop], None]) -> None:
    begin(shop)
    with pytest.raises(InvalidInput) as caught:
        charged(shop)
    assert caught.value.code == "no_default_payment_method"
    assert not get_payment_model().objects.exists()


def of_another(shop: Shop) -> str:
    return saved_card(make_user(username="eve"))


def of_nobody(shop: Shop) -> str:
    return "pm_1NobodyHasThisOne"


def detached(shop: Shop) -> str:
    card = saved_card(shop.user, "pm_card_mastercard")
    remove_payment_method(customer=Customer.objects.get(owner=shop.user), payment_method_id=card)
    return card


def not_attached(shop: Shop) -> str:
    return str(get_billing_gateway("stripe").retrieve_payment_method("pm_card_visa").payment_method_id)


STRANGE = [of_another, of_nobody, detached, not_attached]


@pytest.mark.parametrize("whose", STRANGE, ids=lambda whose: str(whose.__name__))
@pytest.mark.parametrize("is_known", [True, False], ids=["customer", "no customer"])
def test_charge__what_is_not_theirs(shop: Shop, whose: Callable[[Shop], str], is_known: bool) -> None:
    if is_known or whose is detached:
        saved_card(shop.user)
    card = whose(shop)
    shop.stripe.forget_requests()
    with pytest.raises(InvalidInput) as caught:
        charged(shop, payment_method=card)
    assert (caught.value.code, caught.value.detail) == ("unknown_payment_method", "There is no such payment method.")
    assert not get_payment_model().objects.exists()
    assert not shop.mutations()


def test_charge__another_mode_is_another_customer(shop: Shop) -> None:
    saved_card(shop.user)
    Customer.objects.update(livemode=True)
    with pytest.raises(InvalidInput) as caught:
        charged(shop)
    assert caught.value.code == "no_default_payment_method"


def test_charge__declined(either: Shop, recorded_signals: SignalRecorder) -> None:
    saved_card(either.user, DECLINE)
    with pytest.raises(PaymentDeclined) as caught:
        charged(either, idempotency_key="k")
    payment = get_payment_model().objects.get()
    assert caught.value.extra == {"decline_code": "generic_decline", "payment_id": payment.pk}
    assert (payment.status, payment.decline_code, payment.requires_action) == ("error", "generic_decline", False)
    assert recorded_signals.names == ["payment_created", "payment_failed"]
    deliver_all(the_events(either))
    with pytest.raises(PaymentDeclined, match=r"Your card was declined\."):
        charged(either, idempotency_key="k")
    assert get_payment_model().objects.count() == len(either.stripe.all("payment_intent")) == 1
    # Its customer pays it all the same, on the same intent, in either flow.
    paid = confirm_payment(payment=payment, payment_method=saved_card(either.user))
    assert (paid.status, paid.transaction_id) == ("confirmed", payment.transaction_id)
    assert charged(either, idempotency_key="k").status == "confirmed"
    assert [found["status"] for found in either.stripe.all("charge")].count("succeeded") == 1


def test_charge__authentication_required(either: Shop, recorded_signals: SignalRecorder) -> None:
    card = saved_card(either.user, AUTHENTICATE)
    payment = charged(either, idempotency_key="k")
    assert (payment.status, payment.requires_action, payment.failure_code) == (
        "waiting",
        True,
        "authentication_required",
    )
    assert payment.client_secret.startswith(payment.intent_id)
    assert recorded_signals.names == ["payment_created", "payment_action_required"]
    deliver_all(the_events(either))
    again = charged(either, idempotency_key="k")
    assert (again.pk, again.client_secret) == (payment.pk, payment.client_secret)
    assert recorded_signals.names.count("payment_action_required") == 1

    confirming = confirm_payment(payment=payment)
    assert (confirming.status, confirming.requires_action) == ("waiting", True)
    assert confirming.action_url.startswith(either.stripe.url)
    assert either.stripe.get(payment.intent_id)["payment_method"] == card
    either.stripe.customer_authenticates(payment.intent_id)
    deliver_all(the_events(either))
    payment.refresh_from_db()
    assert (payment.status, payment.failure_code, payment.requires_action) == ("confirmed", "", False)
    assert len(either.stripe.all("payment_intent")) == 1
    assert charged(either, idempotency_key="k").status == "confirmed"


@pytest.mark.parametrize("card", [AUTHENTICATE, DECLINE])
def test_charge__the_event_is_first(shop: Shop, card: str) -> None:
    saved_card(shop.user, card)
    shop.stripe.fault("POST", "/v1/payment_intents", kind="reset_after", times=10)
    with pytest.raises(ProviderUnavailable):
        charged(shop)
    shop.stripe.clear_faults()
    deliver_all(the_events(shop))
    payment = get_payment_model().objects.get()
    assert payment.status == ("waiting" if card == AUTHENTICATE else "error")
    assert payment.requires_action is (card == AUTHENTICATE)
    run_out_leases()
    resume(PaymentOperation, PaymentOperation.objects.get().pk)
    assert len(shop.stripe.all("payment_intent")) == 1
    operation = PaymentOperation.objects.get()
    assert (operation.kind, operation.state) == (OperationKind.CHARGE, OperationState.SUCCEEDED)


def test_charge__authentication_fails_and_succeeds_after_all(shop: Shop) -> None:
    saved_card(shop.user, AUTHENTICATE)
    payment = charged(shop)
    confirm_payment(payment=payment)
    shop.stripe.customer_authenticates(payment.intent_id, succeeds=False)
    failed = sync_payment(payment=payment)
    assert (failed.status, failed.requires_action) == ("error", False)
    confirm_payment(payment=failed)
    shop.stripe.customer_authenticates(payment.intent_id)
    assert sync_payment(payment=payment).status == "confirmed"


def test_charge__another_request_charges_nobody(shop: Shop) -> None:
    saved_card(shop.user)
    shop.stripe.fault("POST", "/v1/payment_intents", kind="reset_before", times=10)
    with pytest.raises(ProviderUnavailable):
        charged(shop)
    shop.stripe.clear_faults()
    run_out_leases()
    assert cancel_payment(payment=get_payment_model().objects.get()).status == "cancelled"
    assert not shop.stripe.all("payment_intent")


def test_charge__another_request_finds_what_was_charged(shop: Shop) -> None:
    saved_card(shop.user)
    shop.stripe.fault("POST", "/v1/payment_intents", kind="reset_after", times=10)
    with pytest.raises(ProviderUnavailable):
        charged(shop)
    shop.stripe.clear_faults()
    run_out_leases()
    payment = get_payment_model().objects.get()
    assert refund_payment(payment=payment).status == "succeeded"


def test_charge__a_slow_debit(shop: Shop) -> None:
    saved_card(shop.user, "pm_usBankAccount")
    payment = charged(shop)
    assert (payment.status, payment.requires_action) == ("waiting", False)
    shop.stripe.settle_intent(payment.intent_id)
    assert sync_payment(payment=payment).status == "confirmed"


def test_charge__too_little(shop: Shop) -> None:
    saved_card(shop.user)
    with pytest.raises(InvalidInput):
        charged(shop, amount=Decimal("0.01"))
    assert get_payment_model().objects.get().status == "error"


def test_charge__a_customer_that_was_deleted_unheard(shop: Shop) -> None:
    saved_card(shop.user)
    set_default_payment_method(
        customer=Customer.objects.get(), payment_method_id=shop.stripe.all("payment_method")[-1]["id"]
    )
    shop.stripe.delete_customer(Customer.objects.get().provider_id)
    with pytest.raises(Exception):  # noqa: B017 (what Stripe says)
        charged(shop)
    with pytest.raises(InvalidInput) as caught:
        charged(shop)
    assert caught.value.code == "no_default_payment_method"


def test_charge__nobody_charges_on_localstripe(shop: Shop, settings: Any) -> None:
    settings.STRIPE_GATEWAY_USE_LOCALSTRIPE = True
    with pytest.raises(UnsupportedByGateway):
        charged(shop)


def test_confirmation_on_the_providers_page_is_a_decline(shop: Shop) -> None:
    """What Checkout's customer is told there is no charge without them."""
    payment = shop.waiting()
    shop.stripe.complete_checkout(payment.transaction_id, AUTHENTICATE)
    deliver_all(the_events(shop))
    payment.refresh_from_db()
    assert not payment.waits_for_authentication
