"""Keep in step with disputes of one-off payments, in rows and in django-payments' fraud status."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from django_stripe_gateway.choices import DISPUTES_LOST, DISPUTES_WON, FraudStatus, LogEvent, UnexpectedState
from django_stripe_gateway.gateways.values import DisputeSnapshot
from django_stripe_gateway.models import AbstractPayment, Dispute, UnexpectedPayment
from django_stripe_gateway.services.audit import write_log
from django_stripe_gateway.services.dispute_rows import (
    announce_dispute,
    find_dispute,
    is_overtaken,
    is_unclear,
    told,
    write_dispute,
)
from django_stripe_gateway.services.origins import Origin
from django_stripe_gateway.services.payments.unexpected import find_unexpected
from django_stripe_gateway.services.snapshots import SnapshotMismatch
from django_stripe_gateway.services.transactions import payments_database

# Statuses that end a dispute; any other is open.
OUTCOMES: Mapping[str, FraudStatus] = {
    **dict.fromkeys(DISPUTES_WON, FraudStatus.ACCEPT),
    **dict.fromkeys(DISPUTES_LOST, FraudStatus.REJECT),
}
ACCEPTED = UnexpectedState.ACCEPTED
# A payment can be disputed more than once: the worst of its disputes counts.
GRAVITY = (FraudStatus.ACCEPT, FraudStatus.REVIEW, FraudStatus.REJECT)


def apply_dispute(
    payment: AbstractPayment,
    dispute: DisputeSnapshot,
    origin: Origin,
    *,
    said_at: datetime | None = None,
    looked_at: datetime | None = None,
) -> Dispute | None:
    """Write what the provider says about a dispute of the locked ``payment``.

    A status that a later one has overtaken is logged, and changes and announces nothing.

    Args:
        said_at: when the event was made that says it.
        looked_at: when the provider was asked, where it was: then nothing is unclear.

    Returns:
        The dispute's row if only the provider can say what holds, so that nothing was written; else ``None``.

    Raises:
        SnapshotMismatch: the dispute is of another payment, or in another currency.
    """
    is_own = not (dispute.intent_id and payment.intent_id) or dispute.intent_id == payment.intent_id
    unexpected = find_unexpected(payment, dispute.intent_id)
    if not is_own and unexpected is None:
        raise SnapshotMismatch("intent differs")
    currency = payment.currency if unexpected is None or unexpected.state == ACCEPTED else unexpected.currency
    if dispute.currency and dispute.currency != currency.upper():
        raise SnapshotMismatch("currency differs")
    row = find_dispute(payment, dispute, payment=payment)
    if looked_at is None and is_unclear(row, dispute, said_at):
        return row
    write_log(payment, LogEvent.DISPUTE, origin, f"dispute {dispute.status}", told(dispute))
    if looked_at is None and is_overtaken(row, said_at):
        return None
    previous = write_dispute(row, dispute, said_at=said_at, looked_at=looked_at)
    take_worst(payment)
    if unexpected is not None:
        _settle(unexpected, row, was_lost=previous in DISPUTES_LOST)
    if row.status != previous:
        row.payment = payment
        announce_dispute(row, dispute)
    return None


def take_worst(payment: AbstractPayment) -> None:
    """Let the fraud status of a locked payment be the worst of its own money's disputes as they are now.

    Another intent's is of money that was not expected, and says nothing of what the payment was paid with.
    """
    rows = Dispute.objects.using(payments_database()).filter(payment=payment).order_by("pk")
    if payment.intent_id:
        rows = rows.filter(intent_id__in=("", payment.intent_id))
    worst = max(rows, key=lambda row: GRAVITY.index(_outcome(row.status)), default=None)
    if worst is not None and payment.fraud_status != _outcome(worst.status):
        payment.fraud_status = _outcome(worst.status)
        payment.fraud_message = f"{worst.provider_id}: {worst.reason} ({worst.status})"
        payment.save(update_fields=["fraud_status", "fraud_message", "modified"])


def _settle(unexpected: UnexpectedPayment, dispute: Dispute, *, was_lost: bool) -> None:
    """Let money that was not expected wait for nobody once its customer's bank has it, and wait again if not."""
    if unexpected.state == ACCEPTED or dispute.amount < unexpected.amount:
        return
    if dispute.is_lost:
        unexpected.state = UnexpectedState.RETURNED
    elif was_lost and not unexpected.is_given_back:
        unexpected.state = UnexpectedState.OPEN
    unexpected.save(using=payments_database(), update_fields=["state", "modified"])


def _outcome(status: str) -> FraudStatus:
    return OUTCOMES.get(status, FraudStatus.REVIEW)
