"""What comes about somebody after they were erased, and what is left of who was deleted first."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from payments import get_payment_model

from django_stripe_gateway.models import Customer, IdempotencyKey, Invoice, Subscription, WebhookEvent
from django_stripe_gateway.services.leaving.events import redact_late_events
from django_stripe_gateway.services.leaving.redaction import without_personal_data
from django_stripe_gateway.services.subscriptions.invoices import look_up_invoice
from django_stripe_gateway.subscriptions import cancel_subscription, erase_owner, export_owner
from tests.factories import make_user
from tests.test_billing.host import SubscriptionHost
from tests.test_billing.test_leaving import PERSONAL, everything, left, pay  # noqa: F401 (a fixture)

pytestmark = pytest.mark.django_db(transaction=True)
NAMED = {"billing_details": {"name": "Ada Lovelace", "email": "ada@example.com"}, "receipt_email": "ada@example.com"}


def names() -> list[str]:
    """Return the types of the stored events that hold a name or an address."""
    return [event.type for event in WebhookEvent.objects.all() if any(word in event.body for word in PERSONAL)]


def refund_late(host: SubscriptionHost, payment: Any) -> None:
    """Let staff refund in the Dashboard, weeks later; what Stripe says of it names the payer."""
    known = len(host.fake.events())
    host.fake.dashboard_refund(payment.intent_id, 100)
    events = host.fake.events()[known:]
    for event in events:
        event["data"]["object"].update(NAMED)
    host.deliver(events)


def reconcile() -> None:
    call_command("reconcile", stdout=StringIO())


def test_late_events(left: SubscriptionHost, user: Any) -> None:  # noqa: F811
    erase_owner(owner=user)
    left.deliver_new()
    Customer.objects.update(erased=timezone.now() - timedelta(days=100))
    for model in (Subscription, Invoice):
        model.objects.update(created=timezone.now() - timedelta(days=200))
    refund_late(left, get_payment_model().objects.get())
    invoice = Invoice.objects.get()
    told = {**left.fake.get(invoice.provider_id), "customer_name": "Ada Lovelace"}
    event = {**left.fake.events()[-1], "id": "evt_late", "type": "invoice.updated", "data": {"object": told}}
    left.deliver([event])
    assert set(names()) >= {"charge.refunded", "invoice.updated"}
    reconcile()
    assert names() == []


def test_late_events__no_customer(host: SubscriptionHost, user: Any) -> None:
    """Who has only ever paid once, and is deleted by now."""
    payment = pay(host)
    host.fake.complete_checkout(payment.transaction_id)
    host.deliver_new()
    payment.refresh_from_db()
    erase_owner(owner=user)
    user.delete()
    refund_late(host, payment)
    assert "charge.refunded" in names()
    reconcile()
    assert names() == []


def test_comes_back(left: SubscriptionHost, user: Any) -> None:  # noqa: F811
    erase_owner(owner=user)
    left.deliver_new()
    left.subscribed()
    left.deliver_new()
    customer = Customer.objects.get()
    assert customer.former_ids
    new = Subscription.objects.exclude(status="canceled").get()
    bodies = dict(WebhookEvent.objects.filter(body__contains=new.provider_id).values_list("pk", "body"))
    assert bodies
    reconcile()
    assert dict(WebhookEvent.objects.filter(pk__in=bodies).values_list("pk", "body")) == bodies
    assert all(invoice.hosted_url for invoice in Invoice.objects.filter(subscription=new))
    assert not any(invoice.hosted_url for invoice in Invoice.objects.exclude(subscription=new))


def test_links_stay_erased(left: SubscriptionHost, user: Any) -> None:  # noqa: F811
    erase_owner(owner=user)
    left.deliver_new()
    Invoice.objects.update(status="open", amount_paid=0)
    look_up_invoice(Invoice.objects.get().pk)
    call_command("import_account", stdout=StringIO())
    assert list(Invoice.objects.values_list("status", "hosted_url", "pdf_url")) == [("paid", "", "")]


def test_owner_who_is_gone(host: SubscriptionHost, user: Any) -> None:
    payment = pay(host, description="A letter to Ada Lovelace")
    host.fake.complete_checkout(payment.transaction_id)
    cancel_subscription(subscription=host.subscribed(), at_period_end=False)
    host.deliver_new()
    payments = get_payment_model().objects
    payments.update(billing_email="Ada@example.com")
    user.delete()
    customer_id = Customer.objects.get().provider_id
    out = StringIO()
    call_command("erase_owner", "--customer", customer_id, stdout=out)
    # Nothing is said to be done that is not.
    assert "no one-off payments at all were looked for" in out.getvalue()
    assert payments.get().description
    call_command("erase_owner", "--email", "ada@example.com", stdout=StringIO())
    assert (payments.get().description, payments.get().billing_email) == ("", "")
    assert Decimal(payments.get().total) == 10


def test_email__nobody_elses(host: SubscriptionHost, user: Any) -> None:
    """Whoever still owns a payment is no one who is gone."""
    pay(host, billing_email="ada@example.com")
    assert export_owner(email="ada@example.com")["payments"] == []


def test_tax_ids() -> None:
    tax_id = {"object": "tax_id", "id": "txi_1", "customer": "cus_1", "value": "980780684", "country": "GB"}
    listed = {"object": "customer", "id": "cus_1", "tax_ids": {"data": [{"value": "123456789"}]}}
    told = {"a": tax_id, "b": listed, "amount": {"value": "10.00", "currency_code": "USD"}, "value": "DE123456789"}
    assert json.loads(without_personal_data(json.dumps(told))) == {
        "a": {"object": "tax_id", "id": "txi_1", "customer": "cus_1"},
        "b": {"object": "customer", "id": "cus_1", "tax_ids": None},
        "amount": {"value": "10.00", "currency_code": "USD"},
        "value": "",
    }


def test_answers_whose_time_is_over(user: Any, settings: Any) -> None:
    """Nobody asks for them any more, and they hold addresses."""
    for key, status in (("over", 201), ("fresh", 201), ("open", None)):
        IdempotencyKey.objects.create(owner=user, key=key, fingerprint="x", response_status=status)
    old = timezone.now() - timedelta(seconds=settings.STRIPE_GATEWAY_IDEMPOTENCY_KEY_TTL + 60)
    IdempotencyKey.objects.exclude(key="fresh").update(created=old)
    reconcile()
    assert set(IdempotencyKey.objects.values_list("key", flat=True)) == {"fresh", "open"}


# By command


def test_customer_by_former_id(host: SubscriptionHost, user: Any) -> None:
    customer = host.subscribed().customer
    former = customer.provider_id
    Customer.objects.update(former_ids=[former], provider_id="cus_new")
    out = StringIO()
    call_command("export_owner", "--customer", former, stdout=out)
    assert json.loads(out.getvalue())["customers"][0]["id"] == customer.pk


def test_customer_in_two_variants(host: SubscriptionHost) -> None:
    customer = host.subscribed().customer
    Customer.objects.create(variant="other", provider_id=customer.provider_id)
    with pytest.raises(CommandError, match="--variant"):
        call_command("export_owner", "--customer", customer.provider_id)
    out = StringIO()
    call_command("export_owner", "--customer", customer.provider_id, "--variant", "other", stdout=out)
    assert json.loads(out.getvalue())["subscriptions"] == []


def test_output(left: SubscriptionHost, user: Any, tmp_path: Any) -> None:  # noqa: F811
    """It is for its owner's eyes, and takes no other file's place."""
    path = tmp_path / "ada.json"
    path.write_text("mine")
    path.chmod(0o644)
    with pytest.raises(CommandError, match="--force"):
        call_command("export_owner", str(user.pk), "--output", str(path), stdout=StringIO())
    assert path.read_text() == "mine"
    call_command("export_owner", str(user.pk), "--output", str(path), "--force", stdout=StringIO())
    assert (path.stat().st_mode & 0o777, json.loads(path.read_text())["customers"] != []) == (0o600, True)


@pytest.mark.parametrize(
    "arguments", [["--owner", "1", "--user", "1"], ["1", "--email", "a@b.example"], ["1", "--variant", "stripe"]]
)
def test_two_are_named(db: None, arguments: list[str]) -> None:
    with pytest.raises(CommandError, match="Name the owner"):
        call_command("export_owner", *arguments)


def test_queries(host: SubscriptionHost, user: Any, django_assert_max_num_queries: Any) -> None:
    payments = get_payment_model()
    payments.objects.bulk_create(
        payments(owner=user, variant="stripe", total=1, currency="USD", transaction_id=f"pi_{n}") for n in range(100)
    )
    with django_assert_max_num_queries(40):
        assert len(export_owner(owner=user)["payments"]) == 100


def test_nameless_events__are_read_once(host: SubscriptionHost, django_assert_num_queries: Any) -> None:
    """A card, say, names whom it belonged to in its body alone; however many were erased, all bodies are read once."""
    users = [make_user() for _ in range(21)]
    body = json.dumps({"data": {"object": {"customer": "cus_gone0", "billing_details": {"name": "Ada Lovelace"}}}})

    def told(number: int) -> WebhookEvent:
        values = {"provider": "stripe", "variant": "stripe", "livemode": False}
        return WebhookEvent.objects.create(event_id=f"evt_card{number}", type="x.y", body=body, **values)

    def erased(number: int) -> None:
        gone = {"erased": timezone.now() - timedelta(hours=1), "deleted": timezone.now(), "livemode": False}
        Customer.objects.create(owner=users[number], variant="stripe", provider_id=f"cus_gone{number}", **gone)

    erased(0)
    told(0)
    with CaptureQueriesContext(connection) as few:
        assert redact_late_events() == 1
    assert names() == []
    for number in range(1, 21):
        erased(number)
    told(1)
    with django_assert_num_queries(len(few)):
        assert redact_late_events() == 1
    # What is about nobody who was erased is left as it is.
    Customer.objects.filter(provider_id="cus_gone0").delete()
    told(2)
    assert redact_late_events() == 0
    assert names() == ["x.y"]


def test_nameless_events__in_batches(host: SubscriptionHost, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("django_stripe_gateway.services.leaving.events.BODIES", 2)
    gone = {"erased": timezone.now() - timedelta(hours=1), "deleted": timezone.now(), "livemode": False}
    Customer.objects.create(owner=make_user(), variant="stripe", provider_id="cus_gone", **gone)
    body = json.dumps({"customer": "cus_gone", "billing_details": {"name": "Ada Lovelace"}})
    values = {"provider": "stripe", "variant": "stripe", "livemode": False, "type": "x.y", "body": body}
    WebhookEvent.objects.bulk_create(WebhookEvent(event_id=f"evt_{number}", **values) for number in range(5))
    assert redact_late_events() == 5
    assert names() == []
