"""Issue credit notes, and take them back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from django_stripe_gateway.choices import BillingOperationKind, CreditNoteReason
from django_stripe_gateway.exceptions import GatewayError, InvalidAmount, InvalidInput, UnsupportedByGateway, WrongState
from django_stripe_gateway.gateways.invoice_money import CreditNoteLine, CreditNoteRequest, CreditNoteSnapshot
from django_stripe_gateway.models import CreditNote, Invoice
from django_stripe_gateway.models.fields import ZERO
from django_stripe_gateway.money import display_amount
from django_stripe_gateway.services.accounts import billing_gateway_of
from django_stripe_gateway.services.amounts import validate_amount, validate_part
from django_stripe_gateway.services.operations.engine import run, scoped_request_key
from django_stripe_gateway.services.operations.verbs import Request, register
from django_stripe_gateway.services.origins import SYSTEM, Origin
from django_stripe_gateway.services.subscriptions.given_back import creditable_amount, refundable_amount
from django_stripe_gateway.services.subscriptions.given_back_look import look_up_given_back
from django_stripe_gateway.services.subscriptions.invoice_refund_sync import apply_credit_note, fail_credit_note
from django_stripe_gateway.services.subscriptions.invoices import look_up_invoice, read_invoice
from django_stripe_gateway.services.subscriptions.line import CustomerClaim, CustomerVerb, was_made_before
from django_stripe_gateway.services.subscriptions.refund_invoice import locked_invoice
from django_stripe_gateway.services.transactions import payments_database

#: How a credit note of a paid invoice gives back.
WAYS = ("refund_amount", "credit_amount", "out_of_band_amount")
MAX_MEMO = 5000


class CreditNoteVerb(CustomerVerb[CreditNoteSnapshot]):
    """Issue a credit note; ``claim.result`` is the note."""

    kind = BillingOperationKind.CREDIT_NOTE

    def check(self, claim: CustomerClaim) -> None:
        """Let a note take off no more than is left, and give back what it takes off; make its row."""
        invoice, params = read_invoice(claim.params["invoice_pk"]), claim.params
        if not (invoice.is_paid or invoice.is_payable):
            raise WrongState(f"A credit note is issued for an invoice that was sent; this one is {invoice.status}.")
        left = creditable_amount(invoice)
        if left <= 0:
            raise WrongState("Nothing is left of this invoice that a credit note could take off.")
        amount = validate_part(Decimal(params["amount"]), left, invoice.currency)
        ways = {name: Decimal(params[name]) for name in WAYS}
        _check_ways(invoice, amount, ways)
        # Stored along with its operation, so that nothing else is promised of the money.
        values = {"reason": params["reason"], "memo": params["memo"], "is_post_payment": invoice.is_paid, **ways}
        note = CreditNote(invoice=invoice, operation=claim.operation, amount=amount, **values)
        note.currency = invoice.currency
        claim.rows.append(note)

    def begin_call(self, claim: CustomerClaim) -> None:
        """Remember the invoice."""
        claim.seen = read_invoice(claim.params["invoice_pk"])

    def call(self, claim: CustomerClaim) -> CreditNoteSnapshot:
        """Issue it, with our mark, by which it is found again."""
        request = _request(claim.seen, claim.params, {"operation": str(claim.operation.pk)})
        snapshot: CreditNoteSnapshot = claim.gateway.create_credit_note(request, idempotency_key=claim.key)
        return snapshot

    def find_earlier(self, claim: CustomerClaim) -> CreditNoteSnapshot | None:
        """Return the note that carries the operation's mark."""
        notes: Sequence[CreditNoteSnapshot] = claim.gateway.list_credit_notes(claim.seen.provider_id)
        marker = str(claim.operation.pk)
        return next((note for note in notes if note.metadata.get("operation") == marker), None)

    def apply(self, claim: CustomerClaim, answer: CreditNoteSnapshot) -> str:
        """Write the note, and the refund that it has made."""
        claim.result = apply_credit_note(locked_invoice(claim), answer, claim.origin, note=_note_of(claim))
        return answer.note_id

    def after_apply(self, claim: CustomerClaim) -> None:
        """Look up an invoice of which less is due now, or nothing, which pays it."""
        if not claim.result.is_post_payment:
            look_up_invoice(claim.seen.pk, claim.origin)

    def note_failure(self, claim: CustomerClaim, error: GatewayError, *, is_over: bool) -> None:
        """Let the note that the provider refused be failed."""
        if is_over:
            fail_credit_note(locked_invoice(claim), _note_of(claim), claim.origin)
        super().note_failure(claim, error, is_over=is_over)

    def note_given_up(self, claim: CustomerClaim) -> None:
        """Let the note that was given up be failed; should it exist after all, its event says so."""
        fail_credit_note(locked_invoice(claim), _note_of(claim), claim.origin)


