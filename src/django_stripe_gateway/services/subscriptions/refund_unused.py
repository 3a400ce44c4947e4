"""What a subscription that ends at once gives back: the paid and unused rest, to what it was paid with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from django_stripe_gateway.exceptions import WrongState
from django_stripe_gateway.gateways.billing_values import InvoiceLine, InvoiceSnapshot
from django_stripe_gateway.gateways.invoice_money import CreditNoteRequest, CreditNoteSnapshot
from django_stripe_gateway.models import Subscription
from django_stripe_gateway.money import currency_format
from django_stripe_gateway.services.accounts import billing_gateway_of
from django_stripe_gateway.services.subscriptions.invoice_refund_sync import apply_credit_note
from django_stripe_gateway.services.subscriptions.line import CustomerClaim
from django_stripe_gateway.services.subscriptions.sync import lock_invoice
from django_stripe_gateway.services.transactions import payments_database


def unused_refunds(subscription: Subscription) -> dict[str, Any]:
    """Return what an end now gives back of which invoice, as parameters of the operation.

    The provider says what the rest is worth, less what waits for an invoice; what was given back already, on an
    invoice, on its charge or by the customer's bank, is taken off. What the seller has put on the next invoice is
    charged all the same, and is not. Each invoice gives back what is unused of it, and never more than was paid for it
    and not given back yet.

    Raises:
        WrongState: a part of the rest cannot be refunded ("not_refundable"), such as what a credit has paid.
    """
    provider_id = subscription.provider_id
    if subscription.has_ended or not provider_id:
        return {}
    gateway = billing_gateway_of(subscription)
    since = _earliest_period_start(subscription)
    end = gateway.preview_end(provider_id, subscription.customer.provider_id or "")
    rest = end.sellers_items - end.total
    if rest <= 0:
        # The last invoice charges what it leaves: no credit comes of it.
        return {"refunds": [], "has_rest": False}
    moment = _given_back_from(end.lines)
    invoices = [
        replace(invoice, amount_given_back=invoice.amount_given_back + gateway.given_back_directly(invoice.invoice_id))
        for invoice in gateway.list_subscription_invoices(provider_id)
        if invoice.status == "paid" and invoice.amount_paid > 0 and invoice.created and invoice.created >= since
    ]
    unused = [(invoice, _unused_part(invoice, moment)) for invoice in invoices]
    rest -= sum((min(invoice.amount_given_back, part) for invoice, part in unused), Decimal(0))
    refunds, left = _spread(rest, unused)
    if left > 0:
        raise WrongState(
            f"{left} {end.currency} of what is left cannot be refunded: no money was paid for it, or it was refunded "
            "elsewhere. Nothing was done. If a credit of the customer's has paid it, use credit instead of refund; "
            "else end it without giving anything back.",
            code="not_refundable",
        )
    return {"refunds": refunds, "has_rest": True}


def give_back(claim: CustomerClaim) -> None:
    """Refund what an operation has kept, each once: what an earlier attempt has refunded is found by its mark."""
    marks = {"cancellation": str(claim.operation.pk), "token": claim.seen.token}
    for refund in claim.params.get("refunds", ()):
        invoice_id, amount = refund["invoice"], Decimal(refund["amount"])
        made = _made_before(claim, invoice_id, marks) if claim.operation.attempts > 1 else None
        if made is None:
            request = CreditNoteRequest(
                invoice_id, refund["currency"], amount=amount, refund_amount=amount, metadata=marks
            )
            made = claim.gateway.create_credit_note(request, idempotency_key=f"{claim.key}-{invoice_id}")
        claim.made.append(made)


def _made_before(claim: CustomerClaim, invoice_id: str, marks: Mapping[str, str]) -> CreditNoteSnapshot | None:
    notes: Sequence[CreditNoteSnapshot] = claim.gateway.list_credit_notes(invoice_id)
    return next((note for note in notes if marks.items() <= note.metadata.items()), None)


def write_given_back(claim: CustomerClaim) -> None:
    """Write the credit notes of ``give_back``, whose customer is locked; of what is unknown here events will tell."""
    for note in claim.made:
        invoice = lock_invoice(claim.subject.variant, note.invoice_id)
        if invoice is not None:
            invoice.customer = claim.subject
            apply_credit_note(invoice, note, claim.origin)


def _earliest_period_start(subscription: Subscription) -> datetime:
    """Return since when something that still runs was paid: each item has a period of its own."""
    items = subscription.items.using(payments_database()).values_list("current_period_start", flat=True)
    starts = [start for start in (subscription.current_period_start, *items) if start is not None]
    if not starts:
        raise WrongState("Nobody here knows the period of this subscription.")
    return min(starts)


def _given_back_from(lines: Sequence[InvoiceLine]) -> datetime | None:
    """Return from when on the last invoice gives something back: from now, or from a change that it will settle."""
    starts = (line.period_start for line in lines if line.is_proration and line.amount < 0)
    return min(filter(None, starts), default=None)


def _unused_part(invoice: InvoiceSnapshot, moment: datetime | None) -> Decimal:
    """Return how much of an invoice, at most, is for the time after a moment, with its share of the tax."""
    if moment is None:
        return Decimal(0)
    of_all = sum((line.net_amount for line in invoice.lines), Decimal(0))
    if of_all <= 0 or sum((line.amount for line in invoice.lines), Decimal(0)) != invoice.subtotal:
        # Of many lines only the first are told.
        return invoice.amount_paid
    parts = (line.net_after(moment).quantize(_unit(invoice), ROUND_HALF_UP) for line in invoice.lines)
    unused = sum(parts, Decimal(0))
    with_tax = (unused * (of_all + invoice.tax) / of_all).quantize(_unit(invoice), ROUND_HALF_UP)
    return max(Decimal(0), with_tax)


def _unit(invoice: InvoiceSnapshot) -> Decimal:
    return Decimal(1).scaleb(-currency_format(invoice.currency).decimals)


def _spread(rest: Decimal, unused: Sequence[tuple[InvoiceSnapshot, Decimal]]) -> tuple[list[dict[str, Any]], Decimal]:
    """Return what each invoice gives back of the rest, and what none can give back.

    The provider rounds line by line, which can make a difference of the smallest unit for each; an invoice that was
    paid for more stands in for it.
    """
    amounts: dict[str, Decimal] = {}
    for is_rounding in (False, True):
        for invoice, part in unused:
            earlier = amounts.get(invoice.invoice_id, Decimal(0))
            most = part + (_unit(invoice) * len(invoice.lines) if is_rounding and part else 0)
            most = min(most, invoice.amount_paid) - invoice.amount_given_back - earlier
            amount = min(rest, most)
            if amount > 0:
                amounts[invoice.invoice_id] = earlier + amount
                rest -= amount
    refunds = [
        {"invoice": invoice.invoice_id, "amount": str(amounts[invoice.invoice_id]), "currency": invoice.currency}
        for invoice, _part in unused
        if invoice.invoice_id in amounts
    ]
    return refunds, rest
