"""What a payment was made with: from events and answers of each generation, and never from an attempt that failed."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from django_stripe_gateway.gateways.stripe.charges import charge_expansion, intent_charge, paid_with
from django_stripe_gateway.gateways.values import PaidWith
from django_stripe_gateway.models import WebhookEvent
from django_stripe_gateway.payments import confirm_payment, create_payment, start_payment, sync_payment
from django_stripe_gateway.services.leaving.erase import erase_owner
from django_stripe_gateway.services.leaving.export import export_owner
from django_stripe_gateway.webhooks.inbox.process import process_event
from tests.factories import make_event
from tests.fake_stripe.server import FakeStripe
from tests.test_api.conftest import INTENT_VARIANTS
from tests.test_webhooks.conftest import Shop
from tests.test_webhooks.support import deliver, deliver_all

pytestmark = pytest.mark.django_db(transaction=True)

VISA = ("card", "visa", "4242")
VERSIONS = {"current": "", "acacia": "2025-02-24.acacia", "legacy": "2017-08-15"}


@pytest.fixture(params=list(VERSIONS))
def generation(request: Any, settings: Any, stripe_server: FakeStripe) -> FakeStripe:
    """Let requests and events be of each generation."""
    settings.STRIPE_GATEWAY_API_VERSION = VERSIONS[request.param]
    stripe_server.generation = request.param
    return stripe_server


@pytest.fixture
def shop(stripe_server: FakeStripe, user: Any) -> Shop:
    """Return a shop at the fake Stripe."""
    return Shop(stripe_server, user)


def used(payment: Any) -> tuple[str, str, str]:
    payment.refresh_from_db()
    return (payment.payment_method_type, payment.card_brand, payment.card_last4)


def test_events_say_it(generation: FakeStripe, shop: Shop) -> None:
    payment = shop.payment()
    deliver_all(generation.complete_checkout(payment.transaction_id))
    assert used(payment) == VISA
    assert payment.receipt_url.startswith("https://pay.stripe.com/receipts/")
    # The address opens the receipt to whoever has it: it is on the row, and in no body that is kept for months.
    assert not any("receipts" in body for body in WebhookEvent.objects.values_list("body", flat=True))


def test_events__nobody_is_asked(generation: FakeStripe, shop: Shop) -> None:
    payment = shop.payment()
    events = generation.complete_checkout(payment.transaction_id)
    before = len(generation.requests)
    deliver_all(events)
    assert len(generation.requests) == before


def test_asking_says_it(generation: FakeStripe, shop: Shop) -> None:
    payment = shop.payment()
    generation.complete_checkout(payment.transaction_id)
    sync_payment(payment=payment)
    assert used(payment) == VISA
    assert payment.receipt_url


@pytest.mark.parametrize("manual", [False, True])
def test_confirming_says_it(generation: FakeStripe, settings: Any, user: Any, manual: bool) -> None:
    settings.PAYMENT_VARIANTS = INTENT_VARIANTS
    method = {"capture_method": "manual"} if manual else {}
    payment = create_payment(owner=user, gateway="stripe", amount=Decimal("10.00"), currency="USD", **method)
    confirm_payment(payment=payment, payment_method="pm_card_mastercard")
    assert used(payment) == ("card", "mastercard", "4444")


def test_failed_attempt_says_nothing(generation: FakeStripe, shop: Shop) -> None:
    payment = shop.payment()
    deliver_all(generation.complete_checkout(payment.transaction_id, "pm_card_chargeDeclinedInsufficientFunds"))
    assert used(payment) == ("", "", "")
    events = generation.complete_checkout(payment.transaction_id)
    deliver_all([*events, *events])
    assert used(payment) == VISA


def test_late_event_of_an_older_attempt(stripe_server: FakeStripe, settings: Any, shop: Shop) -> None:
    payment = shop.paid()
    other = {"card": {"brand": "amex", "last4": "8431"}, "type": "card"}
    charge = {
        "id": "ch_old",
        "object": "charge",
        "amount": 1000,
        "currency": "usd",
        "status": "succeeded",
        "livemode": False,
        "metadata": {"token": payment.token},
        "payment_intent": "pi_of_an_older_attempt",
        "payment_method_details": other,
    }
    deliver(make_event("charge.succeeded", charge))
    assert used(payment) == VISA


@pytest.mark.parametrize(
    ("wrong", "state"),
    [
        # Whether another amount is right its intent's or its page's event says.
        ({"amount": 999}, "processed"),
        ({"currency": "eur"}, "processed"),
        ({"livemode": True}, "mismatched"),
        ({"amount": "x"}, "mismatched"),
    ],
)
def test_contradiction_changes_nothing(shop: Shop, wrong: dict[str, Any], state: str) -> None:
    payment = shop.payment()
    charge = next(e for e in shop.fake.complete_checkout(payment.transaction_id) if e["type"] == "charge.succeeded")
    charge["data"]["object"] |= wrong
    deliver(charge)
    assert used(payment) == ("", "", "")
    assert WebhookEvent.objects.get().state == state


def test_charge_of_nobody_is_no_noise(shop: Shop) -> None:
    payment = shop.payment()
    charge = next(e for e in shop.fake.complete_checkout(payment.transaction_id) if e["type"] == "charge.succeeded")
    charge["data"]["object"] |= {"metadata": {}, "payment_intent": "pi_of_an_invoice"}
    deliver(charge)
    assert WebhookEvent.objects.get().state == "ignored"


def test_receipt_outlives_events_without_it(shop: Shop) -> None:
    payment = shop.paid()
    receipt = payment.receipt_url
    row = WebhookEvent.objects.get(type="charge.succeeded")
    # As a worker gets it: stored, without addresses.
    row.state = "failed"
    row.save()
    process_event(row.pk)
    payment.refresh_from_db()
    assert payment.receipt_url == receipt != ""


def test_new_attempt_takes_the_place(shop: Shop) -> None:
    payment = shop.payment()
    deliver_all(shop.fake.expire_session(payment.transaction_id))
    payment.refresh_from_db()
    payment = start_payment(payment=payment)
    deliver_all(shop.fake.complete_checkout(payment.transaction_id, "pm_card_amex"))
    assert used(payment) == ("card", "amex", "8431")


def test_export_and_erase(shop: Shop) -> None:
    payment = shop.paid()
    (exported,) = export_owner(owner=shop.owner)["payments"]
    assert (exported["card_brand"], exported["card_last4"]) == ("visa", "4242")
    erase_owner(owner=shop.owner)
    assert used(payment) == ("", "", "")
    assert payment.receipt_url == ""
    # Staff may still ask where the money is; what was erased stays away.
    sync_payment(payment=payment)
    assert used(payment) == ("", "", "")


CARD = {"brand": "visa", "last4": "4242"}


@pytest.mark.parametrize(
    ("details", "expected"),
    [
        ({"type": "card", "card": CARD}, PaidWith("card", "visa", "4242")),
        ({"type": "card", "card": CARD | {"wallet": {"type": "apple_pay"}}}, PaidWith("apple_pay", "visa", "4242")),
        ({"type": "card", "card": CARD | {"wallet": None}}, PaidWith("card", "visa", "4242")),
        ({"type": "card_present", "card_present": CARD}, PaidWith("card_present", "visa", "4242")),
        ({"type": "sepa_debit", "sepa_debit": {"last4": "3000"}}, PaidWith("sepa_debit")),
        ({"type": "paypal", "paypal": {"payer_email": "a@example.com"}}, PaidWith("paypal")),
        ({"type": "link", "link": {"country": "US"}}, PaidWith("link")),
        ({"type": "card", "card": None}, PaidWith("card")),
        ({"type": "card", "card": {"brand": 7, "last4": "42424"}}, PaidWith("card")),
        ({"type": "card", "card": {"last4": "²²²²"}}, PaidWith("card")),
        ({"type": ["card"]}, None),
        ({}, None),
        (None, None),
    ],
)
def test_kinds(details: Any, expected: PaidWith | None) -> None:
    assert paid_with({"status": "succeeded", "payment_method_details": details}) == expected
    assert paid_with({"status": "failed", "payment_method_details": details}) is None
    assert paid_with({"status": "pending", "payment_method_details": details}) is None


def test_kinds__oldest() -> None:
    source = {"object": "card", "brand": "American Express", "last4": "8431"}
    assert paid_with({"status": "succeeded", "source": source}) == PaidWith("card", "amex", "8431")


@pytest.mark.parametrize("url", ["http://pay.stripe.com/r", "javascript:alert(1)", 7, "https://a.test/" + "x" * 2048])
def test_receipt__only_what_a_page_may_link_to(url: Any) -> None:
    charge = {"status": "succeeded", "payment_method_details": {"type": "card"}, "receipt_url": url}
    assert paid_with(charge) == PaidWith("card")


def test_intent_charge() -> None:
    assert intent_charge({"latest_charge": {"id": "ch_1"}}) == {"id": "ch_1"}
    assert intent_charge({"charges": {"data": [{"id": "ch_2"}, {"id": "ch_1"}]}}) == {"id": "ch_2"}
    for empty in ({}, {"latest_charge": "ch_1"}, {"charges": {"data": []}}, {"charges": "x"}):
        assert intent_charge(empty) == {}


def test_charge_expansion() -> None:
    assert charge_expansion("") == ["latest_charge"]
    assert charge_expansion("2022-11-15") == ["latest_charge"]
    assert charge_expansion("2022-08-01") == []
    assert charge_expansion("", is_localstripe=True) == []
    assert charge_expansion("2022-08-01", before="payment_intent") == ["payment_intent"]
    assert charge_expansion("", before="payment_intent") == ["payment_intent.latest_charge"]
    assert charge_expansion("2017-08-15", after="balance_transaction") == ["charges.data.balance_transaction"]