class VoidCreditNoteVerb(CustomerVerb[CreditNoteSnapshot]):
    """Take back a credit note of an open invoice."""

    kind = BillingOperationKind.VOID_CREDIT_NOTE

    def check(self, claim: CustomerClaim) -> None:
        """Let only what holds be taken back, and only while its invoice is open."""
        note = _read_note(claim)
        if not note.is_issued:
            raise WrongState(f"This credit note is {note.status}.")
        if not note.invoice.is_open:
            raise WrongState("A credit note can be taken back only while its invoice is open.")

    def begin_call(self, claim: CustomerClaim) -> None:
        """Remember the note."""
        claim.seen = _read_note(claim)

    def call(self, claim: CustomerClaim) -> CreditNoteSnapshot:
        """Take it back."""
        note_id = claim.seen.provider_id or ""
        snapshot: CreditNoteSnapshot = claim.gateway.void_credit_note(note_id, idempotency_key=claim.key)
        return snapshot

    def find_earlier(self, claim: CustomerClaim) -> CreditNoteSnapshot | None:
        """Return the note if it is void."""
        found: CreditNoteSnapshot = claim.gateway.retrieve_credit_note(claim.seen.provider_id or "")
        return found if found.status == "void" else None

    def apply(self, claim: CustomerClaim, answer: CreditNoteSnapshot) -> str:
        """Write that it is void."""
        claim.result = apply_credit_note(locked_invoice(claim), answer, claim.origin)
        return answer.note_id

    def after_apply(self, claim: CustomerClaim) -> None:
        """Look up the invoice, of which more is due again."""
        look_up_invoice(claim.seen.invoice_id, claim.origin)


ISSUE_CREDIT_NOTE = register(CreditNoteVerb())
VOID_CREDIT_NOTE = register(VoidCreditNoteVerb())


def issue_credit_note(
    *,
    invoice: Invoice,
    amount: Decimal | None = None,
    lines: Sequence[CreditNoteLine] = (),
    refund_amount: Decimal = ZERO,
    credit_amount: Decimal = ZERO,
    out_of_band_amount: Decimal = ZERO,
    reason: str = "",
    memo: str = "",
    idempotency_key: str | None = None,
    origin: Origin = SYSTEM,
) -> CreditNote:
    """Issue a credit note: less is due of an invoice that is open; of a paid one what it takes off is given back.

    Args:
        amount: what it takes off, in the invoice's currency, with its taxes; or ``lines`` of the invoice.
        refund_amount: of a paid invoice, what goes back to what has paid it; ``credit_amount`` to the credit of its
            customer, which pays the next invoices; ``out_of_band_amount`` was given back elsewhere. They add up to all.
        reason: one of ``CreditNoteReason``, or empty. ``memo``: a text for the customer, which stands on the note.

    Returns:
        The note; ``note.invoice`` is the invoice as it is afterwards.

    Raises:
        InvalidInput: the values are not acceptable, or do not go together.
        InvalidAmount: an amount is above what is left, or finer than the currency.
        WrongState: it is a draft or void, or nothing is left of it.
        UnsupportedByGateway: this provider has no credit notes.
        ProviderError: the provider refused or failed.
    """
    if reason and reason not in CreditNoteReason.values:
        raise InvalidInput(f"The reason is one of {', '.join(CreditNoteReason.values)}.", field="reason")
    if len(memo) > MAX_MEMO:
        raise InvalidInput(f"The memo has {MAX_MEMO} characters at most.", field="memo")
    if (amount is None) == (not lines):
        raise InvalidInput("Say an amount or lines.", field="amount")
    customer = invoice.customer
    gateway = billing_gateway_of(customer)
    if not gateway.supports_invoice_refunds:
        raise UnsupportedByGateway("This gateway cannot issue credit notes.")
    ways = {"refund_amount": refund_amount, "credit_amount": credit_amount, "out_of_band_amount": out_of_band_amount}
    params: dict[str, Any] = {
        "invoice_pk": invoice.pk,
        "lines": [_stored(line) for line in lines],
        "reason": reason,
        "memo": memo,
        **{name: str(validate_amount(value, invoice.currency) if value else ZERO) for name, value in ways.items()},
    }
    match = {**params, **({} if amount is None else {"amount": str(validate_amount(amount, invoice.currency))})}
    key = scoped_request_key(idempotency_key, ISSUE_CREDIT_NOTE.kind, invoice.pk)
    request = Request(match, match, about={"subscription_id": invoice.subscription_id}, key=key)
    if not was_made_before(ISSUE_CREDIT_NOTE, customer.pk, request):
        if invoice.is_paid:
            # What was given back in the Dashboard may not have been heard of.
            look_up_given_back(invoice, origin)
        if amount is None:
            # What the lines come to, with their taxes and discounts, the provider says.
            found = gateway.preview_credit_note(_request(invoice, params, {}))
            request = Request({**match, "amount": str(found.amount)}, match, about=request.about, key=key)
    claim = run(ISSUE_CREDIT_NOTE, customer.pk, request, origin)
    note: CreditNote = claim.result or _note_of(claim)
    note.invoice = read_invoice(invoice.pk)
    return note


