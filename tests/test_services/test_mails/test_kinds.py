"""Each kind of e-mail: when it is sent, once, in both languages, as text and as HTML."""

from __future__ import annotations

import contextlib
from datetime import timedelta
from decimal import Decimal
from typing import Any
from unittest import mock

import pytest
from django.core import mail
from django.db import transaction
from django.utils import timezone
from django.utils.html import escape

from django_stripe_gateway.adapter import Adapter
from django_stripe_gateway.exceptions import PaymentDeclined
from django_stripe_gateway.gateways.registry import get_gateway
from django_stripe_gateway.gateways.values import PaymentRef
from django_stripe_gateway.models import Invoice, MailMessage, Subscription, SubscriptionItem, get_payment_model
from django_stripe_gateway.payments import charge
from django_stripe_gateway.services.audit import announce_status, without_signals
from django_stripe_gateway.services.mails.send import send_due_mails
from django_stripe_gateway.services.mails.writers import write_paid_invoice, write_trial_ending
from django_stripe_gateway.services.origins import SYSTEM
from django_stripe_gateway.subscriptions import InvoiceItem, create_invoice, ensure_customer
from tests.factories import intent_object, make_event, make_paid_payment, make_payment, refund_object
from tests.fake_stripe import FakeStripe
from tests.test_billing.host import SubscriptionHost
from tests.test_billing.test_trials import trialing
from tests.test_services.test_mails.conftest import states
from tests.test_services.test_saved_cards import saved_card
from tests.test_webhooks.support import deliver

pytestmark = pytest.mark.django_db(transaction=True)


def both_parts(message: Any) -> tuple[str, str]:
    """Return the text and the HTML of an e-mail."""
    ((html, kind),) = message.alternatives
    assert kind == "text/html"
    return message.body, html


def pay(**fields: Any) -> Any:
    payment = make_payment(transaction_id="pi_1", intent_id="pi_1", **fields)
    event = make_event("payment_intent.succeeded", intent_object(payment))
    assert deliver(event).status_code == 200
    return payment, event


def test_paid(user: Any) -> None:
    _payment, event = pay(
        owner=user, total=Decimal("1234.50"), currency="EUR", description="Three <b> & bears\nBcc: x@y.z"
    )
    (message,) = mail.outbox
    assert message.to == ["ada@example.com"]
    assert message.subject == "Your payment of €1,234.50 to Ada's Shop"
    text, html = both_parts(message)
    assert "For: Three <b> & bears Bcc: x@y.z" in text
    assert "Three &lt;b&gt; &amp; bears" in html
    assert "Three <b>" not in html
    assert "See your account:\nhttps://shop.test/account/" in text
    assert "https://shop.test/account/" in html
    assert "invoice" not in text + html
    assert states() == [("paid", "sent")]
    # The same again, and another event that says the same.
    deliver(event)
    deliver({**event, "id": "evt_another"})
    assert len(mail.outbox) == 1


@pytest.mark.parametrize("invoice_first", [True, False])
def test_paid__with_an_invoice_of_it(host: SubscriptionHost, invoice_first: bool) -> None:
    """A page that was asked for an invoice (`invoice_creation`): one e-mail, whichever comes first."""
    customer = ensure_customer(owner=host.user)
    payment = make_payment(transaction_id="pi_1", intent_id="pi_1", owner=host.user)
    event = make_event("payment_intent.succeeded", intent_object(payment))
    if not invoice_first:
        deliver(event)
    values = {"status": "paid", "currency": "USD", "amount_paid": Decimal(10), "intent_id": "pi_1"}
    invoice = Invoice.objects.create(
        customer=customer, variant="stripe", provider_id="in_1", account_id=customer.account_id, **values
    )
    write_paid_invoice(invoice)
    if invoice_first:
        deliver(event)
    payment.refresh_from_db()
    assert payment.status == "confirmed"
    assert [kind for kind, _state in states()] == ["paid"]


