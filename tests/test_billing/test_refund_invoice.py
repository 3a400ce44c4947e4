"""What has paid an invoice is given back: by us, in the Dashboard, once, and never more than was paid."""

from __future__ import annotations

import itertools
from decimal import Decimal
from typing import Any

import pytest

from django_stripe_gateway.exceptions import GatewayError, InvalidAmount, InvalidInput, ProviderUnavailable, WrongState
from django_stripe_gateway.models import BillingOperation, Invoice, InvoiceRefund, Subscription
from django_stripe_gateway.services.operations.engine import resume
from django_stripe_gateway.services.subscriptions.cancel import cancel_subscription
from django_stripe_gateway.services.subscriptions.given_back import refundable_amount
from django_stripe_gateway.services.subscriptions.refund_invoice import refund_invoice
from tests.conftest import SignalRecorder
from tests.test_billing.host import SubscriptionHost
from tests.test_billing.test_cancel import half_way, refunded

pytestmark = pytest.mark.django_db(transaction=True)


def paid_invoice(host: SubscriptionHost) -> Invoice:
    """Return the paid invoice of a first month, of 20.00."""
    host.subscribed()
    return Invoice.objects.get(status="paid")


def hear_of(host: SubscriptionHost, *, order: Any = None) -> None:
    assert set(host.deliver_new(order=order)) <= {"processed"}


def test_wholly(either_host: SubscriptionHost, recorded_signals: SignalRecorder) -> None:
    host = either_host
    refund = refund_invoice(invoice=paid_invoice(host), reason="requested_by_customer")
    assert (refund.status, refund.amount, refund.currency) == ("succeeded", Decimal("20.00"), "USD")
    invoice = refund.invoice
    assert (invoice.status, invoice.amount_paid, invoice.refunded_amount) == ("paid", 20, 20)
    assert invoice.is_refunded
    hear_of(host)
    (sent,) = recorded_signals.values("invoice_refunded")
    assert (sent["invoice"], sent["refund"], sent["amount"], sent["is_full"]) == (invoice, refund, 20, True)
    assert refunded(host) == 2000
    assert InvoiceRefund.objects.count() == 1
    # Stripe lets the subscription run, and so does the default.
    assert Subscription.objects.get().is_valid


def test_in_parts__until_nothing_is_left(host: SubscriptionHost) -> None:
    invoice = paid_invoice(host)
    for amount, sum_ in (("5.00", 5), ("0.01", Decimal("5.01"))):
        assert refund_invoice(invoice=invoice, amount=Decimal(amount)).invoice.refunded_amount == sum_
    with pytest.raises(InvalidAmount) as error:
        refund_invoice(invoice=invoice, amount=Decimal("15.00"))
    assert error.value.code == "amount_too_large"
    assert refund_invoice(invoice=invoice).amount == Decimal("14.99")
    with pytest.raises(WrongState):
        refund_invoice(invoice=invoice)
    assert refunded(host) == 2000


@pytest.mark.parametrize("amount", [Decimal(0), Decimal("-1"), Decimal("0.001"), Decimal("20.01")])
def test_amounts_that_cannot_be(host: SubscriptionHost, amount: Decimal) -> None:
    with pytest.raises(InvalidAmount):
        refund_invoice(invoice=paid_invoice(host), amount=amount)
    assert not InvoiceRefund.objects.exists()


def test_unknown_reason_and_unpaid(host: SubscriptionHost) -> None:
    host.subscribe()
    host.deliver_new()
    with pytest.raises(InvalidInput):
        refund_invoice(invoice=Invoice.objects.get(), reason="no_reason")
    with pytest.raises(WrongState):
        refund_invoice(invoice=Invoice.objects.get())


