"""Refunds and credit notes of invoices at Stripe, of both API generations.

Since 2025-03-31.basil neither a PaymentIntent nor a Charge names its invoice, and an invoice can have several payments:
InvoicePayments connect the two (https://docs.stripe.com/changelog/basil/2025-03-31/add-support-for-multiple-partial-payments-on-invoices).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, ClassVar

from django_stripe_gateway.exceptions import ProviderError
from django_stripe_gateway.gateways.billing_values import InvoiceSnapshot
from django_stripe_gateway.gateways.invoice_money import (
    CreditNoteLine,
    CreditNoteRequest,
    CreditNoteSnapshot,
    InvoicePayment,
)
from django_stripe_gateway.gateways.stripe.billing_objects import invoice_snapshot
from django_stripe_gateway.gateways.stripe.calls import StripeAccountCalls, ask
from django_stripe_gateway.gateways.stripe.fields import (
    Object,
    amount_of,
    flag,
    metadata_of,
    moment,
    object_id,
    optional_text,
    part,
    reads,
    text,
)
from django_stripe_gateway.gateways.stripe.payment_objects import refund_snapshot
from django_stripe_gateway.gateways.values import RefundSnapshot
from django_stripe_gateway.money import to_minor_units

PAID = "paid"


class StripeInvoiceMoney(StripeAccountCalls):
    """Gives back what invoices were paid with."""

    supports_invoice_refunds: ClassVar[bool] = True

    @property
    def _is_older(self) -> bool:
        raise NotImplementedError

    def invoice_of_intent(self, intent_id: str) -> InvoiceSnapshot | None:
        """Return the invoice of a PaymentIntent."""
        try:
            invoice_id = self._invoice_id(intent_id)
        except ProviderError as error:
            if error.is_missing:
                return None
            raise
        if not invoice_id:
            return None
        return ask(lambda: self.v1.invoices.retrieve(invoice_id), invoice_snapshot)

    def _invoice_id(self, intent_id: str) -> str:
        if self._is_older:
            return ask(lambda: self.v1.payment_intents.retrieve(intent_id), _invoice_named)
        params = {"payment": {"type": "payment_intent", "payment_intent": intent_id}}
        found = self._items(lambda wanted: self.v1.invoice_payments.list(params=wanted), _invoice_named, **params)
        return next(iter(found), "")

    def list_invoice_payments(self, invoice_id: str) -> Sequence[InvoicePayment]:
        """Return the PaymentIntents that have paid an invoice, and how much of it."""
        if self._is_older:
            invoice = ask(lambda: self.v1.invoices.retrieve(invoice_id), invoice_snapshot)
            paid = [InvoicePayment(invoice.intent_id, invoice.amount_paid)] if invoice.intent_id else []
        else:
            listed = lambda wanted: self.v1.invoice_payments.list(params=wanted)  # noqa: E731
            paid = list(self._items(listed, _invoice_payment, invoice=invoice_id, status=PAID))
        return [payment for payment in paid if payment.intent_id and payment.amount > 0]

    def refund_invoice_payment(
        self,
        intent_id: str,
        amount: Decimal,
        currency: str,
        *,
        reason: str,
        metadata: Mapping[str, str],
        idempotency_key: str,
    ) -> RefundSnapshot:
        """Refund a part of a PaymentIntent."""
        params: dict[str, Any] = {
            "payment_intent": intent_id,
            "amount": to_minor_units(amount, currency),
            "metadata": dict(metadata),
        }
        if reason:
            params["reason"] = reason
        create = self.v1.refunds.create
        return self._send(create, refund_snapshot, idempotency_key, params=params, about_state=True)

    def list_invoice_refunds(self, intent_id: str) -> Sequence[RefundSnapshot]:
        """Return the refunds of a PaymentIntent."""
        listed = lambda wanted: self.v1.refunds.list(params=wanted)  # noqa: E731
        return list(self._items(listed, refund_snapshot, payment_intent=intent_id))

    def create_credit_note(self, request: CreditNoteRequest, *, idempotency_key: str) -> CreditNoteSnapshot:
        """Issue a credit note; its refunds come along."""
        params = {**_params(request), "metadata": dict(request.metadata), "expand": self._note_expand()}
        create = self.v1.credit_notes.create
        return self._send(create, credit_note_snapshot, idempotency_key, params=params, about_state=True)

    def preview_credit_note(self, request: CreditNoteRequest) -> CreditNoteSnapshot:
        """Return what a credit note would be."""
        preview = self.v1.credit_notes.preview
        return ask(lambda: preview(params=_params(request)), credit_note_snapshot, about_state=True)

    def list_credit_notes(self, invoice_id: str) -> Sequence[CreditNoteSnapshot]:
        """Return the credit notes of an invoice, with their refunds."""
        listed = lambda wanted: self.v1.credit_notes.list(params=wanted)  # noqa: E731
        expand = [f"data.{path}" for path in self._note_expand()]
        return list(self._items(listed, credit_note_snapshot, invoice=invoice_id, expand=expand))

    def retrieve_credit_note(self, note_id: str) -> CreditNoteSnapshot:
        """Ask for a credit note, with its refunds."""
        params = {"expand": self._note_expand()}
        return ask(lambda: self.v1.credit_notes.retrieve(note_id, params=params), credit_note_snapshot)

    def void_credit_note(self, note_id: str, *, idempotency_key: str) -> CreditNoteSnapshot:
        """Take back a credit note."""
        void = self.v1.credit_notes.void_credit_note
        return self._send(void, credit_note_snapshot, idempotency_key, note_id, about_state=True)

    def read_credit_note(self, obj: Mapping[str, Any]) -> CreditNoteSnapshot:
        """Return the snapshot of an event's credit note."""
        return credit_note_snapshot(obj)

    def _note_expand(self) -> list[str]:
        return ["refund"] if self._is_older else ["refunds.refund"]