@pytest.mark.usefixtures("german")
def test_paid__german(user: Any) -> None:
    pay(owner=user, total=Decimal("1234.50"), currency="EUR")
    text, html = both_parts(mail.outbox[0])
    assert "1.234,50\xa0€" in text
    assert "1.234,50\xa0€" in html
    assert '<html lang="de"' in html
    # What follows begins with a capital, as after no comma.
    assert text.startswith("Guten Tag!\n\nWir haben")
    row = MailMessage.objects.get()
    assert (row.language, row.recipient) == ("de", "ada@example.com")


def test_paid__guest() -> None:
    pay(billing_email="guest@example.com")
    assert mail.outbox[0].to == ["guest@example.com"]
    # A guest has no account to see.
    assert "account" not in mail.outbox[0].body


EVIL = "Your account is locked: https://evil.example/login"


class DoubtingAdapter(Adapter):
    """Knows of no address whose it is."""

    def has_verified_email(self, owner: Any) -> bool:
        return False


@pytest.mark.parametrize("who", ["guest", "owner without an address", "owner of doubt"])
def test_paid__to_an_address_that_only_a_client_has_named(user: Any, settings: Any, who: str) -> None:
    """Nothing that whoever asked for the payment has written comes there in the site's name."""
    user.first_name, user.email = EVIL[:30], "" if who != "owner of doubt" else "victim@example.com"
    user.save()
    if who == "owner of doubt":
        settings.STRIPE_GATEWAY_ADAPTER = f"{__name__}.DoubtingAdapter"
    owner = None if who == "guest" else user
    pay(owner=owner, is_guest=owner is None, billing_email="victim@example.com", description=EVIL)
    (message,) = mail.outbox
    assert message.to == ["victim@example.com"]
    for part in (message.subject, *both_parts(message)):
        assert EVIL[:30] not in part
        assert "evil" not in part
    assert "$10.00" in message.body


def test_paid__to_the_owners_own_address__also_named_by_the_client(user: Any) -> None:
    pay(owner=user, billing_email="ADA@example.com", description="Three bears")
    assert "For: Three bears" in mail.outbox[0].body


@pytest.mark.parametrize(
    ("card", "kind"),
    [("pm_card_authenticationRequired", "action_required"), ("pm_card_chargeCustomerFail", "payment_failed")],
)
@pytest.mark.parametrize("is_own", [True, False])
def test_charge_without_its_customer__leads_to_the_confirmation(
    stripe_server: FakeStripe, user: Any, settings: Any, card: str, kind: str, is_own: bool
) -> None:
    if not is_own:
        settings.STRIPE_GATEWAY_ADAPTER = f"{__name__}.DoubtingAdapter"
    saved_card(user, card)
    with contextlib.suppress(PaymentDeclined):
        charge(owner=user, amount=Decimal("25.00"), currency="USD")
    assert states() == [(kind, "sent")]
    url = get_payment_model().objects.get().get_confirmation_url()
    text, html = both_parts(mail.outbox[0])
    assert (url in text, escape(url) in html) == (is_own, is_own)
    assert ("https://shop.test/account/" in text) is not is_own


def test_paid__nobody_to_write_to() -> None:
    pay()
    assert mail.outbox == []
    assert states() == [("paid", "skipped")]


@pytest.mark.parametrize("written", [False, ["refunded"], []])
def test_paid__off(user: Any, settings: Any, written: Any) -> None:
    settings.STRIPE_GATEWAY_MAILS = written
    pay(owner=user)
    assert not MailMessage.objects.exists()


def test_paid__test_mode(user: Any, settings: Any) -> None:
    settings.STRIPE_GATEWAY_MAIL_TEST_MODE = None
    pay(owner=user)
    assert not MailMessage.objects.exists()


def test_refunded__in_part_then_wholly(user: Any) -> None:
    payment = make_paid_payment(owner=user)
    for number, amount in enumerate(("4.00", "6.00")):
        refund = refund_object(payment, id=f"re_{number}", amount=int(Decimal(amount) * 100))
        assert deliver(make_event("refund.updated", refund)).status_code == 200
        deliver(make_event("refund.updated", refund))
    first, _second = mail.outbox
    assert first.subject == "Ada's Shop has refunded $4.00"
    assert "We have refunded $4.00 of your payment." in first.body
    assert states() == [("refunded", "sent")] * 2


