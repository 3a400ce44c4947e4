"""Ask the provider where a payment stands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django_stripe_gateway.choices import LogEvent
from django_stripe_gateway.gateways.registry import get_gateway
from django_stripe_gateway.gateways.values import RefundSnapshot
from django_stripe_gateway.models import AbstractPayment
from django_stripe_gateway.services.audit import write_log
from django_stripe_gateway.services.operations.performing import payment_ref, sync_snapshot
from django_stripe_gateway.services.origins import SYSTEM, Origin
from django_stripe_gateway.services.payments.refund_sync import apply_refund
from django_stripe_gateway.services.payments.sync import SnapshotMismatch
from django_stripe_gateway.services.transactions import lock_payment, money_transaction, retry_on_deadlock


def sync_payment(*, payment: AbstractPayment, with_refunds: bool = False, origin: Origin = SYSTEM) -> AbstractPayment:
    """Ask the provider where a payment stands, and bring it up to date.

    Args:
        with_refunds: also ask for its refunds, such as those made at the provider's dashboard.

    Raises:
        ProviderError: the provider refused or failed.
    """
    if not payment.transaction_id:
        return payment
    gateway = get_gateway(payment.variant)
    ref = payment_ref(payment)
    snapshot = gateway.retrieve_payment(ref)
    refunds = gateway.list_refunds(ref) if with_refunds and (ref.intent_id or snapshot.intent_id) else ()
    payment = sync_snapshot(payment.pk, snapshot, origin)
    if refunds:
        payment = _sync_refunds(payment.pk, refunds, origin)
    payment.client_secret = snapshot.client_secret
    return payment


@retry_on_deadlock
def _sync_refunds(payment_id: Any, refunds: Sequence[RefundSnapshot], origin: Origin) -> AbstractPayment:
    with money_transaction():
        payment = lock_payment(payment_id)
        for snapshot in refunds:
            try:
                apply_refund(payment, snapshot, origin)
            except SnapshotMismatch as mismatch:
                write_log(payment, LogEvent.MISMATCH, origin, str(mismatch), {"refund_id": snapshot.refund_id})
    return payment
