"""Hosts that know django-payments' API only: the same calls, the same exceptions, Stripe behind them."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from payments import PaymentError, PurchasedItem, RedirectNeeded, get_payment_model
from payments.core import PROVIDER_CACHE, BasicProvider, provider_factory
from payments.signals import status_changed

from django_stripe_gateway.conf import STRIPE_PROVIDER, unset_payment_host
from django_stripe_gateway.exceptions import InvalidAmount
from django_stripe_gateway.providers.stripe import StripeProvider
from tests.factories import make_payment
from tests.fake_stripe.server import FakeStripe

pytestmark = pytest.mark.django_db(transaction=True)

SESSIONS = "/v1/checkout/sessions"


@pytest.fixture(autouse=True)
def _fresh_providers() -> Iterator[None]:
    PROVIDER_CACHE.clear()
    yield
    PROVIDER_CACHE.clear()


@pytest.fixture
def variants(settings: Any) -> None:
    settings.PAYMENT_VARIANTS = {
        "stripe": (STRIPE_PROVIDER, {}),
        "stripe-later": (STRIPE_PROVIDER, {"capture": False}),
        "stripe-intent": (STRIPE_PROVIDER, {"flow": "intent"}),
    }


def redirect(payment: Any) -> str:
    """Return where ``get_form()`` sends the customer."""
    with pytest.raises(RedirectNeeded) as caught:
        payment.get_form()
    return str(caught.value)


def asked(stripe: FakeStripe, method: str, path: str) -> list[dict[str, Any]]:
    return [dict(request.params) for request in stripe.requests if (request.method, request.path) == (method, path)]


def paid(stripe: FakeStripe, **fields: Any) -> Any:
    """Return a payment, saved by hand, whose customer has paid on Stripe's page."""
    payment = make_payment(**fields)
    redirect(payment)
    stripe.complete_checkout(payment.transaction_id)
    provider: Any = provider_factory(payment.variant)
    return provider.status(payment)


def test_get_form__sends_the_customer_to_checkout(stripe_server: FakeStripe) -> None:
    payment = make_payment(billing_email="ada@example.com", description="A mug")
    url = redirect(payment)
    assert url == stripe_server.get(payment.transaction_id)["url"]
    assert (payment.status, payment.gateway_url) == ("waiting", url)
    (session,) = asked(stripe_server, "POST", SESSIONS)
    assert session["customer_email"] == "ada@example.com"
    assert session["client_reference_id"] == payment.token
    assert session["success_url"] == payment.get_success_url()
    assert session["cancel_url"] == payment.get_failure_url()
    assert payment.attrs.session["id"] == payment.transaction_id


def test_get_form__again_is_the_same_page(stripe_server: FakeStripe) -> None:
    payment = make_payment()
    first = redirect(payment)
    assert redirect(payment) == first
    assert redirect(get_payment_model().objects.get(pk=payment.pk)) == first
    assert len(stripe_server.requests) == 1


def test_get_form__new_session_when_the_old_one_has_expired(stripe_server: FakeStripe) -> None:
    payment = make_payment()
    first = redirect(payment)
    stripe_server.expire_session(payment.transaction_id)
    provider_factory("stripe").status(payment)
    assert payment.status == "rejected"
    assert redirect(payment) != first
    assert payment.status == "waiting"
    assert len(asked(stripe_server, "POST", SESSIONS)) == 2


def test_get_form__of_a_paid_payment_is_its_success_page(stripe_server: FakeStripe) -> None:
    payment = paid(stripe_server)
    stripe_server.forget_requests()
    assert redirect(payment) == payment.get_success_url()
    assert stripe_server.requests == []


def test_get_form__of_a_refunded_payment_is_its_success_page(stripe_server: FakeStripe) -> None:
    payment = paid(stripe_server)
    payment.refund()
    assert redirect(payment) == payment.get_success_url()


def test_get_form__while_a_bank_debit_settles(stripe_server: FakeStripe) -> None:
    payment = make_payment()
    redirect(payment)
    stripe_server.complete_checkout(payment.transaction_id, "async")
    provider_factory("stripe").status(payment)
    assert payment.status == "waiting"
    assert redirect(payment) == payment.get_success_url()
    assert len(asked(stripe_server, "POST", SESSIONS)) == 1