@reads("a credit note")
def credit_note_snapshot(obj: Object) -> CreditNoteSnapshot:
    """Return the snapshot of a CreditNote; the older generation names one refund, and not how much of it is its."""
    currency = text(obj["currency"])
    amount, elsewhere = amount_of(obj["amount"], currency), amount_of(obj.get("out_of_band_amount") or 0, currency)
    is_post_payment = obj.get("type") == "post_payment"
    listed = obj.get("refunds")
    if listed is None:
        named, refunded = [obj["refund"]] if obj.get("refund") else [], _refunded_of_one(obj, amount - elsewhere)
    else:
        named = [given["refund"] for given in listed if given.get("refund")]
        refunded = sum((amount_of(given.get("amount_refunded") or 0, currency) for given in listed), Decimal(0))
    return CreditNoteSnapshot(
        note_id=text(obj["id"]),
        status=text(obj["status"]),
        invoice_id=text(object_id(obj["invoice"])),
        amount=amount,
        currency=currency.upper(),
        is_post_payment=is_post_payment,
        refund_amount=refunded,
        out_of_band_amount=elsewhere,
        refund_ids=[object_id(given) for given in named],
        refunds=[refund_snapshot(given) for given in named if isinstance(given, Mapping)],
        customer_id=object_id(obj.get("customer")),
        number=optional_text(obj.get("number")),
        reason=optional_text(obj.get("reason")),
        memo=optional_text(obj.get("memo")),
        pdf_url=optional_text(obj.get("pdf")),
        issued=moment(obj.get("effective_at") or obj.get("created")),
        livemode=flag(obj.get("livemode")),
        metadata=metadata_of(obj.get("metadata")),
    )


def _refunded_of_one(obj: Object, most: Decimal) -> Decimal | None:
    refund = obj.get("refund")
    if not refund:
        return Decimal(0)
    if isinstance(refund, Mapping):
        return min(refund_snapshot(refund).amount, most)
    # What did not go to the customer's credit was refunded.
    return None if obj.get("customer_balance_transaction") else most


@reads("an object of an invoice")
def _invoice_named(obj: Object) -> str:
    return object_id(obj.get("invoice"))


@reads("a payment of an invoice")
def _invoice_payment(obj: Object) -> InvoicePayment:
    intent_id = object_id(part(obj.get("payment")).get("payment_intent"))
    return InvoicePayment(intent_id, amount_of(obj.get("amount_paid") or 0, text(obj["currency"])))


def _params(request: CreditNoteRequest) -> dict[str, Any]:
    """Return the parameters that a credit note and its preview share."""
    params: dict[str, Any] = {"invoice": request.invoice_id}
    for name in ("amount", "refund_amount", "credit_amount", "out_of_band_amount"):
        value = getattr(request, name)
        if value:
            params[name] = to_minor_units(value, request.currency)
    if request.lines:
        params["lines"] = [_line(line, request.currency) for line in request.lines]
    params |= {name: getattr(request, name) for name in ("reason", "memo") if getattr(request, name)}
    return params


def _line(line: CreditNoteLine, currency: str) -> dict[str, Any]:
    params: dict[str, Any] = {"type": "invoice_line_item", "invoice_line_item": line.line_id}
    if line.amount is not None:
        return {**params, "amount": to_minor_units(line.amount, currency)}
    return {**params, **({} if line.quantity is None else {"quantity": line.quantity})}
