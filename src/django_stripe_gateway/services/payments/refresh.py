"""Ask the provider where a payment stands."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from django_stripe_gateway.choices import LogEvent
from django_stripe_gateway.exceptions import ProviderError, UnknownAtProvider
from django_stripe_gateway.gateways.base import Gateway
from django_stripe_gateway.gateways.values import PaymentRef, PaymentSnapshot, RefundSnapshot
from django_stripe_gateway.models import AbstractPayment
from django_stripe_gateway.services.accounts import gateway_of, prove_payment
from django_stripe_gateway.services.audit import write_log
from django_stripe_gateway.services.origins import SYSTEM, Origin
from django_stripe_gateway.services.payments.refund_sync import apply_refund, in_order
from django_stripe_gateway.services.payments.sync import apply_snapshot
from django_stripe_gateway.services.payments.unexpected import note_unexpected
from django_stripe_gateway.services.snapshots import SnapshotMismatch, SupersededAttempt
from django_stripe_gateway.services.transactions import lock_payment, money_transaction, retry_on_deadlock

logger = logging.getLogger(__name__)


def sync_payment(*, payment: AbstractPayment, with_refunds: bool = False, origin: Origin = SYSTEM) -> AbstractPayment:
    """Ask the provider where a payment stands, and bring it up to date.

    Args:
        with_refunds: also ask for its refunds, such as those made at the provider's dashboard.

    Raises:
        UnknownAtProvider: the provider knows no such payment.
        OtherAccount: it is of another account than the one that would be asked.
        ProviderError: the provider refused or failed.
    """
    if not payment.transaction_id:
        return payment
    gateway = gateway_of(payment)
    ref = payment_ref(payment)
    snapshot = ask_about(gateway, payment)
    refunds = gateway.list_refunds(ref) if with_refunds and (ref.intent_id or snapshot.intent_id) else ()
    payment = write_snapshot(payment.pk, snapshot, origin)
    if refunds:
        payment = _lock_and_write_refunds(payment.pk, refunds, origin)
    payment.client_secret, payment.action_url = snapshot.client_secret, snapshot.action_url
    return payment


def ask_about(gateway: Gateway, payment: AbstractPayment) -> PaymentSnapshot:
    """Return what the provider says of a payment.

    Raises:
        UnknownAtProvider: it knows no such payment.
        ProviderError: it refused or failed.
    """
    try:
        return gateway.retrieve_payment(payment_ref(payment))
    except ProviderError as error:
        if not error.is_missing:
            raise
        sentence = "The payment provider does not know this payment any more. It was deleted there."
        raise UnknownAtProvider(sentence, request_id=error.request_id) from error


def payment_ref(payment: AbstractPayment) -> PaymentRef:
    """Return the ids by which the provider knows ``payment``."""
    return PaymentRef(payment.transaction_id, payment.intent_id, payment.currency)


@retry_on_deadlock
def write_snapshot(payment_pk: Any, snapshot: PaymentSnapshot, origin: Origin) -> AbstractPayment:
    """Write what the provider was asked outside of an operation; a contradiction changes nothing."""
    with money_transaction():
        payment = lock_payment(payment_pk)
        try:
            apply_snapshot(payment, snapshot, origin)
            prove_payment(payment)
        except SupersededAttempt:
            logger.info("Payment %s was started anew while its earlier attempt was looked up.", payment_pk)
        except SnapshotMismatch as mismatch:
            # The instance may hold values that were set before the contradiction was found.
            payment.refresh_from_db()
            note_unexpected(payment, mismatch)
            write_log(payment, LogEvent.MISMATCH, origin, str(mismatch), {"object_id": snapshot.object_id})
    return payment


@retry_on_deadlock
def _lock_and_write_refunds(payment_pk: Any, refunds: Sequence[RefundSnapshot], origin: Origin) -> AbstractPayment:
    with money_transaction():
        payment = lock_payment(payment_pk)
        write_refunds(payment, refunds, origin)
    return payment


def write_refunds(payment: AbstractPayment, refunds: Sequence[RefundSnapshot], origin: Origin) -> None:
    """Write what the provider says about refunds of the locked payment; a contradiction changes nothing."""
    for snapshot in in_order(refunds):
        try:
            apply_refund(payment, snapshot, origin)
        except SnapshotMismatch as mismatch:
            write_log(payment, LogEvent.MISMATCH, origin, str(mismatch), {"refund_id": snapshot.refund_id})
