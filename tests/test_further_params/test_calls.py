"""What a host adds arrives at Stripe, call by call, and again the same when the call is repeated."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from fnmatch import fnmatch
from typing import Any

import pytest
from django.core.management import call_command
from payments import get_payment_model

from django_stripe_gateway import exceptions
from django_stripe_gateway.adapter import CallKind
from django_stripe_gateway.gateways.stripe.intents import StripeIntentGateway
from django_stripe_gateway.gateways.values import PaymentRef, PaymentSnapshot, ProviderStatus
from django_stripe_gateway.models import BillingOperation, PaymentGatewayConfig, PaymentOperation
from django_stripe_gateway.services.catalogue.publish import push_plan
from django_stripe_gateway.services.operations.verbs import verb_of
from django_stripe_gateway.services.payments.charge import charge
from django_stripe_gateway.services.payments.confirm import confirm_payment
from django_stripe_gateway.services.payments.create import create_payment
from django_stripe_gateway.services.payments.refund import refund_payment
from django_stripe_gateway.services.subscriptions.customers import ensure_customer
from django_stripe_gateway.services.subscriptions.payment_methods import add_payment_method
from django_stripe_gateway.services.subscriptions.portal import portal_url
from django_stripe_gateway.services.subscriptions.setup_checkouts import open_setup_checkout
from django_stripe_gateway.services.subscriptions.subscribe import subscribe
from tests.billing_factories import make_plan
from tests.test_billing.host import SubscriptionHost
from tests.test_further_params.adding import ADDED, ASKED
from tests.test_services.conftest import Shop
from tests.test_services.test_saved_cards import saved_card

pytestmark = pytest.mark.django_db(transaction=True)

SESSIONS = "/v1/checkout/sessions"
PAGE = "https://shop.example.com/"


def pay_on_page(shop: Shop) -> None:
    shop.waiting(idempotency_key="k")


def pay_in_browser(shop: Shop) -> None:
    shop.waiting(idempotency_key="k", gateway="intent")


def confirm(shop: Shop) -> None:
    confirm_payment(payment=shop.prepared, payment_method="pm_card_visa", base_url=PAGE)  # type: ignore[attr-defined]


def refund(shop: Shop) -> None:
    refund_payment(payment=shop.prepared, amount=Decimal(1))  # type: ignore[attr-defined]


def charge_saved_card(shop: Shop) -> None:
    charge(owner=shop.user, amount=Decimal(10), currency="USD", gateway="Stripe", idempotency_key="k")


def make_customer(shop: Shop) -> None:
    ensure_customer(owner=shop.user)


def change_customer(shop: Shop) -> None:
    shop.user.email = "countess@example.com"
    ensure_customer(owner=shop.user)


def add_card(shop: Shop) -> None:
    add_payment_method(customer=ensure_customer(owner=shop.user))


def add_card_on_page(shop: Shop) -> None:
    open_setup_checkout(customer=ensure_customer(owner=shop.user), return_url=PAGE)


def open_portal(shop: Shop) -> None:
    portal_url(customer=ensure_customer(owner=shop.user), return_url=PAGE)


def start_subscription(shop: Shop, mode: str = "direct") -> None:
    pricing = shop.host.basic  # type: ignore[attr-defined]
    subscribe(owner=shop.user, plan=pricing.plan, mode=mode, success_url=PAGE, cancel_url=PAGE, idempotency_key="s")


def start_subscription_on_page(shop: Shop) -> None:
    start_subscription(shop, "checkout")


#: kind → (what is done, the path that is posted to, what is added)
CASES: dict[CallKind, tuple[Callable[[Shop], None], str, dict[str, Any]]] = {
    CallKind.PAYMENT_PAGE: (
        pay_on_page,
        SESSIONS,
        {"locale": "de", "payment_intent_data": {"statement_descriptor_suffix": "MUG", "metadata": {"shelf": "7"}}},
    ),
    CallKind.PAYMENT: (pay_in_browser, "/v1/payment_intents", {"receipt_email": "a@example.com"}),
    CallKind.CONFIRMATION: (confirm, "/v1/payment_intents/*/confirm", {"receipt_email": "a@example.com"}),
    CallKind.CHARGE: (
        charge_saved_card,
        "/v1/payment_intents",
        {"receipt_email": "a@example.com", "metadata": {"shelf": "7"}},
    ),
    CallKind.REFUND: (refund, "/v1/refunds", {"metadata": {"clerk": "7"}, "instructions_email": "a@example.com"}),
    CallKind.CUSTOMER: (make_customer, "/v1/customers", {"preferred_locales": ["de"], "metadata": {"crm": "1"}}),
    CallKind.CUSTOMER_UPDATE: (change_customer, "/v1/customers/*", {"phone": "555"}),
    CallKind.PAYMENT_METHOD: (add_card, "/v1/setup_intents", {"description": "for later"}),
    CallKind.PAYMENT_METHOD_PAGE: (add_card_on_page, SESSIONS, {"submit_type": "auto"}),
    CallKind.PORTAL: (open_portal, "/v1/billing_portal/sessions", {"locale": "de"}),
    CallKind.SUBSCRIPTION: (start_subscription, "/v1/subscriptions", {"description": "Basic"}),
    CallKind.SUBSCRIPTION_PAGE: (
        start_subscription_on_page,
        SESSIONS,
        {"locale": "de", "subscription_data": {"description": "Basic"}},
    ),
}


@pytest.fixture
def ready(shop: Shop, host: SubscriptionHost, settings: Any, request: pytest.FixtureRequest) -> Shop:
    """Return the shop, with what the case is about."""
    settings.PAYMENT_VARIANTS = {**settings.PAYMENT_VARIANTS, "intent": _intent(settings)}
    PaymentGatewayConfig.objects.create(name="intent", variant="intent")
    kind = request.getfixturevalue("kind")
    shop.host = host  # type: ignore[attr-defined]
    if kind == CallKind.CONFIRMATION:
        shop.prepared = shop.waiting(gateway="intent")  # type: ignore[attr-defined]
    elif kind == CallKind.REFUND:
        shop.prepared = shop.completed()  # type: ignore[attr-defined]
    elif kind == CallKind.CHARGE:
        saved_card(shop.user)
    elif kind not in (CallKind.CUSTOMER, CallKind.PAYMENT_PAGE, CallKind.PAYMENT):
        ensure_customer(owner=shop.user)
    shop.stripe.forget_requests()
    ASKED.clear()
    return shop


def _intent(settings: Any) -> tuple[str, dict[str, Any]]:
    path, options = settings.PAYMENT_VARIANTS["stripe"]
    return (path, {**options, "flow": "intent"})


def sent(shop: Shop, path: str) -> list[dict[str, Any]]:
    made = (request for request in shop.stripe.requests if request.method == "POST")
    return [dict(request.params) for request in made if fnmatch(request.path, path)]


def holds(params: dict[str, Any], added: dict[str, Any]) -> bool:
    """Return whether all that was added was sent."""
    return all(
        holds(params[name], value) if isinstance(value, dict) else params.get(name) == value
        for name, value in added.items()
    )


@pytest.mark.parametrize("kind", CASES)
def test_added__arrives(ready: Shop, kind: CallKind) -> None:
    act, path, added = CASES[kind]
    ADDED[kind] = added
    act(ready)
    (params,) = sent(ready, path)
    assert holds(params, added), params
    (call,) = [call for call in ASKED if call.kind == kind]
    assert (call.provider, call.variant) == (
        "stripe",
        "intent" if kind in (CallKind.PAYMENT, CallKind.CONFIRMATION) else "stripe",
    )
    assert call.owner == ready.user


@pytest.mark.parametrize("kind", CASES)
def test_repeat__is_the_very_same_though_the_adapter_has_changed_its_mind(
    ready: Shop, kind: CallKind, monkeypatch: pytest.MonkeyPatch
) -> None:
    act, path, added = CASES[kind]
    ADDED[kind] = added
    ready.stripe.fault("POST", path, kind="reset_after")
    with pytest.raises(exceptions.ProviderUnavailable):
        act(ready)
    (pending,) = [*PaymentOperation.objects.pending(), *BillingOperation.objects.pending()]
    # Stripe has acted. So that the request itself is repeated, nobody finds what it has made.
    monkeypatch.setattr(type(verb_of(pending)), "find_earlier", lambda *args: None)
    if kind == CallKind.CONFIRMATION:
        monkeypatch.setattr(StripeIntentGateway, "retrieve_payment", lambda self, ref: not_confirmed(ref))
    ADDED[kind] = {"expand": ["refused"]}
    call_command("reconcile")
    first, *more = sent(ready, path)
    assert holds(first, added)
    assert more
    assert all(params == first for params in more)
    assert not PaymentOperation.objects.pending().exists()
    assert not BillingOperation.objects.pending().exists()


def not_confirmed(ref: PaymentRef) -> PaymentSnapshot:
    """Return what Stripe says of an intent before it is confirmed."""
    return PaymentSnapshot(ProviderStatus.OPEN, ref.object_id)


@pytest.mark.parametrize("kind", CASES)
def test_nothing_added__nothing_kept(ready: Shop, kind: CallKind) -> None:
    act, _, _ = CASES[kind]
    act(ready)
    kept = [*PaymentOperation.objects.all(), *BillingOperation.objects.all()]
    assert kept
    assert not any("further" in operation.params for operation in kept)


@pytest.mark.parametrize("kind", CASES)
def test_owned__refused_before_anything_is_stored_or_sent(ready: Shop, kind: CallKind) -> None:
    act, path, _ = CASES[kind]
    before = (PaymentOperation.objects.count(), BillingOperation.objects.count())
    ADDED[kind] = {"expand": ["customer"]}
    with pytest.raises(exceptions.GatewayConfigurationError, match=r"further_params\(\) of .* names expand for "):
        act(ready)
    assert sent(ready, path) == []
    assert (PaymentOperation.objects.count(), BillingOperation.objects.count()) == before


def test_create__refused_leaves_no_payment(shop: Shop) -> None:
    ADDED[CallKind.PAYMENT_PAGE] = {"line_items": []}
    with pytest.raises(exceptions.GatewayConfigurationError, match=r"line_items.*get_purchased_items"):
        create_payment(owner=shop.user, gateway="Stripe", amount=Decimal(10), currency="USD")
    assert not get_payment_model().objects.exists()


def test_customer__hears_of_another_answer(shop: Shop) -> None:
    ensure_customer(owner=shop.user)
    ADDED[CallKind.CUSTOMER_UPDATE] = {"phone": "555"}
    ensure_customer(owner=shop.user)
    ensure_customer(owner=shop.user)
    assert [params.get("phone") for params in sent(shop, "/v1/customers/*")] == ["555"]


def test_catalogue__product_and_price(stripe_server: Any) -> None:
    plan = make_plan("gold")
    plan.pricing.create(amount=Decimal(9), currency="EUR", interval="month", variant="stripe")
    ADDED[CallKind.PRODUCT] = {"tax_code": "txcd_10103001"}
    ADDED[CallKind.PRICE] = {"tax_behavior": "exclusive"}
    push_plan(plan=plan)
    paths = ("/v1/products", "/v1/prices")
    made = [dict(request.params) for request in stripe_server.requests if request.path in paths]
    assert [found.get("tax_code") or found.get("tax_behavior") for found in made if found.get("metadata")] == [
        "txcd_10103001",
        "exclusive",
    ]
