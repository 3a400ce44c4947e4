"""Give back what an invoice was paid with."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from django_stripe_gateway.choices import BillingOperationKind, RefundReason
from django_stripe_gateway.exceptions import (
    GatewayError,
    InvalidInput,
    ProviderStateError,
    UnsupportedByGateway,
    WrongState,
)
from django_stripe_gateway.gateways.invoice_money import InvoicePayment
from django_stripe_gateway.gateways.values import RefundSnapshot
from django_stripe_gateway.models import Invoice, InvoiceRefund
from django_stripe_gateway.models.fields import ZERO
from django_stripe_gateway.money import display_amount, format_amount
from django_stripe_gateway.services.accounts import billing_gateway_of
from django_stripe_gateway.services.amounts import validate_amount, validate_part
from django_stripe_gateway.services.operations.engine import run, scoped_request_key
from django_stripe_gateway.services.operations.verbs import Request, register
from django_stripe_gateway.services.origins import SYSTEM, Origin
from django_stripe_gateway.services.snapshots import SnapshotMismatch
from django_stripe_gateway.services.subscriptions.given_back import refundable_amount
from django_stripe_gateway.services.subscriptions.given_back_look import look_up_given_back
from django_stripe_gateway.services.subscriptions.invoice_refund_sync import (
    apply_invoice_refund,
    fail_invoice_refund,
    log_invoice,
)
from django_stripe_gateway.services.subscriptions.invoices import read_invoice
from django_stripe_gateway.services.subscriptions.line import CustomerClaim, CustomerVerb, was_made_before
from django_stripe_gateway.services.subscriptions.sync import lock_invoice
from django_stripe_gateway.services.transactions import payments_database


class RefundInvoiceVerb(CustomerVerb[RefundSnapshot]):
    """Refund what has paid an invoice, wholly or in part; ``claim.result`` is the refund."""

    kind = BillingOperationKind.REFUND_INVOICE

    def check(self, claim: CustomerClaim) -> None:
        """Let only what is paid be refunded, and never more than is left of it; make the refund's row."""
        invoice, operation = read_invoice(claim.params["invoice_pk"]), claim.operation
        if not invoice.is_paid:
            raise WrongState(f"Only a paid invoice can be refunded; this one is {invoice.status}.")
        left = refundable_amount(invoice)
        if left <= 0:
            raise WrongState("Nothing is left to refund: nothing was paid, or all was given back already.")
        asked = claim.params["amount"]
        part = validate_part(Decimal(asked) if asked else None, left, invoice.currency)
        operation.params["part"] = str(part)
        # Stored along with its operation, so that nothing else is promised of the money.
        values = {"currency": invoice.currency, "reason": claim.params["reason"]}
        claim.rows.append(InvoiceRefund(invoice=invoice, operation=operation, amount=part, **values))
        data = {"invoice_id": invoice.provider_id, "amount": format_amount(part, invoice.currency)}
        log_invoice(invoice, claim.origin, "refund asked for", part, data)

    def begin_call(self, claim: CustomerClaim) -> None:
        """Remember the invoice."""
        claim.seen = read_invoice(claim.params["invoice_pk"])

    def call(self, claim: CustomerClaim) -> RefundSnapshot:
        """Refund the payment that has enough left; our mark on the refund finds it again."""
        invoice, amount = claim.seen, Decimal(claim.params["part"])
        snapshot: RefundSnapshot = claim.gateway.refund_invoice_payment(
            _payment_for(claim, amount),
            amount,
            invoice.currency,
            reason=claim.params["reason"],
            metadata={"operation": str(claim.operation.pk), "invoice": invoice.provider_id},
            idempotency_key=claim.key,
        )
        return snapshot

    def find_earlier(self, claim: CustomerClaim) -> RefundSnapshot | None:
        """Return the refund that carries the operation's mark."""
        marker = str(claim.operation.pk)
        for payment in claim.gateway.list_invoice_payments(claim.seen.provider_id):
            for refund in claim.gateway.list_invoice_refunds(payment.intent_id):
                if refund.metadata.get("operation") == marker:
                    found: RefundSnapshot = refund
                    return found
        return None

    def apply(self, claim: CustomerClaim, answer: RefundSnapshot) -> str:
        """Write where the refund stands."""
        invoice = locked_invoice(claim)
        claim.result = apply_invoice_refund(invoice, answer, claim.origin, refund=_refund_of(claim))
        return answer.refund_id

    def after_refusal(self, claim: CustomerClaim, error: GatewayError, *, is_over: bool) -> None:
        """Look what was given back of the invoice of a refused call: somebody else was faster, elsewhere."""
        if is_over and isinstance(error, ProviderStateError):
            look_up_given_back(claim.seen, claim.origin)
        super().after_refusal(claim, error, is_over=is_over)

    def note_failure(self, claim: CustomerClaim, error: GatewayError, *, is_over: bool) -> None:
        """Let the refund that the provider refused be failed."""
        if is_over:
            fail_invoice_refund(locked_invoice(claim), _refund_of(claim), error.code, claim.origin)
        super().note_failure(claim, error, is_over=is_over)

    def note_given_up(self, claim: CustomerClaim) -> None:
        """Let the refund that was given up be failed; should it exist after all, its event says so."""
        fail_invoice_refund(locked_invoice(claim), _refund_of(claim), "given_up", claim.origin)


