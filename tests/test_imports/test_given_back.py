"""``import_account`` brings what was given back: refunds and credit notes of invoices, and disputes."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from django_stripe_gateway.gateways.registry import get_billing_gateway
from django_stripe_gateway.models import (
    CreditNote,
    Dispute,
    Invoice,
    InvoiceRefund,
    PaymentLog,
    Subscription,
    SubscriptionLog,
    get_payment_model,
)
from tests.conftest import SignalRecorder
from tests.test_imports.running_account import RunningAccount, counts, run_import
from tests.test_webhooks.support import deliver_all

pytestmark = pytest.mark.django_db(transaction=True)
Payment = get_payment_model()


def v1() -> Any:
    """Return the SDK's services, for what somebody does at Stripe."""
    return get_billing_gateway("stripe").v1  # type: ignore[attr-defined]


def credit(invoice_id: str, amount: int, **how: Any) -> Any:
    return v1().credit_notes.create(
        params={"invoice": invoice_id, "amount": amount, **(how or {"refund_amount": amount})}
    )


def paid_invoice(account: RunningAccount) -> tuple[str, str]:
    """Return the ids of the invoice and of what has paid it."""
    (invoice,), intent = account.fake.all("invoice"), account.fake.all("payment_intent")[0]
    return invoice["id"], intent["id"]


def everything() -> list[Any]:
    models = (Invoice, InvoiceRefund, CreditNote, Dispute, Payment, Subscription, PaymentLog, SubscriptionLog)
    return [
        [{name: value for name, value in row.items() if name not in ("modified", "fetched_at")} for row in rows]
        for rows in (model._base_manager.order_by("pk").values() for model in models)
    ]


@pytest.fixture
def given_back(account: RunningAccount, ada: str) -> RunningAccount:
    """Return an account of which an invoice of 20.00 and a payment of 30.00 were given back in every way."""
    invoice_id, intent_id = paid_invoice(account)
    account.fake.dashboard_refund(intent_id, 300)
    credit(invoice_id, 400)
    credit(invoice_id, 200, credit_amount=200)
    credit(invoice_id, 100, out_of_band_amount=100)
    account.fake.dispute(account.paid_page(ada, 3000)["payment_intent"])
    account.begin()
    return account


@pytest.mark.parametrize("generation", ["current", "2024-06-20"])
def test_all(given_back: RunningAccount, recorded_signals: SignalRecorder, settings: Any, generation: str) -> None:
    if generation != "current":
        settings.STRIPE_GATEWAY_API_VERSION = generation
    printed = run_import()
    new = {kind: found.get("new") for kind, found in counts(printed).items() if found.get("new")}
    assert (new["refunds"], new["credit_notes"], new["disputes"]) == (2, 3, 1)
    invoice = Invoice.objects.get()
    assert (invoice.refunded_amount, invoice.credited_amount) == (Decimal("7.00"), Decimal("7.00"))
    assert sorted(InvoiceRefund.objects.values_list("amount", "status")) == [(3, "succeeded"), (4, "succeeded")]
    notes = CreditNote.objects.order_by("amount").values_list("amount", "status", "refund_amount", "credit_amount")
    assert list(notes) == [(1, "issued", 0, 0), (2, "issued", 0, 2), (4, "issued", 4, 0)]
    dispute = Dispute.objects.get()
    assert (dispute.payment, dispute.status, dispute.amount) == (Payment.objects.get(), "needs_response", 30)
    assert Payment.objects.get().fraud_status == "review"
    assert recorded_signals.sent == []
    assert given_back.written() == []


def test_again(given_back: RunningAccount, recorded_signals: SignalRecorder) -> None:
    run_import()
    before = everything()
    printed = run_import()
    assert all(set(found) == {"known"} for found in counts(printed).values())
    assert everything() == before
    assert recorded_signals.sent == []


def test_events_that_come_after_it_change_nothing(given_back: RunningAccount, recorded_signals: SignalRecorder) -> None:
    run_import()
    sums = [Invoice.objects.get().refunded_amount, Invoice.objects.get().credited_amount]
    deliver_all(
        event for event in given_back.fake.events() if event["type"].startswith(("refund.", "credit_note.", "charge."))
    )
    assert [Invoice.objects.get().refunded_amount, Invoice.objects.get().credited_amount] == sums
    assert (InvoiceRefund.objects.count(), CreditNote.objects.count(), Dispute.objects.count()) == (2, 3, 1)
    assert {name for name, _values in recorded_signals.sent} == {"webhook_received", "webhook_processed"}