@pytest.mark.parametrize("kind", ["reset_before", "reset_after"])
def test_lost_answer__is_made_once(either_host: SubscriptionHost, kind: str, recorded_signals: SignalRecorder) -> None:
    host = either_host
    invoice = paid_invoice(host)
    host.fake.fault("POST", "/v1/refunds", kind=kind, times=5)
    with pytest.raises(ProviderUnavailable):
        refund_invoice(invoice=invoice, amount=Decimal(7), idempotency_key="k1")
    host.fake.clear_faults()
    # What was promised cannot be promised again.
    assert InvoiceRefund.objects.get().status == "pending"
    # Stripe has forgotten the key.
    host.fake.forget_idempotency_keys()
    refund = refund_invoice(invoice=invoice, amount=Decimal(7), idempotency_key="k1")
    assert refund.status == "succeeded"
    hear_of(host)
    assert (refunded(host), InvoiceRefund.objects.count()) == (700, 1)
    assert len(recorded_signals.values("invoice_refunded")) == 1
    assert refund_invoice(invoice=invoice, amount=Decimal(7), idempotency_key="k1") == refund


def test_reconcile_carries_it_out(host: SubscriptionHost) -> None:
    invoice = paid_invoice(host)
    host.fake.fault("POST", "/v1/refunds", kind="reset_after", times=5)
    with pytest.raises(ProviderUnavailable):
        refund_invoice(invoice=invoice)
    host.fake.clear_faults()
    # The event overtakes the answer.
    hear_of(host)
    assert InvoiceRefund.objects.get().status == "succeeded"
    resume(BillingOperation, BillingOperation.objects.pending().get().pk)
    assert (InvoiceRefund.objects.count(), refunded(host)) == (1, 2000)
    assert Invoice.objects.get(pk=invoice.pk).refunded_amount == 20


def test_refused__takes_itself_back(host: SubscriptionHost) -> None:
    """A bank has taken back what would be refunded."""
    invoice = paid_invoice(host)
    host.fake.dispute(host.fake.intent_of(invoice.provider_id))
    with pytest.raises(GatewayError):
        refund_invoice(invoice=invoice, amount=Decimal(5))
    assert InvoiceRefund.objects.get().status == "failed"
    assert refundable_amount(invoice) == 20
    assert not BillingOperation.objects.pending().exists()


def test_refunded_in_the_dashboard__unheard(either_host: SubscriptionHost) -> None:
    host = either_host
    invoice = paid_invoice(host)
    host.fake.dashboard_refund(host.fake.intent_of(invoice.provider_id), 1800)
    with pytest.raises(InvalidAmount):
        refund_invoice(invoice=invoice, amount=Decimal(5))
    assert InvoiceRefund.objects.get().amount == 18
    assert refund_invoice(invoice=invoice).amount == 2
    hear_of(host)
    assert (Invoice.objects.get().refunded_amount, InvoiceRefund.objects.count()) == (20, 2)


def test_fails_later(either_host: SubscriptionHost, recorded_signals: SignalRecorder) -> None:
    host = either_host
    refund = refund_invoice(invoice=paid_invoice(host))
    hear_of(host)
    host.fake.fail_refund(refund.provider_id or "")
    hear_of(host)
    refund.refresh_from_db()
    assert (refund.status, refund.failure_reason) == ("failed", "expired_or_canceled_card")
    assert Invoice.objects.get().refunded_amount == 0
    assert len(recorded_signals.values("invoice_refund_failed")) == 1
    # The money is here again, and can be given back again.
    assert refund_invoice(invoice=Invoice.objects.get(), amount=Decimal(3)).status == "succeeded"


def test_stays_pending(host: SubscriptionHost) -> None:
    host.fake.state.refunds_stay_pending = True
    refund = refund_invoice(invoice=paid_invoice(host), amount=Decimal(15))
    assert (refund.status, refund.invoice.refunded_amount) == ("pending", 0)
    with pytest.raises(InvalidAmount):
        refund_invoice(invoice=refund.invoice, amount=Decimal(6))
    host.fake.settle_refund(refund.provider_id or "")
    hear_of(host)
    assert Invoice.objects.get().refunded_amount == 15


