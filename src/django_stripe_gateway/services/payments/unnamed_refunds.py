"""Refunds that were brought from elsewhere without the provider's ids, until the provider names them.

Such a row holds what was given back before this app knew of the payment, as a sum: it is no operation's, and has no id.
"""

from __future__ import annotations

from django_stripe_gateway.choices import RefundStatus
from django_stripe_gateway.gateways.values import RefundSnapshot
from django_stripe_gateway.models import AbstractPayment, Refund
from django_stripe_gateway.services.transactions import payments_database


def claim_unnamed(payment: AbstractPayment, snapshot: RefundSnapshot) -> Refund | None:
    """Return the row of the sum that a refund is, or take the refund out of a larger sum and return ``None``.

    Without it a refund would count twice once the provider names it. The caller holds the payment's lock.
    """
    if snapshot.status != RefundStatus.SUCCEEDED:
        return None
    rows = Refund.objects.using(payments_database())
    unnamed = rows.filter(payment=payment, provider_id=None, operation=None, status=RefundStatus.SUCCEEDED)
    for refund in unnamed:
        if refund.amount == snapshot.amount:
            return refund
        if refund.amount > snapshot.amount:
            refund.amount -= snapshot.amount
            refund.save(using=payments_database(), update_fields=["amount", "modified"])
            return None
    return None