def void_credit_note(
    *, credit_note: CreditNote, idempotency_key: str | None = None, origin: Origin = SYSTEM
) -> CreditNote:
    """Take back a credit note while its invoice is open: all of it is due again.

    Raises:
        WrongState: it is void already, or its invoice is paid.
        ProviderError: the provider refused or failed.
    """
    invoice = read_invoice(credit_note.invoice_id)
    params = {"invoice_pk": invoice.pk, "note_pk": credit_note.pk}
    key = scoped_request_key(idempotency_key, VOID_CREDIT_NOTE.kind, credit_note.pk)
    request = Request(params, params, about={"subscription_id": invoice.subscription_id}, key=key)
    claim = run(VOID_CREDIT_NOTE, invoice.customer_id, request, origin)
    note: CreditNote = claim.result or _read_note(claim)
    note.invoice = read_invoice(invoice.pk)
    return note


def _check_ways(invoice: Invoice, amount: Decimal, ways: Mapping[str, Decimal]) -> None:
    """Raise unless a note gives back what it takes off, if that was paid, and nothing otherwise."""
    total = sum(ways.values(), ZERO)
    if not invoice.is_paid:
        if total:
            raise InvalidInput("Nothing was paid that could be given back: less is due.", field="refund_amount")
        return
    if total != amount:
        text = display_amount(amount, invoice.currency)
        raise InvalidInput(
            f"What is refunded, credited and given back elsewhere must be {text} in all.", field="amount"
        )
    left = refundable_amount(invoice)
    if ways["refund_amount"] > left:
        raise InvalidAmount(f"At most {display_amount(left, invoice.currency)} can be refunded.", field="refund_amount")


def _stored(line: CreditNoteLine) -> dict[str, Any]:
    return {
        "line_id": line.line_id,
        "quantity": line.quantity,
        "amount": None if line.amount is None else str(line.amount),
    }


def _request(invoice: Invoice, params: Mapping[str, Any], metadata: Mapping[str, str]) -> CreditNoteRequest:
    lines = [
        CreditNoteLine(line["line_id"], line["quantity"], None if line["amount"] is None else Decimal(line["amount"]))
        for line in params["lines"]
    ]
    return CreditNoteRequest(
        invoice_id=invoice.provider_id,
        currency=invoice.currency,
        amount=None if lines else Decimal(params["amount"]),
        lines=lines,
        reason=params["reason"],
        memo=params["memo"],
        metadata=metadata,
        **{name: Decimal(params[name]) for name in WAYS},
    )


def _read_note(claim: CustomerClaim) -> CreditNote:
    rows = CreditNote.objects.using(payments_database()).select_related("invoice")
    return rows.get(pk=claim.params["note_pk"])


def _note_of(claim: CustomerClaim) -> CreditNote:
    return CreditNote.objects.using(payments_database()).get(operation=claim.operation)