def test_what_has_changed_meanwhile_is_announced(given_back: RunningAccount, recorded_signals: SignalRecorder) -> None:
    run_import()
    given_back.fake.close_dispute(Dispute.objects.get().provider_id, won=False)
    run_import()
    assert (Dispute.objects.get().status, Payment.objects.get().fraud_status) == ("lost", "reject")
    assert "dispute_closed" in [name for name, _values in recorded_signals.sent]


def test_dispute_of_an_invoice__ends_no_subscription(account: RunningAccount, ada: str, settings: Any) -> None:
    """The host may want that of a new dispute; the import only reads."""
    settings.STRIPE_GATEWAY_DISPUTED_ACCESS = "cancel"
    account.fake.dispute(paid_invoice(account)[1])
    account.begin()
    run_import()
    dispute, subscription = Dispute.objects.get(), Subscription.objects.get()
    assert (dispute.invoice, dispute.is_withholding) == (Invoice.objects.get(), True)
    assert subscription.disputed_until is not None
    assert subscription.status == "active"
    assert account.written() == []


def test_closed_long_ago__nobody_says_when(account: RunningAccount, ada: str) -> None:
    account.fake.dispute(paid_invoice(account)[1])
    account.fake.close_dispute(account.fake.all("dispute")[0]["id"], won=True)
    run_import()
    assert (Dispute.objects.get().status, Dispute.objects.get().closed) == ("won", None)


def test_invoice_that_was_paid_in_parts(account: RunningAccount, ada: str) -> None:
    """Its row names one of its payments; the provider's list says of which invoice the others are."""
    _invoice_id, intent_id = paid_invoice(account)
    account.fake.dashboard_refund(intent_id, 300)
    run_import("import_account", "--only", "customers,subscriptions,invoices")
    Invoice.objects.update(intent_id="pi_of_another_part")
    assert counts(run_import("import_account", "--only", "refunds")) == {"refunds": {"new": 1}}
    assert Invoice.objects.get().refunded_amount == 3


def test_of_what_is_not_here(account: RunningAccount) -> None:
    """Of a stranger's invoice and payment nothing comes, until those do."""
    stranger = account.customer(email="who@example.org")
    account.subscribe(stranger, account.basic)
    invoice_id, intent_id = paid_invoice(account)
    account.fake.dashboard_refund(intent_id, 300)
    credit(invoice_id, 400)
    account.fake.dispute(account.paid_page(stranger)["payment_intent"])
    found = counts(run_import())
    assert [found[kind] for kind in ("refunds", "credit_notes", "disputes")] == [{"left out": 2}] + [
        {"left out": 1}
    ] * 2
    assert (InvoiceRefund.objects.count(), CreditNote.objects.count(), Dispute.objects.count()) == (0, 0, 0)


def test_refunds_of_payments_come_with_these(account: RunningAccount, ada: str) -> None:
    account.fake.dashboard_refund(account.paid_page(ada)["payment_intent"], 500)
    assert "refunds" not in counts(run_import())
    assert Payment.objects.get().refunded_amount == 5


def test_dry_run(given_back: RunningAccount) -> None:
    """Of what is not here it is not said what would come."""
    found = counts(run_import("import_account", "--dry-run"))
    assert (found["credit_notes"], found["disputes"]) == ({"left out": 3}, {"left out": 1})
    run_import("import_account", "--only", "customers,subscriptions,invoices")
    found = counts(run_import("import_account", "--dry-run"))
    assert (found["refunds"], found["credit_notes"]) == ({"new": 2}, {"new": 3})
    assert not InvoiceRefund.objects.exists()


@pytest.mark.parametrize("wrong", ["currency", "half-formed"])
def test_one_that_is_wrong_stops_no_other(given_back: RunningAccount, wrong: str) -> None:
    refunds = given_back.fake.all("refund")
    change = {"currency": "eur"} if wrong == "currency" else {"amount": None}
    given_back.fake.act(refunds[0]["id"], lambda scope, refund: refund.update(change))
    with pytest.raises(Exception, match="1 could not be brought"):
        run_import("import_account", "--only", "customers,subscriptions,invoices,refunds")
    assert InvoiceRefund.objects.count() == len(refunds) - 1
