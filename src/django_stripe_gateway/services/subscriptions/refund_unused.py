"""What a subscription that ends at once gives back: the paid and unused rest, to what it was paid with."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django_stripe_gateway.exceptions import WrongState
from django_stripe_gateway.gateways.registry import get_billing_gateway
from django_stripe_gateway.models import Subscription
from django_stripe_gateway.services.subscriptions.line import CustomerClaim


def unused_refunds(subscription: Subscription) -> list[dict[str, Any]]:
    """Return what an end now gives back of which invoice: never more than was paid for the period that runs.

    The provider says what the rest is worth, less what waits for an invoice and what was given back already.
    """
    provider_id = subscription.provider_id
    if subscription.has_ended or not provider_id:
        return []
    gateway = get_billing_gateway(subscription.variant)
    if subscription.current_period_start is None:
        raise WrongState("Nobody here knows the period of this subscription.")
    rest = -gateway.preview_end(provider_id, subscription.customer.provider_id or "").total
    current = [
        invoice
        for invoice in gateway.list_subscription_invoices(provider_id)
        if invoice.is_paid_with_money and invoice.created and invoice.created >= subscription.current_period_start
    ]
    rest -= sum((invoice.amount_given_back for invoice in current), Decimal(0))
    refunds = []
    for invoice in current:
        amount = min(rest, invoice.amount_paid - invoice.amount_given_back)
        if amount > 0:
            refunds.append({"invoice": invoice.invoice_id, "amount": str(amount), "currency": invoice.currency})
            rest -= amount
    return refunds


def give_back(claim: CustomerClaim) -> None:
    """Refund what an operation has kept, each once: what an earlier attempt has refunded is found by its mark."""
    marks = {"cancellation": str(claim.operation.pk), "token": claim.seen.token}
    for refund in claim.params.get("refunds", ()):
        invoice = refund["invoice"]
        if claim.operation.attempts > 1 and claim.gateway.find_invoice_refund(invoice, metadata=marks):
            continue
        claim.gateway.refund_invoice(
            invoice,
            Decimal(refund["amount"]),
            refund["currency"],
            metadata=marks,
            idempotency_key=f"{claim.key}-{invoice}",
        )
