"""Refunds, disputes and payments of invoices that come before their invoice, in both forms of an event."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from django_stripe_gateway.models import Invoice, InvoiceRefund, WebhookEvent
from django_stripe_gateway.services.subscriptions.credit_notes import issue_credit_note
from tests.conftest import SignalRecorder
from tests.test_billing.host import SubscriptionHost
from tests.test_webhooks.support import deliver_all
from tests.test_webhooks.test_thin_twins import thin

pytestmark = pytest.mark.django_db(transaction=True)

Event = dict[str, Any]
Form = Callable[[Event], Event]
FORMS: dict[str, Form] = {"whole": lambda event: event, "thin": thin}


def renew(host: SubscriptionHost) -> tuple[list[Event], str]:
    """Let a subscription renew; return the events, none of which was delivered, and the id of the paid invoice."""
    host.subscribed()
    host.fake.advance(days=32)
    events = host.new_events()
    paid = [event for event in events if event["type"] == "invoice.paid"]
    return events, paid[-1]["data"]["object"]["id"]


def left_over() -> list[tuple[str, str, str]]:
    """Return the events of which nothing has become."""
    rows = WebhookEvent.objects.exclude(state__in=["processed", "ignored"])
    return list(rows.values_list("type", "state", "reason"))


@pytest.mark.parametrize("form", FORMS)
def test_refund(host: SubscriptionHost, form: str) -> None:
    events, invoice_id = renew(host)
    deliver_all(map(FORMS[form], host.fake.dashboard_refund(host.fake.intent_of(invoice_id), 300, deliver=False)))
    host.deliver(events)
    assert Invoice.objects.get(provider_id=invoice_id).refunded_amount == 3
    assert not left_over()


@pytest.mark.parametrize("form", FORMS)
def test_refund__of_a_subscription_that_is_being_made(host: SubscriptionHost, form: str) -> None:
    made = host.subscribe()
    host.fake.customer_pays(made["subscription_id"], "pm_card_visa")
    events = host.new_events()
    intent_id = host.fake.intent_of(made["subscription_id"])
    deliver_all(map(FORMS[form], host.fake.dashboard_refund(intent_id, 300, deliver=False)))
    host.deliver(event for event in events if event["type"].startswith(("invoice.", "customer.")))
    assert Invoice.objects.get().refunded_amount == 3


@pytest.mark.parametrize("form", FORMS)
def test_charge__whose_invoice_is_awaited(host: SubscriptionHost, form: str) -> None:
    """What an older endpoint is told of a refund is the charge alone: it waits as a refund does."""
    events, invoice_id = renew(host)
    Invoice.objects.all().delete()
    told = host.fake.dashboard_refund(host.fake.intent_of(invoice_id), 300, deliver=False)
    deliver_all(map(FORMS[form], [event for event in told if event["type"] == "charge.refunded"]))
    host.deliver(events)
    assert Invoice.objects.get(provider_id=invoice_id).refunded_amount == 3


@pytest.mark.parametrize("form", FORMS)
def test_payment_of_the_invoice(host: SubscriptionHost, form: str) -> None:
    """A thin one says what it waits for once its object was asked for."""
    events, invoice_id = renew(host)
    payments = [event for event in events if event["type"] == "invoice_payment.paid"]
    assert set(deliver_all(map(FORMS[form], payments))) == {"unmatched"}
    assert {row.related_id for row in WebhookEvent.objects.unmatched()} == {invoice_id}
    host.deliver(event for event in events if event["type"].startswith(("invoice.", "customer.")))
    assert Invoice.objects.get(provider_id=invoice_id).intent_id == host.fake.intent_of(invoice_id)
    assert not left_over()


def test_once_in_both_forms(host: SubscriptionHost, recorded_signals: SignalRecorder) -> None:
    host.subscribed()
    invoice = Invoice.objects.get(status="paid")
    issue_credit_note(invoice=invoice, amount=Decimal("3.00"), refund_amount=Decimal("3.00"))
    deliver_all(form for event in host.new_events() for form in (event, thin(event)))
    host.fake.dispute(host.fake.intent_of(invoice.provider_id))
    events = host.new_events()
    deliver_all(map(thin, events))
    deliver_all(events)
    for name in ("invoice_refunded", "invoice_credited", "invoice_disputed"):
        assert len(recorded_signals.values(name)) == 1, name
    assert InvoiceRefund.objects.get().amount == 3
    assert not left_over()
