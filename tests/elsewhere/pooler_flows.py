"""What must work where each transaction has another connection; ``test_pooler.py`` runs this file."""

from __future__ import annotations

import io
from decimal import Decimal
from typing import Any

import pytest
from django.core.management import call_command
from django.db import DatabaseError, connection
from rest_framework.test import APIClient

from django_stripe_gateway.models import (
    Customer,
    IdempotencyKey,
    Invoice,
    InvoiceRefund,
    Payment,
    Subscription,
    WebhookEvent,
)
from django_stripe_gateway.services import batches
from django_stripe_gateway.services.payments.capture import capture_payment
from django_stripe_gateway.services.payments.refresh import sync_payment
from django_stripe_gateway.services.payments.refund import refund_payment
from django_stripe_gateway.services.subscriptions.refund_invoice import refund_invoice
from django_stripe_gateway.webhooks import registry
from tests.factories import make_event, make_user
from tests.fake_stripe import FakeStripe
from tests.test_billing.host import SubscriptionHost
from tests.test_services.conftest import Shop
from tests.test_webhooks.support import deliver, in_threads, pass_time

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def shop(stripe_server: FakeStripe, user: Any) -> Shop:
    return Shop(stripe_server, user)


def reconcile() -> str:
    out = io.StringIO()
    call_command("reconcile", "--older-than", "0", verbosity=2, stdout=out)
    return out.getvalue()


def test_cursor_does_not_last(shop: Shop) -> None:
    """The pooler does what these tests are about."""
    for _number in range(3):
        shop.waiting()
    rows = iter(Payment.objects.order_by("pk").iterator(chunk_size=1))
    with pytest.raises(DatabaseError):
        list(rows)
    connection.close()


def test_reconcile(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches.in_batches, "__defaults__", (2,))
    payments = [shop.waiting() for _number in range(5)]
    for payment in payments:
        shop.stripe.complete_checkout(payment.transaction_id)
    out = reconcile()
    for payment in payments:
        assert f"payment {payment.pk}: changed waiting -> confirmed" in out
    assert set(Payment.objects.values_list("status", flat=True)) == {"confirmed"}


def test_reconcile__billing(
    stripe_server: FakeStripe, user: Any, api_client: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches.in_batches, "__defaults__", (1,))
    host = SubscriptionHost(stripe_server, user, api_client)
    for _number in range(3):
        owner = make_user()
        api_client.force_authenticate(owner)
        made = host.subscribe()
        host.fake.customer_pays(made["subscription_id"], "pm_card_visa")
        owner.email = f"new{owner.pk}@example.com"
        owner.save()
    reconcile()
    assert list(Subscription.objects.values_list("status", flat=True)) == ["active"] * 3
    for customer in Customer.objects.all():
        assert host.fake.get(customer.provider_id)["email"].startswith("new")


def test_sweep(shop: Shop) -> None:
    def fail(event: Any) -> None:
        raise ValueError

    with registry.temporary_handlers():
        registry.handles("shop.odd")(fail)
        for number in range(5):
            assert deliver(make_event("shop.odd", {"id": f"odd_{number}"})).status_code == 500
    pass_time(hours=1)
    call_command("process_webhooks", stdout=io.StringIO())
    assert set(WebhookEvent.objects.values_list("attempts", flat=True)) == {2}


def test_payments_at_once(shop: Shop) -> None:
    def buy() -> str:
        payment = shop.authorized()
        capture_payment(payment=payment)
        refund_payment(payment=payment, amount=Decimal(4))
        payment = sync_payment(payment=payment)
        return f"{payment.status} {payment.refunded_amount:.2f}"

    assert in_threads([buy] * 8, 8) == ["confirmed 4.00"] * 8


def test_events_at_once(shop: Shop) -> None:
    payments = [shop.waiting() for _number in range(4)]
    events = [event for payment in payments for event in shop.stripe.complete_checkout(payment.transaction_id)]
    answers = in_threads([lambda event=event: deliver(event).status_code for event in events * 2], 6)
    assert set(answers) == {200}
    assert set(Payment.objects.values_list("status", flat=True)) == {"confirmed"}
    assert WebhookEvent.objects.count() == len(events)


def test_reconcile__refunds_of_invoices(
    stripe_server: FakeStripe, user: Any, api_client: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches.in_batches, "__defaults__", (1,))
    host = SubscriptionHost(stripe_server, user, api_client)
    host.fake.state.refunds_stay_pending = True
    for _number in range(3):
        api_client.force_authenticate(make_user())
        made = host.subscribe()
        host.fake.customer_pays(made["subscription_id"], "pm_card_visa")
    reconcile()
    for invoice in Invoice.objects.filter(status="paid"):
        refund = refund_invoice(invoice=invoice)
        host.fake.settle_refund(refund.provider_id or "")
    reconcile()
    assert list(InvoiceRefund.objects.values_list("status", flat=True)) == ["succeeded"] * 3


def test_export_and_erase(shop: Shop) -> None:
    shop.completed()
    IdempotencyKey.objects.create(owner=None, key="a guest's", fingerprint="x", response_body="{}")
    for command in ("export_owner", "erase_owner"):
        call_command(command, str(shop.user.pk), stdout=io.StringIO())
