"""What is found long after it has happened is no news: by an event that comes late, by a look, by an import."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core import mail
from django.utils import timezone

from django_stripe_gateway.exceptions import PaymentDeclined, ProviderUnavailable
from django_stripe_gateway.models import Invoice, InvoiceRefund, MailMessage, Refund, get_payment_model
from django_stripe_gateway.payments import charge
from django_stripe_gateway.services.mails.writers import write_action_required
from django_stripe_gateway.services.origins import SYSTEM
from django_stripe_gateway.services.payments.capture import capture_payment
from django_stripe_gateway.services.payments.refresh import sync_payment
from django_stripe_gateway.services.subscriptions.given_back_look import look_up_given_back
from tests.fake_stripe import FakeStripe
from tests.test_billing.host import SubscriptionHost
from tests.test_imports.running_account import RunningAccount, run_import
from tests.test_services.conftest import Shop
from tests.test_services.test_mails.test_kinds import frozen
from tests.test_services.test_saved_cards import saved_card
from tests.test_webhooks.support import deliver_all

pytestmark = pytest.mark.django_db(transaction=True)

#: How much later something is found, and whether that is told.
LATE = pytest.mark.parametrize(("days", "is_told"), [(2, True), (9, False)])
AFTER_ALL_BANKS = 30


def later(days: float) -> Any:
    """Let it be some days later here, and not at the provider."""
    return frozen(timezone.now() + timedelta(days=days))


def kinds() -> list[str]:
    return list(MailMessage.objects.order_by("pk").values_list("kind", flat=True))


def owned(shop: Shop, user: Any, **fields: Any) -> Any:
    payment = shop.waiting(owner=user, **fields)
    shop.stripe.complete_checkout(payment.transaction_id)
    return payment


def found_by_event(shop: Shop, payment: Any, types: tuple[str, ...]) -> None:
    deliver_all(event for event in shop.stripe.events() if event["type"] in types)


def found_by_a_look(shop: Shop, payment: Any, types: tuple[str, ...]) -> None:
    sync_payment(payment=payment, with_refunds=True)


Finding = Callable[[Shop, Any, tuple[str, ...]], None]
FINDINGS = pytest.mark.parametrize("find", [found_by_event, found_by_a_look])


@LATE
@FINDINGS
def test_paid(shop: Shop, user: Any, find: Finding, days: int, is_told: bool) -> None:
    payment = owned(shop, user)
    with later(days):
        find(shop, payment, ("checkout.session.completed",))
    payment.refresh_from_db()
    assert payment.status == "confirmed"
    assert kinds() == ["paid"] * is_told


@LATE
@pytest.mark.parametrize("kind", ["refund.created", "charge.refunded"])
def test_paid__found_by_the_news_of_a_refund(shop: Shop, user: Any, kind: str, days: int, is_told: bool) -> None:
    """They say when it was refunded, and not when it was paid."""
    payment = owned(shop, user)
    shop.stripe.dashboard_refund(shop.stripe.get(payment.transaction_id)["payment_intent"], 400)
    late = days * 86_400
    refund_id = shop.stripe.all("refund")[0]["id"]
    shop.stripe.act(refund_id, lambda _scope, refund: refund.update(created=refund["created"] + late))
    (event,) = (event for event in shop.stripe.events() if event["type"] == kind)
    event["created"] += late
    if kind == "refund.created":
        event["data"]["object"]["created"] += late
    with later(days):
        deliver_all([event])
    payment.refresh_from_db()
    assert (payment.captured_amount, payment.refunded_amount) == (10, 4)
    assert kinds() == ["paid"] * is_told + ["refunded"]


@FINDINGS
def test_date__is_that_of_what_happened(shop: Shop, user: Any, find: Finding) -> None:
    """And not that of the day on which it was found."""
    payment = owned(shop, user)
    shop.stripe.dashboard_refund(shop.stripe.get(payment.transaction_id)["payment_intent"], 400)
    paid = timezone.localdate()
    with later(3):
        find(shop, payment, ("checkout.session.completed", "refund.created"))
    assert kinds() == ["paid", "refunded"]
    assert all(f"Date: {paid:%B} {paid.day}, {paid.year}" in message.body for message in mail.outbox)


def test_paid__a_capture_is_no_older_than_it_is_found(shop: Shop, user: Any) -> None:
    """When a hold was taken nobody says, but for its event."""
    payment = sync_payment(payment=owned(shop, user, capture_method="manual"))
    with later(9):
        capture_payment(payment=payment)
    assert kinds() == ["paid"]


@pytest.mark.parametrize(("days", "is_told"), [(16, True), (AFTER_ALL_BANKS, False)])
def test_paid__by_a_bank_that_takes_days(shop: Shop, user: Any, days: int, is_told: bool) -> None:
    payment = owned(shop, user)

    def by_debit(scope: Any, charge: Any) -> None:
        charge["payment_method_details"] = {"type": "sepa_debit", "sepa_debit": {"last4": "3000"}}

    intent = shop.stripe.get(shop.stripe.get(payment.transaction_id)["payment_intent"])
    shop.stripe.act(intent["latest_charge"], by_debit)
    with later(days):
        sync_payment(payment=payment)
    assert kinds() == ["paid"] * is_told


@LATE
@FINDINGS
def test_refunded(shop: Shop, user: Any, find: Finding, days: int, is_told: bool) -> None:
    payment = owned(shop, user)
    payment = sync_payment(payment=payment)
    MailMessage.objects.all().delete()
    shop.stripe.dashboard_refund(payment.intent_id, 400)
    with later(days):
        find(shop, payment, ("refund.created", "charge.refunded"))
    assert Refund.objects.get().status == "succeeded"
    assert kinds() == ["refunded"] * is_told


@LATE
def test_refunded__by_an_event_that_names_no_refund(shop: Shop, user: Any, days: int, is_told: bool) -> None:
    payment = sync_payment(payment=owned(shop, user))
    MailMessage.objects.all().delete()
    shop.stripe.dashboard_refund(payment.intent_id, 400)
    with later(days):
        found_by_event(shop, payment, ("charge.refunded",))
    assert Refund.objects.get().status == "succeeded"
    assert kinds() == ["refunded"] * is_told


def test_refunded__made_long_ago_and_over_now(shop: Shop, user: Any) -> None:
    """A bank takes its time: that it is over is new, whenever it was asked for."""
    payment = sync_payment(payment=owned(shop, user))
    MailMessage.objects.all().delete()
    shop.stripe.refunds_stay_pending = True
    shop.stripe.dashboard_refund(payment.intent_id, 400)
    sync_payment(payment=payment, with_refunds=True)
    refund = Refund.objects.get()
    assert refund.status == "pending"
    shop.stripe.settle_refund(refund.provider_id or "")
    with later(9):
        sync_payment(payment=payment, with_refunds=True)
    assert kinds() == ["refunded"]


@LATE
def test_refunded__of_an_invoice(host: SubscriptionHost, days: int, is_told: bool) -> None:
    host.subscribed()
    MailMessage.objects.all().delete()
    invoice = Invoice.objects.get()
    host.fake.dashboard_refund(host.fake.all("payment_intent")[-1]["id"], 500)
    with later(days):
        look_up_given_back(invoice)
    assert InvoiceRefund.objects.get().status == "succeeded"
    assert kinds() == ["refunded"] * is_told


@LATE
@pytest.mark.parametrize(
    ("card", "kind"),
    [("pm_card_authenticationRequired", "action_required"), ("pm_card_chargeCustomerFail", "payment_failed")],
)
def test_charge(stripe_server: FakeStripe, user: Any, card: str, kind: str, days: int, is_told: bool) -> None:
    """A charge without its customer, whose answer was lost."""
    saved_card(user, card)
    stripe_server.fault("POST", "/v1/payment_intents", kind="reset_after", times=3)
    with pytest.raises(ProviderUnavailable):
        charge(owner=user, amount=Decimal("25.00"), currency="USD", idempotency_key="k")
    payment = get_payment_model().objects.get()
    assert kinds() == []
    with later(days), contextlib.suppress(PaymentDeclined):
        charge(owner=user, amount=Decimal("25.00"), currency="USD", idempotency_key="k")
    payment.refresh_from_db()
    assert payment.failure_code
    assert kinds() == [kind] * is_told


@LATE
@pytest.mark.parametrize(
    ("card", "kind", "event"),
    [
        ("pm_card_chargeCustomerFail", "payment_failed", "invoice.payment_failed"),
        ("pm_card_authenticationRequired", "action_required", "invoice.payment_action_required"),
        ("pm_card_visa", "paid", "invoice.paid"),
    ],
)
def test_renewal(host: SubscriptionHost, card: str, kind: str, event: str, days: int, is_told: bool) -> None:
    subscription = host.subscribed()
    host.deliver_new()
    MailMessage.objects.all().delete()
    host.change_card(subscription, card)
    host.fake.advance(days=32)
    events = [one for one in host.new_events() if one["type"] in (event, "invoice.created", "invoice.finalized")]
    with later(32 + days):
        host.deliver(events)
    assert [found for found in kinds() if found == kind] == [kind] * is_told


@pytest.mark.parametrize(
    ("issued", "attempt", "is_told"), [(-9, 1, True), (-9, None, False), (-9, -2, False), (-2, None, True)]
)
def test_action_required__by_a_look(host: SubscriptionHost, issued: int, attempt: int | None, is_told: bool) -> None:
    """What the provider still tries is no history."""
    host.subscribed()
    MailMessage.objects.all().delete()
    invoice, now = Invoice.objects.get(), timezone.now()
    invoice.billing_reason, invoice.issued = "subscription_cycle", now + timedelta(days=issued)
    invoice.next_payment_attempt = None if attempt is None else now + timedelta(days=attempt)
    write_action_required(invoice, SYSTEM)
    assert kinds() == ["action_required"] * is_told


def test_renewal_coming__heard_of_late_and_still_to_come(host: SubscriptionHost) -> None:
    """What is to come is told of until it comes, however old its announcement is."""
    yearly = host.sell("yearly", Decimal("240.00"), interval="year")
    subscription = host.subscribed(yearly)
    MailMessage.objects.all().delete()
    host.new_events()
    host.fake.advance(days=360)
    events = [event for event in host.new_events() if event["type"] == "invoice.upcoming"]
    for event in events:
        event["created"] -= 20 * 86_400
    with frozen(subscription.current_period_end - timedelta(days=5)):
        host.deliver(events)
    assert kinds() == ["renewal_coming"]


def test_import(stripe_server: FakeStripe, user: Any) -> None:
    """It writes to nobody: of what it brings, of what has waited for that, of what it brings up to date."""
    account = RunningAccount(stripe_server)
    customer = account.customer(email=user.email)
    account.subscribe(customer, account.basic)
    page = account.paid_page(customer)
    deliver_all(event for event in stripe_server.events() if event["type"] == "invoice.paid")
    run_import()
    stripe_server.dashboard_refund(page["payment_intent"], 500)
    run_import()
    assert Invoice.objects.get().status == "paid"
    assert Refund.objects.get().status == "succeeded"
    assert kinds() == []
