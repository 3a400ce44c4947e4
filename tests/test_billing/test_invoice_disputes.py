"""A bank takes back what has paid an invoice: a row, signals, and what the subscription gives until it is decided."""

from __future__ import annotations

import itertools
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.management import call_command

from django_stripe_gateway.models import Dispute, Invoice, Subscription
from django_stripe_gateway.services import disputes
from django_stripe_gateway.services.subscriptions.refund_invoice import refund_invoice
from django_stripe_gateway.subscriptions import has_plan
from tests.conftest import SignalRecorder
from tests.test_billing.host import SubscriptionHost
from tests.test_billing.test_refund_invoice import hear_of, paid_invoice

pytestmark = pytest.mark.django_db(transaction=True)


def open_dispute(host: SubscriptionHost, status: str = "needs_response") -> str:
    """Let the bank dispute the paid invoice, hear of it, and return the dispute's id."""
    intent_id = host.fake.intent_of(Invoice.objects.get(status="paid").provider_id)
    opened = host.fake.dispute(intent_id, status=status)
    hear_of(host)
    return str(opened[0]["data"]["object"]["id"])


def move(host: SubscriptionHost, dispute_id: str, status: str) -> None:
    # Its events have the time of whole seconds.
    host.fake.advance(seconds=2)
    host.fake.move_dispute(dispute_id, status)
    hear_of(host)


def is_valid(host: SubscriptionHost) -> bool:
    """Return whether the subscription is valid; the predicate, the filter and the plan's check agree."""
    found = Subscription.objects.get()
    assert Subscription.objects.valid().exists() is found.is_valid is has_plan(host.user, "basic")
    return found.is_valid


def test_life(either_host: SubscriptionHost, recorded_signals: SignalRecorder) -> None:
    host = either_host
    invoice = paid_invoice(host)
    dispute_id = open_dispute(host)
    for status in ("under_review", "lost", "won"):
        move(host, dispute_id, status)
    dispute = Dispute.objects.get()
    assert (dispute.invoice, dispute.payment, dispute.status) == (invoice, None, "won")
    assert (dispute.amount, dispute.currency, dispute.is_withdrawn) == (20, "USD", False)
    sent = recorded_signals.values("invoice_disputed")
    assert [one["dispute"]["status"] for one in sent] == ["needs_response", "under_review", "lost", "won"]
    assert {one["invoice"] for one in sent} == {invoice}
    closed = recorded_signals.values("dispute_closed")
    assert [(one["is_won"], one["invoice"], one["payment"]) for one in closed] == [
        (False, invoice, None),
        (True, invoice, None),
    ]
    assert not recorded_signals.values("payment_disputed")
    invoice.refresh_from_db()
    assert (invoice.status, invoice.amount_paid) == ("paid", 20)


def test_every_order(host: SubscriptionHost, recorded_signals: SignalRecorder) -> None:
    invoice = paid_invoice(host)
    intent_id = host.fake.intent_of(invoice.provider_id)
    for order in itertools.permutations(range(3)):
        events = host.fake.dispute(intent_id, status="warning_needs_response")
        dispute_id = events[0]["data"]["object"]["id"]
        for status in ("needs_response", "lost"):
            host.fake.advance(seconds=2)
            events += host.fake.move_dispute(dispute_id, status)
        kept = [event for event in events if not event["type"].endswith("funds_withdrawn")]
        assert set(host.deliver(kept[index] for index in order)) == {"processed"}
        assert Dispute.objects.get(provider_id=dispute_id).status == "lost"
    host.new_events()


ACCESS = [
    ("suspend", "needs_response", False),
    ("suspend", "lost", False),
    ("suspend", "won", True),
    ("suspend", "warning_needs_response", True),
    ("suspend", "warning_closed", True),
    ("keep", "needs_response", True),
    ("keep", "lost", True),
    ("cancel", "needs_response", False),
    ("cancel", "warning_needs_response", True),
]


