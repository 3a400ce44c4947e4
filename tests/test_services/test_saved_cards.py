"""One-off payments of a customer's: the card is kept, shown in the list, and pays again; nobody pays with another's."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection

from django_stripe_gateway.exceptions import (
    InvalidInput,
    OperationInProgress,
    ProviderUnavailable,
    UnsupportedByGateway,
)
from django_stripe_gateway.gateways.registry import get_billing_gateway
from django_stripe_gateway.models import Customer, PaymentOperation, get_payment_model
from django_stripe_gateway.services.payments.confirm import confirm_payment
from django_stripe_gateway.services.payments.create import create_payment, start_payment
from django_stripe_gateway.services.payments.refresh import sync_payment
from django_stripe_gateway.services.subscriptions.customers import ensure_customer
from django_stripe_gateway.services.subscriptions.payment_methods import list_payment_methods, remove_payment_method
from tests.conftest import SignalRecorder
from tests.factories import make_user
from tests.fake_stripe import FakeStripe
from tests.test_services.conftest import Shop

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def intents(shop: Shop, settings: Any) -> Shop:
    """Return a shop whose payments are PaymentIntents."""
    provider, options = settings.PAYMENT_VARIANTS["stripe"]
    settings.PAYMENT_VARIANTS = settings.PAYMENT_VARIANTS | {"stripe": (provider, {**options, "flow": "intent"})}
    return shop


def saved_card(user: Any, name: str = "pm_card_visa") -> str:
    """Return a card that a user has saved."""
    customer = ensure_customer(owner=user)
    gateway = get_billing_gateway("stripe")
    return gateway.attach_payment_method(
        name, customer.provider_id or "", idempotency_key=f"{user.pk}-{name}"
    ).payment_method_id


def session_of(shop: Shop, payment: Any) -> dict[str, Any]:
    return dict(shop.stripe.get(payment.transaction_id))


def test_by_default_a_payment_is_nobodys(shop: Shop) -> None:
    payment = shop.waiting(billing_email="ada@example.com")
    assert payment.provider_customer_id == ""
    assert (session_of(shop, payment)["customer"], session_of(shop, payment)["customer_email"]) == (
        None,
        "ada@example.com",
    )
    assert not Customer.objects.exists()


def test_always__the_customer_brings_name_and_email(shop: Shop, settings: Any) -> None:
    settings.STRIPE_GATEWAY_PAYMENT_CUSTOMERS = "always"
    payment = shop.waiting(billing_email="other@example.com")
    customer = Customer.objects.get()
    assert payment.provider_customer_id == customer.provider_id == session_of(shop, payment)["customer"]
    assert session_of(shop, payment)["customer_email"] is None
    assert shop.stripe.get(payment.provider_customer_id)["email"] == shop.user.email
    assert shop.waiting().provider_customer_id == payment.provider_customer_id, "one for each owner"


def test_always__a_guest_is_nobody(shop: Shop, settings: Any) -> None:
    settings.STRIPE_GATEWAY_PAYMENT_CUSTOMERS = "always"
    assert shop.waiting(owner=None).provider_customer_id == ""


def test_it_is_the_customer_of_the_subscriptions(shop: Shop) -> None:
    customer = ensure_customer(owner=shop.user)
    assert shop.waiting(save_payment_method=True).provider_customer_id == customer.provider_id


def test_save__checkout(shop: Shop) -> None:
    payment = shop.completed(save_payment_method=True)
    assert payment.status == "confirmed"
    (request,) = shop.mutations("/checkout/sessions")
    assert request.params["payment_intent_data"]["setup_future_usage"] == "off_session"
    assert "saved_payment_method_options" not in request.params
    (method,) = list_payment_methods(customer=Customer.objects.get())
    assert (method.brand, method.last4) == ("visa", "4242")


@pytest.mark.parametrize("capture_method", ["automatic", "manual"])
def test_save__intent(intents: Shop, capture_method: str) -> None:
    payment = intents.waiting(save_payment_method=True, capture_method=capture_method)
    assert intents.stripe.get(payment.transaction_id)["setup_future_usage"] == "off_session"
    confirm_payment(payment=payment, payment_method="pm_card_mastercard")
    (method,) = list_payment_methods(customer=Customer.objects.get())
    again = intents.waiting(payment_method=method.payment_method_id)
    assert confirm_payment(payment=again).status == "confirmed"


def test_offer_to_save__checkout_asks(shop: Shop, settings: Any) -> None:
    settings.STRIPE_GATEWAY_CHECKOUT_OFFERS_TO_SAVE = True
    shop.waiting()
    (request,) = shop.mutations("/checkout/sessions")
    assert request.params["saved_payment_method_options"] == {"payment_method_save": "enabled"}
    assert "setup_future_usage" not in request.params["payment_intent_data"]
    assert request.params["customer"] == Customer.objects.get().provider_id


def test_save__nobody_to_save_it_for(shop: Shop) -> None:
    with pytest.raises(InvalidInput) as caught:
        shop.waiting(owner=None, save_payment_method=True)
    assert caught.value.field == "save_payment_method"
    assert not get_payment_model().objects.exists()


def test_save__never(shop: Shop, settings: Any) -> None:
    settings.STRIPE_GATEWAY_PAYMENT_CUSTOMERS = "never"
    settings.STRIPE_GATEWAY_CHECKOUT_OFFERS_TO_SAVE = True
    with pytest.raises(UnsupportedByGateway):
        shop.waiting(save_payment_method=True)
    assert shop.waiting().provider_customer_id == ""


def test_save__a_repeat_asks_nobody_anything_new(shop: Shop) -> None:
    first = shop.waiting(save_payment_method=True, idempotency_key="order-1")
    asked = len(shop.stripe.requests)
    assert shop.waiting(save_payment_method=True, idempotency_key="order-1").pk == first.pk
    assert len(shop.stripe.requests) == asked


def test_start__a_new_attempt_saves_as_the_one_before(shop: Shop) -> None:
    payment = shop.waiting(save_payment_method=True)
    shop.stripe.expire_session(payment.transaction_id)
    again = start_payment(payment=sync_payment(payment=payment))
    assert session_of(shop, again)["customer"] == payment.provider_customer_id
    request = shop.mutations("/checkout/sessions")[-1]
    assert request.params["payment_intent_data"]["setup_future_usage"] == "off_session"


def test_start__a_payment_that_the_host_has_saved(shop: Shop) -> None:
    fields = {"owner": shop.user, "variant": "stripe", "gateway": "Stripe", "total": Decimal(10), "currency": "USD"}
    payment = get_payment_model().objects.create(**fields)
    started = start_payment(payment=payment, save_payment_method=True)
    assert started.provider_customer_id == Customer.objects.get().provider_id == session_of(shop, started)["customer"]


def test_a_customer_that_was_deleted_unheard_is_made_anew(shop: Shop) -> None:
    customer = ensure_customer(owner=shop.user)
    shop.stripe.delete_customer(customer.provider_id)
    payment = shop.waiting(save_payment_method=True)
    assert (payment.status, payment.provider_customer_id == customer.provider_id) == ("waiting", False)
    assert session_of(shop, payment)["customer"] == payment.provider_customer_id


def test_pay__with_a_saved_card(intents: Shop) -> None:
    card = saved_card(intents.user)
    payment = intents.waiting(payment_method=card)
    assert payment.provider_customer_id == Customer.objects.get().provider_id
    assert confirm_payment(payment=payment).status == "confirmed"


def test_pay__with_a_saved_card_named_when_it_is_confirmed(intents: Shop) -> None:
    card = saved_card(intents.user)
    payment = intents.waiting()
    assert payment.provider_customer_id == ""
    paid = confirm_payment(payment=payment, payment_method=card)
    assert paid.status == "confirmed"
    assert (
        paid.provider_customer_id
        == intents.stripe.get(paid.intent_id)["customer"]
        == Customer.objects.get().provider_id
    )


def another_users(shop: Shop) -> str:
    return saved_card(make_user(username="eve"))


def a_detached(shop: Shop) -> str:
    card = saved_card(shop.user)
    remove_payment_method(customer=Customer.objects.get(owner=shop.user), payment_method_id=card)
    return card


def unknown(shop: Shop) -> str:
    return "pm_1NobodyHasThisOne"


def of_another_address(shop: Shop) -> str:
    return "../customers"


STRANGE = [another_users, unknown, of_another_address]


@pytest.mark.parametrize("whose", STRANGE, ids=lambda whose: str(whose.__name__))
@pytest.mark.parametrize("is_known", [True, False], ids=["customer", "no customer"])
@pytest.mark.parametrize("is_guest", [True, False], ids=["guest", "user"])
def test_pay__with_what_is_not_theirs(
    intents: Shop, whose: Callable[[Shop], str], is_known: bool, is_guest: bool
) -> None:
    if is_known:
        saved_card(intents.user)
    owner = None if is_guest else intents.user
    with pytest.raises(InvalidInput) as caught:
        intents.waiting(owner=owner, payment_method=whose(intents))
    assert (caught.value.code, caught.value.field) == ("unknown_payment_method", "payment_method")
    assert caught.value.detail == "There is no such payment method."
    assert not get_payment_model().objects.exists()


@pytest.mark.parametrize("whose", STRANGE, ids=lambda whose: str(whose.__name__))
@pytest.mark.parametrize("saves", [True, False])
def test_confirm__with_what_is_not_theirs(intents: Shop, whose: Callable[[Shop], str], saves: bool) -> None:
    payment = intents.waiting(save_payment_method=saves)
    with pytest.raises(InvalidInput) as caught:
        confirm_payment(payment=payment, payment_method=whose(intents))
    assert caught.value.code == "unknown_payment_method"
    payment.refresh_from_db()
    assert payment.status == "waiting"
    assert not intents.mutations("/confirm")


def test_pay__with_a_card_that_was_taken_away(intents: Shop) -> None:
    with pytest.raises(InvalidInput):
        intents.waiting(payment_method=a_detached(intents))
    assert not intents.stripe.all("charge")


def test_two_first_payments_at_once_make_one_customer(shop: Shop, recorded_signals: SignalRecorder) -> None:
    def pay(_: int) -> Any:
        try:
            return shop.waiting(save_payment_method=True).provider_customer_id
        except OperationInProgress as error:
            return error
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(pay, range(4)))
    assert len(shop.stripe.all("customer")) == Customer.objects.count() == 1
    assert {answer for answer in answers if isinstance(answer, str)} == {Customer.objects.get().provider_id}


def test_a_killed_payment_keeps_its_customer(shop: Shop, stripe_server: FakeStripe) -> None:
    stripe_server.fault("POST", "/v1/checkout/sessions", kind="reset_after", times=10)
    with pytest.raises(ProviderUnavailable):
        shop.waiting(save_payment_method=True, idempotency_key="k")
    stripe_server.clear_faults()
    payment = create_payment(
        owner=shop.user,
        gateway="Stripe",
        amount=Decimal("10.00"),
        currency="USD",
        save_payment_method=True,
        idempotency_key="k",
    )
    assert session_of(shop, payment)["customer"] == payment.provider_customer_id != ""
    assert PaymentOperation.objects.count() == 1