def test_subscription__first_payment_and_renewal(host: SubscriptionHost) -> None:
    host.subscribed()
    host.deliver_new()
    assert [message.subject for message in mail.outbox] == ["Your payment of $20.00 to Ada's Shop"]
    invoice = Invoice.objects.get()
    assert f"Invoice number: {invoice.number}" in mail.outbox[0].body
    assert "Plan: Basic" in mail.outbox[0].body
    assert f"See the invoice:\n{invoice.hosted_url}" in mail.outbox[0].body
    events = host.new_events()
    host.fake.advance(days=32)
    events = host.new_events()
    host.deliver(events)
    host.deliver(events)
    assert states() == [("paid", "sent")] * 2


def test_payment_failed__once_for_each_attempt(host: SubscriptionHost) -> None:
    subscription = host.subscribed()
    host.deliver_new()
    mail.outbox.clear()
    host.change_card(subscription, "pm_card_chargeCustomerFail")
    host.fake.advance(days=32)
    events = host.new_events()
    host.deliver(events)
    host.deliver(reversed(events))
    (message,) = mail.outbox
    assert message.subject == "Your payment of $20.00 has failed"
    text, html = both_parts(message)
    invoice = Invoice.objects.exclude(status="paid").get()
    assert "We could not charge $20.00." in text
    assert invoice.hosted_url in text
    assert "Pay now" in html
    assert ("payment_failed", "sent") in states()


def test_payment_failed__paid_before_it_is_sent(host: SubscriptionHost, settings: Any) -> None:
    settings.STRIPE_GATEWAY_MAIL_DELIVERY = "command"
    subscription = host.subscribed()
    host.change_card(subscription, "pm_card_chargeCustomerFail")
    host.fake.advance(days=32)
    host.deliver_new()
    assert ("payment_failed", "pending") in states()
    Invoice.objects.update(status="paid")
    list(send_due_mails())
    assert ("payment_failed", "skipped") in states()
    assert MailMessage.objects.get(kind="payment_failed").error == "the invoice is paid"


def test_action_required(host: SubscriptionHost) -> None:
    subscription = host.subscribed()
    host.deliver_new()
    mail.outbox.clear()
    host.change_card(subscription, "pm_card_authenticationRequired")
    host.fake.advance(days=32)
    host.deliver_new()
    # The provider says that it has failed, and that it is to be confirmed: one e-mail.
    assert len(mail.outbox) == 1
    kinds = {kind for kind, state in states() if state == "sent"} - {"paid"}
    assert len(kinds) == 1


@pytest.mark.parametrize("pay", [True, False], ids=["at once", "by the provider"])
@pytest.mark.parametrize(
    ("card", "kind"),
    [("pm_card_chargeCustomerFail", "payment_failed"), ("pm_card_authenticationRequired", "action_required")],
)
def test_invoice_on_demand(host: SubscriptionHost, card: str, kind: str, pay: bool) -> None:
    customer = ensure_customer(owner=host.user)
    host.fake.customer_changes_card(customer.provider_id or "", card)
    with contextlib.suppress(PaymentDeclined):
        create_invoice(owner=host.user, items=[InvoiceItem("Hours", Decimal(50))], currency="USD", pay=pay)
    host.fake.advance(hours=0 if pay else 3)
    events = host.new_events()
    host.deliver(events)
    host.deliver(reversed(events))
    assert [found for found, state in states() if state == "sent"] == [kind]
    assert len(mail.outbox) == 1
    assert Invoice.objects.get().hosted_url in mail.outbox[0].body


def test_invoice_that_is_sent__tells_of_no_failure(host: SubscriptionHost) -> None:
    invoice = create_invoice(
        owner=host.user,
        items=[InvoiceItem("Hours", Decimal(50))],
        currency="USD",
        collection="send_invoice",
        days_until_due=14,
    )
    event = make_event("invoice.payment_failed", host.fake.get(invoice.provider_id))
    host.deliver([event])
    assert states() == []


