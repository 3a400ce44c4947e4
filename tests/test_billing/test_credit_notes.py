"""A credit note takes something off an invoice: less is due of an open one, of a paid one it is given back."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from django_stripe_gateway.exceptions import GatewayError, InvalidAmount, InvalidInput, ProviderUnavailable, WrongState
from django_stripe_gateway.models import CreditNote, Invoice, InvoiceRefund
from django_stripe_gateway.services.subscriptions.given_back import creditable_amount, refundable_amount
from django_stripe_gateway.subscriptions import CreditNoteLine, issue_credit_note, refund_invoice, void_credit_note
from tests.conftest import SignalRecorder
from tests.test_billing.host import SubscriptionHost
from tests.test_billing.test_cancel import balance, refunded
from tests.test_billing.test_pay_invoice import past_due
from tests.test_billing.test_refund_invoice import hear_of, paid_invoice

pytestmark = pytest.mark.django_db(transaction=True)

FIVE = Decimal("5.00")


def test_refunds(either_host: SubscriptionHost, recorded_signals: SignalRecorder) -> None:
    host = either_host
    invoice = paid_invoice(host)
    note = issue_credit_note(
        invoice=invoice, amount=FIVE, refund_amount=FIVE, reason="product_unsatisfactory", memo="Sorry"
    )
    assert (note.status, note.amount, note.refund_amount, note.credit_amount) == ("issued", 5, 5, 0)
    assert note.number.startswith(f"{invoice.number}-CN-")
    (refund,) = InvoiceRefund.objects.all()
    assert (refund.status, note.refund_ids) == ("succeeded", [refund.provider_id])
    assert (note.invoice.refunded_amount, note.invoice.credited_amount, note.invoice.amount_paid) == (5, 5, 20)
    hear_of(host)
    assert (CreditNote.objects.count(), InvoiceRefund.objects.count(), refunded(host)) == (1, 1, 500)
    (sent,) = recorded_signals.values("invoice_credited")
    assert (sent["invoice"], sent["credit_note"], sent["amount"]) == (invoice, note, 5)
    assert len(recorded_signals.values("invoice_refunded")) == 1


def test_three_ways_at_once(either_host: SubscriptionHost) -> None:
    host = either_host
    ways = {"refund_amount": FIVE, "credit_amount": Decimal(3), "out_of_band_amount": Decimal(2)}
    note = issue_credit_note(invoice=paid_invoice(host), amount=Decimal(10), **ways)
    hear_of(host)
    note.refresh_from_db()
    assert {name: getattr(note, name) for name in ways} == ways
    assert (refunded(host), balance(host)) == (500, -300)
    # Of 20.00 are 10.00 left, whichever way that went.
    with pytest.raises(InvalidAmount):
        refund_invoice(invoice=note.invoice, amount=Decimal("10.01"))
    assert refund_invoice(invoice=note.invoice).amount == 10
    with pytest.raises(WrongState):
        refund_invoice(invoice=note.invoice)


def test_of_a_refund_that_was_made_before__is_never_above_what_was_paid(host: SubscriptionHost) -> None:
    invoice = paid_invoice(host)
    refund_invoice(invoice=invoice, amount=Decimal(18))
    with pytest.raises(InvalidAmount):
        issue_credit_note(invoice=invoice, amount=FIVE, refund_amount=FIVE)
    assert issue_credit_note(invoice=invoice, amount=Decimal(2), refund_amount=Decimal(2)).is_issued
    assert refunded(host) == 2000


def test_credit_of_what_was_refunded__is_never_above_what_was_paid(host: SubscriptionHost) -> None:
    """Stripe would issue it: a refund on the charge is no credit note."""
    invoice = paid_invoice(host)
    refund_invoice(invoice=invoice, amount=Decimal(12))
    with pytest.raises(InvalidAmount):
        issue_credit_note(invoice=invoice, amount=Decimal(12), credit_amount=Decimal(12))
    assert issue_credit_note(invoice=invoice, amount=Decimal(8), credit_amount=Decimal(8)).is_issued
    assert (refunded(host), balance(host)) == (1200, -800)


def test_by_lines(host: SubscriptionHost) -> None:
    invoice = paid_invoice(host)
    (line,) = host.fake.get(invoice.provider_id)["lines"]["data"]
    lines = [CreditNoteLine(line["id"], amount=Decimal("7.50"))]
    values: dict[str, Any] = {"lines": lines, "credit_amount": Decimal("7.50"), "idempotency_key": "k1"}
    note = issue_credit_note(invoice=invoice, **values)
    assert (note.amount, balance(host)) == (Decimal("7.50"), -750)
    assert issue_credit_note(invoice=invoice, **values) == note
    assert balance(host) == -750


WRONG: list[tuple[dict[str, Any], type[Exception]]] = [
    ({}, InvalidInput),
    ({"amount": FIVE}, InvalidInput),
    ({"amount": FIVE, "refund_amount": Decimal(4)}, InvalidInput),
    ({"amount": FIVE, "refund_amount": Decimal(6)}, InvalidInput),
    ({"amount": FIVE, "refund_amount": Decimal(6), "credit_amount": Decimal(-1)}, InvalidAmount),
    ({"amount": Decimal(21), "refund_amount": Decimal(21)}, InvalidAmount),
    ({"amount": FIVE, "refund_amount": FIVE, "reason": "nonsense"}, InvalidInput),
    ({"amount": FIVE, "lines": [CreditNoteLine("il_1")], "refund_amount": FIVE}, InvalidInput),
    ({"amount": FIVE, "refund_amount": FIVE, "memo": "x" * 5001}, InvalidInput),
]


@pytest.mark.parametrize(("values", "error"), WRONG)
def test_what_cannot_be(host: SubscriptionHost, values: dict[str, Any], error: type[Exception]) -> None:
    invoice = paid_invoice(host)
    host.fake.forget_requests()
    with pytest.raises(error):
        issue_credit_note(invoice=invoice, **values)
    assert not [request for request in host.fake.requests if request.method == "POST"]
    assert not CreditNote.objects.exists()


def test_of_an_open_invoice__and_void(either_host: SubscriptionHost, recorded_signals: SignalRecorder) -> None:
    host = either_host
    invoice = past_due(host)
    with pytest.raises(InvalidInput):
        issue_credit_note(invoice=invoice, amount=FIVE, refund_amount=FIVE)
    note = issue_credit_note(invoice=invoice, amount=FIVE)
    assert (note.is_post_payment, note.invoice.amount_remaining, note.invoice.credited_amount) == (False, 15, 5)
    hear_of(host)
    voided = void_credit_note(credit_note=note)
    assert (voided.status, voided.invoice.amount_remaining, voided.invoice.credited_amount) == ("void", 20, 0)
    hear_of(host)
    assert len(recorded_signals.values("invoice_credited")) == len(recorded_signals.values("credit_note_voided")) == 1
    with pytest.raises(WrongState):
        void_credit_note(credit_note=voided)


def test_of_all_that_is_due__pays_it(host: SubscriptionHost) -> None:
    note = issue_credit_note(invoice=past_due(host), amount=Decimal(20))
    assert (note.invoice.status, note.invoice.amount_paid) == ("paid", 0)
    with pytest.raises(WrongState):
        refund_invoice(invoice=note.invoice)
    with pytest.raises(WrongState):
        void_credit_note(credit_note=note)


@pytest.mark.parametrize("kind", ["reset_before", "reset_after"])
def test_lost_answer__is_made_once(either_host: SubscriptionHost, kind: str) -> None:
    host = either_host
    invoice, values = paid_invoice(host), {"amount": FIVE, "refund_amount": FIVE}
    host.fake.fault("POST", "/v1/credit_notes", kind=kind, times=5)
    with pytest.raises(ProviderUnavailable):
        issue_credit_note(invoice=invoice, **values)
    host.fake.clear_faults()
    host.fake.forget_idempotency_keys()
    hear_of(host)
    assert issue_credit_note(invoice=invoice, **values).is_issued
    assert (CreditNote.objects.count(), InvoiceRefund.objects.count(), refunded(host)) == (1, 1, 500)


def test_refused__takes_itself_back(host: SubscriptionHost) -> None:
    invoice = paid_invoice(host)
    host.fake.dispute(host.fake.intent_of(invoice.provider_id))
    with pytest.raises(GatewayError):
        issue_credit_note(invoice=invoice, amount=FIVE, refund_amount=FIVE)
    assert CreditNote.objects.get().status == "failed"
    hear_of(host)
    assert Invoice.objects.get().credited_amount == 0
    # What was promised of it is free again.
    assert creditable_amount(invoice) == refundable_amount(invoice) == 20


def test_of_what_was_refunded_in_the_dashboard__unheard(host: SubscriptionHost) -> None:
    invoice = paid_invoice(host)
    host.fake.dashboard_refund(host.fake.intent_of(invoice.provider_id), 1900)
    with pytest.raises(InvalidAmount):
        issue_credit_note(invoice=invoice, amount=FIVE, refund_amount=FIVE)
    assert not CreditNote.objects.exists()


def test_its_refund_fails_later(host: SubscriptionHost) -> None:
    note = issue_credit_note(invoice=paid_invoice(host), amount=FIVE, refund_amount=FIVE)
    host.fake.fail_refund(note.refund_ids[0])
    hear_of(host)
    invoice = Invoice.objects.get()
    # The note stands; its money is here, and can be given back.
    assert (invoice.refunded_amount, invoice.credited_amount) == (0, 5)
    assert refund_invoice(invoice=invoice).amount == 20


def test_made_in_the_dashboard__in_either_order(either_host: SubscriptionHost) -> None:
    host = either_host
    invoice = paid_invoice(host)
    for order, number in ((1, 1), (-1, 2)):
        host.v1.credit_notes.create({"invoice": invoice.provider_id, "amount": 300, "refund_amount": 300})
        hear_of(host, order=lambda events, order=order: events[::order])
        invoice.refresh_from_db()
        assert (invoice.credited_amount, invoice.refunded_amount) == (3 * number, 3 * number)
        assert CreditNote.objects.count() == InvoiceRefund.objects.count() == number
    assert refund_invoice(invoice=invoice).amount == 14