REFUND_INVOICE = register(RefundInvoiceVerb())


def refund_invoice(
    *,
    invoice: Invoice,
    amount: Decimal | None = None,
    reason: str = "",
    idempotency_key: str | None = None,
    origin: Origin = SYSTEM,
) -> InvoiceRefund:
    """Give back a paid invoice, wholly or in part, to what has paid it; can be repeated until nothing is left.

    Its subscription goes on, and is charged again: end it with ``cancel_subscription``. What the books need is a credit
    note, which ``issue_credit_note`` makes along with its refund.

    Args:
        amount: in the invoice's currency, ``None`` for all that is left.
        reason: one of ``RefundReason``, or empty.

    Returns:
        The refund; ``refund.invoice`` is the invoice as it is afterwards. A refund can stay pending for days.

    Raises:
        InvalidAmount: zero, negative, above what is left, or finer than the currency.
        WrongState: it is not paid, nothing is left, or no single payment has paid so much of it.
        UnsupportedByGateway: this provider cannot refund invoices.
        ProviderError: the provider refused or failed.
    """
    if reason and reason not in RefundReason.values:
        raise InvalidInput(f"The reason is one of {', '.join(RefundReason.values)}.", field="reason")
    customer = invoice.customer
    if not billing_gateway_of(customer).supports_invoice_refunds:
        raise UnsupportedByGateway("This gateway cannot refund an invoice.")
    asked = None if amount is None else str(validate_amount(amount, invoice.currency))
    params = {"invoice_pk": invoice.pk, "amount": asked, "reason": reason}
    key = scoped_request_key(idempotency_key, REFUND_INVOICE.kind, invoice.pk)
    request = Request(params, params, about={"subscription_id": invoice.subscription_id}, key=key)
    if invoice.is_paid and not was_made_before(REFUND_INVOICE, customer.pk, request):
        # What was given back in the Dashboard may not have been heard of.
        look_up_given_back(invoice, origin)
    claim = run(REFUND_INVOICE, customer.pk, request, origin)
    refund: InvoiceRefund = claim.result or _refund_of(claim)
    refund.invoice = read_invoice(invoice.pk)
    return refund


def locked_invoice(claim: CustomerClaim) -> Invoice:
    """Return the invoice of an operation, its row locked after its customer's."""
    known = read_invoice(claim.params["invoice_pk"])
    invoice = lock_invoice(known.variant, known.provider_id)
    if invoice is None:
        raise SnapshotMismatch("the invoice is gone")
    invoice.customer, invoice.subscription = known.customer, known.subscription
    return invoice


def _payment_for(claim: CustomerClaim, amount: Decimal) -> str:
    """Return the payment of which so much can be given back; several have paid an invoice at most in part each."""
    paid: Sequence[InvoicePayment] = claim.gateway.list_invoice_payments(claim.seen.provider_id)
    if len(paid) == 1:
        return paid[0].intent_id
    rows = InvoiceRefund.objects.using(payments_database()).filter(invoice=claim.seen).live()
    left = {
        payment.intent_id: payment.amount
        - sum(rows.filter(intent_id=payment.intent_id).values_list("amount", flat=True), ZERO)
        for payment in paid
    }
    enough = next((intent_id for intent_id, rest in left.items() if rest >= amount), "")
    if enough:
        return enough
    most = display_amount(max(left.values(), default=ZERO), claim.seen.currency)
    raise WrongState(
        "No payment at the provider has paid so much of this invoice: it was paid in several parts, elsewhere, or by a "
        f"credit of the customer's. At most {most} can be refunded at once.",
        code="not_refundable",
    )


def _refund_of(claim: CustomerClaim) -> InvoiceRefund:
    return InvoiceRefund.objects.using(payments_database()).get(operation=claim.operation)