@pytest.mark.parametrize(
    ("card", "sent"), [("pm_card_visa", []), ("pm_card_authenticationRequired", ["action_required"])]
)
def test_charge_that_the_seller_has_let_go__is_no_failure(
    stripe_server: FakeStripe, user: Any, card: str, sent: list[str]
) -> None:
    """Released or cancelled at Stripe: there is nothing to pay any more."""
    saved_card(user, card)
    payment = charge(owner=user, amount=Decimal("25.00"), currency="USD", capture_method="manual")
    ref = PaymentRef(payment.intent_id, payment.intent_id, "USD")
    get_gateway("stripe").cancel_payment(ref, idempotency_key="dashboard")
    deliver(next(event for event in stripe_server.events() if event["type"] == "payment_intent.canceled"))
    payment.refresh_from_db()
    assert payment.status == "rejected"
    assert [kind for kind, state in states() if state == "sent"] == sent
    assert len(mail.outbox) == len(sent)


def test_trial_ending(host: SubscriptionHost) -> None:
    subscription = trialing(host, days=14)
    host.fake.advance(days=12)
    events = host.new_events()
    host.deliver(events)
    host.deliver(events)
    (message,) = mail.outbox
    end = Subscription.objects.get(pk=subscription.pk).trial_end
    assert end is not None
    assert f"Your trial ends on {end:%B} {end.day}, {end.year}" == message.subject
    assert states() == [("trial_ending", "sent")]
    assert "costs $20.00" in message.body


def test_trial_ending__with_an_add_on(host: SubscriptionHost) -> None:
    """What the plan costs is not what is charged: no amount is told."""
    subscription = trialing(host, days=14)
    support = host.sell("support", Decimal("7.00"), is_add_on=True)
    host.v1.subscription_items.create({"subscription": subscription.provider_id, "price": support.stripe_price_id})
    host.deliver_new()
    host.fake.advance(days=12)
    host.deliver_new()
    (message,) = mail.outbox
    assert message.subject.startswith("Your trial ends on")
    assert "$" not in message.body


def test_trial_ending__in_another_currency_than_the_catalogue_says(host: SubscriptionHost) -> None:
    subscription = trialing(host, days=14)
    SubscriptionItem.objects.update(currency="EUR")
    write_trial_ending(subscription)
    list(send_due_mails())
    (message,) = mail.outbox
    assert "$" not in message.body


@pytest.mark.usefixtures("german")
def test_renewal_coming__of_a_year(host: SubscriptionHost) -> None:
    yearly = host.sell("yearly", Decimal("240.00"), interval="year", currency="EUR")
    subscription = host.subscribed(yearly)
    host.deliver_new()
    mail.outbox.clear()
    host.fake.advance(days=360)
    events = host.new_events()
    now = subscription.current_period_end - timedelta(days=5)
    with frozen(now):
        host.deliver(events)
        host.deliver([{**event, "id": f"{event['id']}2"} for event in events])
    (message,) = mail.outbox
    assert "240,00\xa0€" in message.body
    assert [kind for kind, state in states()] == ["paid", "renewal_coming"]


def test_renewal_coming__not_of_a_month(host: SubscriptionHost) -> None:
    subscription = host.subscribed()
    host.fake.advance(days=29)
    with frozen(subscription.current_period_end - timedelta(days=2)):
        host.deliver_new()
    assert {kind for kind, state in states()} == {"paid"}


def test_receipt_of_long_ago__is_no_news(host: SubscriptionHost) -> None:
    host.subscribed()
    MailMessage.objects.all().delete()
    invoice = Invoice.objects.get()
    invoice.paid_at = timezone.now() - timedelta(days=8)
    write_paid_invoice(invoice)
    assert not MailMessage.objects.exists()


def test_history__is_not_written_about(user: Any) -> None:
    payment = make_paid_payment(owner=user)
    with transaction.atomic(), without_signals():
        announce_status(payment, "waiting", SYSTEM)
    assert not MailMessage.objects.exists()


def frozen(moment: Any) -> Any:
    """Let it be another time here."""
    return mock.patch.object(timezone, "now", return_value=moment)