@pytest.mark.parametrize(("setting", "status", "expected"), ACCESS)
def test_access(host: SubscriptionHost, settings: Any, setting: str, status: str, expected: bool) -> None:
    settings.STRIPE_GATEWAY_DISPUTED_ACCESS = setting
    paid_invoice(host)
    assert is_valid(host)
    first = status if status.startswith("warning") else "needs_response"
    dispute_id = open_dispute(host, first)
    if status != first:
        move(host, dispute_id, status)
    assert is_valid(host) is expected
    found = Subscription.objects.get()
    # Its status is Stripe's; only "cancel" has ended it there.
    assert found.status == ("canceled" if setting == "cancel" and not expected else "active")


def test_by_default__nothing_is_given_for_money_that_is_gone(host: SubscriptionHost) -> None:
    paid_invoice(host)
    dispute_id = open_dispute(host)
    assert not is_valid(host)
    move(host, dispute_id, "lost")
    assert not is_valid(host)
    move(host, dispute_id, "won")
    assert is_valid(host)


def test_next_period__is_had_once_it_is_paid(host: SubscriptionHost) -> None:
    paid_invoice(host)
    open_dispute(host)
    assert not is_valid(host)
    Subscription.objects.update(disputed_until=Subscription.objects.get().start)
    assert is_valid(host)


@pytest.mark.parametrize(("setting", "expected"), [("keep", True), ("end", False)])
def test_refunded(host: SubscriptionHost, settings: Any, setting: str, expected: bool) -> None:
    settings.STRIPE_GATEWAY_REFUNDED_ACCESS = setting
    invoice = paid_invoice(host)
    refund = refund_invoice(invoice=invoice, amount=Decimal(19))
    assert is_valid(host)
    refund_invoice(invoice=invoice)
    assert is_valid(host) is expected
    host.fake.fail_refund(refund.provider_id or "")
    hear_of(host)
    assert is_valid(host)


def test_inquiry_that_becomes_a_chargeback(host: SubscriptionHost, settings: Any) -> None:
    settings.STRIPE_GATEWAY_DISPUTED_ACCESS = "cancel"
    paid_invoice(host)
    dispute_id = open_dispute(host, "warning_needs_response")
    assert (Dispute.objects.get().is_withdrawn, Subscription.objects.get().status) == (False, "active")
    move(host, dispute_id, "needs_response")
    assert (Dispute.objects.get().is_withdrawn, Subscription.objects.get().status) == (True, "canceled")


def test_reconcile__asks_for_what_was_not_heard_of(host: SubscriptionHost, recorded_signals: SignalRecorder) -> None:
    invoice = paid_invoice(host)
    host.fake.dispute(host.fake.intent_of(invoice.provider_id))
    host.new_events()
    call_command("reconcile", older_than=0)
    dispute = Dispute.objects.get()
    assert (dispute.invoice, dispute.status) == (invoice, "needs_response")
    assert not is_valid(host)
    host.fake.move_dispute(dispute.provider_id, "lost")
    host.new_events()
    call_command("reconcile", older_than=0)
    dispute.refresh_from_db()
    assert dispute.is_lost
    call_command("reconcile", older_than=0)
    assert len(recorded_signals.values("invoice_disputed")) == 2


def test_reconcile__of_every_variant_with_the_key(host: SubscriptionHost, settings: Any, monkeypatch: Any) -> None:
    """An old dispute is listed no more; it is asked for whichever of the key's variants its row is of."""
    paid_invoice(host)
    dispute_id = open_dispute(host)
    host.fake.move_dispute(dispute_id, "lost")
    host.new_events()
    own = settings.PAYMENT_VARIANTS["stripe"]
    settings.PAYMENT_VARIANTS = {"first": own, **settings.PAYMENT_VARIANTS}
    monkeypatch.setattr(disputes, "LOOKED_BACK", timedelta(days=-1))
    assert [found.outcome for found in disputes.reconcile_disputes(older_than=timedelta(0))] == ["changed"]
    assert Dispute.objects.get().is_lost


def test_reconcile__pending_refund(host: SubscriptionHost) -> None:
    host.fake.state.refunds_stay_pending = True
    refund = refund_invoice(invoice=paid_invoice(host))
    host.fake.settle_refund(refund.provider_id or "")
    host.new_events()
    call_command("reconcile", older_than=0)
    refund.refresh_from_db()
    assert refund.is_succeeded