def test_get_form__of_a_cancelled_payment_is_its_failure_page(stripe_server: FakeStripe) -> None:
    payment = make_payment()
    payment.cancel()
    assert payment.status == "cancelled"
    assert redirect(payment) == payment.get_failure_url()
    assert stripe_server.requests == []


def test_get_form__without_a_page_says_so(stripe_server: FakeStripe, variants: None) -> None:
    payment = make_payment(variant="stripe-intent")
    with pytest.raises(PaymentError, match="client_secret") as caught:
        payment.get_form()
    assert caught.value.code == "no_redirect"
    assert payment.client_secret.startswith(payment.intent_id)


@pytest.mark.localstripe
def test_get_form__on_localstripe_pays_at_once(localstripe: str) -> None:
    payment = make_payment()
    assert redirect(payment) == payment.get_success_url()
    assert (payment.status, payment.captured_amount) == ("confirmed", Decimal("10.00"))
    payment.refund(Decimal("4.00"))
    assert (payment.status, payment.refunded_amount) == ("confirmed", Decimal("4.00"))


def test_get_form__unsaved() -> None:
    with pytest.raises(ValueError, match="Save the payment first"):
        get_payment_model()(variant="stripe", total=Decimal(10), currency="USD").get_form()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"total": Decimal("10.001")}, "multiples of 0.01"),
        ({"total": Decimal(0)}, "greater than zero"),
        ({"currency": "XXX"}, "not a currency"),
    ],
)
def test_get_form__refuses_what_cannot_be_charged(
    stripe_server: FakeStripe, fields: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        make_payment(**fields).get_form()
    assert stripe_server.requests == []


def test_get_form__stripe_refuses(stripe_server: FakeStripe, settings: Any) -> None:
    settings.STRIPE_GATEWAY_API_KEY = "sk_test_unknown"
    payment = make_payment()
    with pytest.raises(PaymentError) as caught:
        payment.get_form()
    assert caught.value.gateway_message.startswith("req_")
    assert "sk_test_unknown" not in str(caught.value)
    assert payment.status == "error"
    settings.STRIPE_GATEWAY_API_KEY = "sk_test_fake"
    assert redirect(payment) == stripe_server.get(payment.transaction_id)["url"]


def test_get_form__a_silent_stripe_makes_one_session(stripe_server: FakeStripe) -> None:
    payment = make_payment()
    stripe_server.fault("POST", SESSIONS, kind="reset_after")
    with pytest.raises(PaymentError):
        payment.get_form()
    assert redirect(payment)
    assert len(stripe_server.all("checkout.session")) == 1


def test_capture__whole(stripe_server: FakeStripe, variants: None) -> None:
    payment = paid(stripe_server, variant="stripe-later")
    assert (payment.status, payment.capture_method) == ("preauth", "manual")
    assert redirect(payment) == payment.get_success_url()
    payment.capture()
    assert (payment.status, payment.captured_amount) == ("confirmed", Decimal("10.00"))


def test_capture__part(stripe_server: FakeStripe, variants: None) -> None:
    payment = paid(stripe_server, variant="stripe-later")
    payment.capture(Decimal("6.50"))
    assert (payment.status, payment.captured_amount) == ("confirmed", Decimal("6.50"))
    assert stripe_server.get(payment.intent_id)["amount_received"] == 650
    with pytest.raises(ValueError, match="Only an authorised payment"):
        payment.capture()


@pytest.mark.parametrize("amount", [Decimal("10.01"), Decimal(0), Decimal(-1), Decimal("1.001"), 0, 1.5, "5", True])
def test_capture__refused(stripe_server: FakeStripe, variants: None, amount: Any) -> None:
    payment = paid(stripe_server, variant="stripe-later")
    stripe_server.forget_requests()
    with pytest.raises(ValueError):
        payment.capture(amount)
    assert stripe_server.requests == []
    assert payment.status == "preauth"


def test_release(stripe_server: FakeStripe, variants: None) -> None:
    payment = paid(stripe_server, variant="stripe-later")
    payment.release()
    assert payment.status == "cancelled"
    assert stripe_server.get(payment.intent_id)["status"] == "canceled"
    with pytest.raises(ValueError, match="cannot be cancelled"):
        payment.release()


def test_refund__parts_and_the_rest(stripe_server: FakeStripe) -> None:
    payment = paid(stripe_server)
    payment.refund(3)
    assert (payment.status, payment.refunded_amount) == ("confirmed", Decimal("3.00"))
    with pytest.raises(ValueError, match=r"more than the 7\.00"):
        payment.refund(Decimal("7.01"))
    payment.refund()
    assert (payment.status, payment.refunded_amount) == ("refunded", Decimal("10.00"))
    assert [refund["amount"] for refund in stripe_server.all("refund")] == [300, 700]
    with pytest.raises(ValueError, match="Only a paid payment"):
        payment.refund()
    assert payment.captured_amount == Decimal("10.00")


@pytest.mark.parametrize("amount", [0, Decimal(0), Decimal("-3"), Decimal("0.001"), 3.5])
def test_refund__refused(stripe_server: FakeStripe, amount: Any) -> None:
    payment = paid(stripe_server)
    with pytest.raises(ValueError):
        payment.refund(amount)
    assert stripe_server.all("refund") == []


def test_refund__stripe_fails(stripe_server: FakeStripe) -> None:
    payment = paid(stripe_server)
    stripe_server.fault("POST", "/v1/refunds", kind="error_500_before")
    with pytest.raises(PaymentError):
        payment.refund()
    assert (payment.status, payment.refunded_amount) == ("confirmed", Decimal(0))


def test_provider__returns_amounts(stripe_server: FakeStripe, variants: None) -> None:
    provider: Any = provider_factory("stripe-later")
    payment = paid(stripe_server, variant="stripe-later")
    assert provider.capture(payment, Decimal(8)) == Decimal(8)
    assert payment.status == "confirmed"
    assert provider.refund(payment, Decimal(5)) == Decimal(5)
    assert payment.refunded_amount == Decimal(5)


def test_cancel__expires_the_session(stripe_server: FakeStripe) -> None:
    payment = make_payment()
    redirect(payment)
    payment.cancel()
    assert payment.status == "cancelled"
    assert stripe_server.get(payment.transaction_id)["status"] == "expired"
    with pytest.raises(ValueError, match="cannot be cancelled"):
        payment.cancel()


def test_cancel__of_a_payment_that_was_paid_meanwhile(stripe_server: FakeStripe) -> None:
    payment = make_payment()
    redirect(payment)
    stripe_server.complete_checkout(payment.transaction_id)
    with pytest.raises(ValueError):
        payment.cancel()
    assert (payment.status, payment.captured_amount) == ("confirmed", Decimal("10.00"))


def test_status(stripe_server: FakeStripe) -> None:
    payment = make_payment()
    provider: Any = provider_factory("stripe")
    assert provider.status(payment) is payment
    assert stripe_server.requests == []
    redirect(payment)
    assert provider.status(payment).status == "waiting"
    stripe_server.complete_checkout(payment.transaction_id)
    assert provider.status(payment).status == "confirmed"
    assert payment.intent_id.startswith("pi_")


def test_status_changed__is_sent_after_commit(stripe_server: FakeStripe) -> None:
    seen: list[tuple[str, str]] = []

    def receive(sender: Any, instance: Any, **kwargs: Any) -> None:
        assert sender is get_payment_model()
        stored = get_payment_model().objects.get(pk=instance.pk)
        seen.append((instance.status, stored.status))
        raise RuntimeError("a receiver that fails undoes nothing")

    status_changed.connect(receive)
    try:
        payment = paid(stripe_server)
        payment.refund()
    finally:
        status_changed.disconnect(receive)
    assert seen == [("confirmed", "confirmed"), ("refunded", "refunded")]


def test_provider__is_a_django_payments_provider_and_keeps_no_secret(settings: Any) -> None:
    settings.PAYMENT_VARIANTS = {"stripe": (STRIPE_PROVIDER, {"api_key": "sk_test_x", "endpoint_secret": "whsec_x"})}
    provider = provider_factory("stripe")
    assert isinstance(provider, StripeProvider)
    assert isinstance(provider, BasicProvider)
    assert "sk_test_x" not in str(vars(provider))
    assert "whsec_x" not in str(vars(provider))
    assert provider.convert_amount("kwd", Decimal("1.230")) == 1230
    with pytest.raises(InvalidAmount, match="multiples"):
        provider.convert_amount("KWD", Decimal("1.234"))


def test_provider__options_are_read_at_each_use(stripe_server: FakeStripe, settings: Any) -> None:
    stripe_server.add_key("sk_test_second", name="second")
    redirect(make_payment())
    settings.PAYMENT_VARIANTS = {"stripe": (STRIPE_PROVIDER, {"api_key": "sk_test_second"})}
    redirect(make_payment())
    assert stripe_server.requests[-1].key_name == "second"


@pytest.mark.parametrize("status", ["waiting", "confirmed", "rejected"])
def test_no_host__a_payment_error(stripe_server: FakeStripe, settings: Any, status: str) -> None:
    settings.PAYMENT_HOST = unset_payment_host
    with pytest.raises(PaymentError, match="PAYMENT_HOST is not set") as caught:
        make_payment(status=status).get_form()
    assert caught.value.code == "not_configured"
    assert not asked(stripe_server, "POST", SESSIONS)


# Purchased items


def lines(stripe: FakeStripe) -> list[tuple[str, int, int]]:
    """Return name, unit price and quantity of the lines of the last session."""
    items = asked(stripe, "POST", SESSIONS)[-1]["line_items"]
    items = items.values() if isinstance(items, dict) else items
    return [
        (item["price_data"]["product_data"]["name"], int(item["price_data"]["unit_amount"]), int(item["quantity"]))
        for item in items
    ]


def with_items(monkeypatch: pytest.MonkeyPatch, *items: tuple[str, Any, Any], currency: str = "USD") -> None:
    """Let every payment be for these (name, price, quantity)."""

    def get_purchased_items(payment: Any) -> Iterator[PurchasedItem]:
        for name, price, quantity in items:
            yield PurchasedItem(name=name, quantity=quantity, price=Decimal(price), currency=currency, sku="")

    monkeypatch.setattr(get_payment_model(), "get_purchased_items", get_purchased_items)


def test_items__one_line_by_default(stripe_server: FakeStripe) -> None:
    redirect(make_payment(description="A mug", delivery=Decimal(2), tax=Decimal(1)))
    assert lines(stripe_server) == [("A mug", 700, 1), ("Delivery", 200, 1), ("Tax", 100, 1)]


def test_items__with_delivery_and_tax(stripe_server: FakeStripe, monkeypatch: pytest.MonkeyPatch) -> None:
    with_items(monkeypatch, ("Mug", "3.00", 2), ("Tea", "1.00", 1))
    redirect(make_payment(total=Decimal(10), delivery=Decimal(2), tax=Decimal(1)))
    assert lines(stripe_server) == [("Mug", 300, 2), ("Tea", 100, 1), ("Delivery", 200, 1), ("Tax", 100, 1)]


@pytest.mark.parametrize(
    "items",
    [
        [("Mug", "3.00", 2)],
        [("Mug", "12.00", 1), ("Discount", "-2.00", 1)],
        [("Mug", "10.005", 1), ("Rounding", "-0.005", 1)],
        [("Mug", "4.00", Decimal("2.5"))],
        [("Mug", "10.00", 1), ("Nothing", "1.00", 0)],
        [],
    ],
    ids=["too-little", "discount", "too-fine", "half-a-mug", "none-of-it", "no-items"],
)
def test_items__that_do_not_add_up_are_one_line(
    stripe_server: FakeStripe, monkeypatch: pytest.MonkeyPatch, items: list[tuple[str, Any, Any]]
) -> None:
    with_items(monkeypatch, *items)
    redirect(make_payment(description="Order 7"))
    assert lines(stripe_server) == [("Order 7", 1000, 1)]


def test_items__without_a_name(stripe_server: FakeStripe, monkeypatch: pytest.MonkeyPatch) -> None:
    with_items(monkeypatch, ("", "4.00", 1), ("M" * 300, "6.00", 1))
    redirect(make_payment())
    assert lines(stripe_server) == [("Item", 400, 1), ("M" * 250, 600, 1)]