def test_in_the_dashboard__in_every_order(either_host: SubscriptionHost, recorded_signals: SignalRecorder) -> None:
    host = either_host
    invoice = paid_invoice(host)
    intent_id = host.fake.intent_of(invoice.provider_id)
    for number, order in enumerate(itertools.permutations(range(2)), 1):
        host.fake.dashboard_refund(intent_id, 300)
        hear_of(host, order=lambda events, order=order: [events[index] for index in order])
        invoice.refresh_from_db()
        assert (invoice.refunded_amount, InvoiceRefund.objects.count()) == (number * 3, number)
        assert len(recorded_signals.values("invoice_refunded")) == number
    hear_of(host)
    assert all(refund.intent_id == intent_id for refund in InvoiceRefund.objects.all())


def test_in_the_dashboard__before_the_invoice_is_known(either_host: SubscriptionHost) -> None:
    host = either_host
    made = host.subscribe()
    host.fake.customer_pays(made["subscription_id"], "pm_card_visa")
    events = host.new_events()
    intent_id = host.fake.intent_of(made["subscription_id"])
    host.deliver(host.fake.dashboard_refund(intent_id, 300, deliver=False))
    host.deliver(event for event in events if event["type"].startswith(("invoice.", "customer.")))
    invoice = Invoice.objects.get()
    assert (invoice.status, invoice.amount_paid, invoice.refunded_amount) == ("paid", 20, 3)


def test_strangers_payment__asks_once_and_is_ignored(host: SubscriptionHost) -> None:
    """Another system of the seller's has charged somebody on the same account."""
    host.subscribed()
    intent = host.v1.payment_intents.create(
        {
            "amount": 900,
            "currency": "usd",
            "payment_method": "pm_card_visa",
            "confirm": True,
            "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
        }
    )
    events = host.fake.dashboard_refund(intent.id, 300)
    host.fake.forget_requests()
    assert host.deliver(events) == ["ignored"] * len(events)
    # The charge names no customer, and pays no invoice. Of a refund it is asked what its intent was made for.
    asked = [f"/v1/payment_intents/{intent.id}", "/v1/invoice_payments"]
    assert [request.path for request in host.fake.requests] == asked * (len(events) - 1)
    assert not InvoiceRefund.objects.exists()


def test_no_invoice_is_asked_for_where_nothing_is_billed(host: SubscriptionHost) -> None:
    intent = host.v1.payment_intents.create(
        {
            "amount": 900,
            "currency": "usd",
            "payment_method": "pm_card_visa",
            "confirm": True,
            "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
        }
    )
    events = host.fake.dashboard_refund(intent.id, 300)
    host.fake.forget_requests()
    assert set(host.deliver(events)) == {"ignored"}
    assert not any(request.path.startswith("/v1/invoices") for request in host.fake.requests)


def test_other_mode(host: SubscriptionHost) -> None:
    invoice = paid_invoice(host)
    events = host.fake.dashboard_refund(host.fake.intent_of(invoice.provider_id), 300)
    Invoice.objects.update(livemode=True)
    assert set(host.deliver(events)) == {"mismatched"}
    assert not InvoiceRefund.objects.exists()


def test_ending_with_a_refund__has_the_same_rows(either_host: SubscriptionHost) -> None:
    host = either_host
    found = half_way(host)
    cancel_subscription(subscription=found, at_period_end=False, refund_unused="refund")
    invoice = Invoice.objects.get(amount_paid__gt=0)
    assert invoice.refunded_amount == invoice.credited_amount == Decimal(refunded(host)) / 100
    hear_of(host)
    (refund,), (note,) = InvoiceRefund.objects.all(), invoice.credit_notes.all()
    assert note.refund_ids == [refund.provider_id]
    assert (note.refund_amount, note.credit_amount) == (refund.amount, 0)
    left = 20 - refund.amount
    with pytest.raises(InvalidAmount):
        refund_invoice(invoice=invoice, amount=left + Decimal("0.01"))
    assert refund_invoice(invoice=invoice).amount == left
