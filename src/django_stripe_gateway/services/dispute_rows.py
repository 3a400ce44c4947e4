"""Disputes as rows: which of two states of one is newer, and what is announced of it.

A dispute moves in every direction: what was lost can be won after an arbitration, and an inquiry can become a
chargeback (https://docs.stripe.com/disputes/how-disputes-work). So the time of the event that says something decides,
and where two events of the same second say different things, the provider does.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django_stripe_gateway import signals
from django_stripe_gateway.gateways.values import DisputeSnapshot
from django_stripe_gateway.models import Dispute
from django_stripe_gateway.services.audit import is_history, send_on_commit
from django_stripe_gateway.services.snapshots import SnapshotMismatch, verify_lengths
from django_stripe_gateway.services.transactions import payments_database


def find_dispute(subject: Any, snapshot: DisputeSnapshot, **owner: Any) -> Dispute:
    """Return the row of a dispute of a locked payment or invoice, a new one if there is none.

    Args:
        owner: ``payment`` or ``invoice``.

    Raises:
        SnapshotMismatch: the dispute is another one's.
    """
    rows = Dispute.objects.using(payments_database())
    known = rows.filter(provider_id=snapshot.dispute_id, variant=subject.variant).first()
    if known is None:
        values = {"livemode": subject.livemode, "account_id": subject.account_id, "variant": subject.variant}
        return Dispute(provider_id=snapshot.dispute_id, status="", **values, **owner)
    if any(getattr(known, f"{name}_id") != row.pk for name, row in owner.items()):
        raise SnapshotMismatch("the dispute is another one's")
    return known


def is_unclear(dispute: Dispute, snapshot: DisputeSnapshot, said_at: datetime | None) -> bool:
    """Return whether only the provider can say if what an event says of a dispute still holds."""
    if dispute._state.adding or snapshot.status == dispute.status:
        return False
    if said_at is None:
        return True
    if dispute.provider_time is not None and said_at != dispute.provider_time:
        # By the provider's own clock, unless it was asked since, by ours.
        is_newer = said_at > dispute.provider_time
        return is_newer and dispute.fetched_at is not None and said_at <= dispute.fetched_at
    return True


def is_overtaken(dispute: Dispute, said_at: datetime | None) -> bool:
    """Return whether something newer than an event is known of a dispute."""
    return said_at is not None and dispute.provider_time is not None and said_at < dispute.provider_time


def write_dispute(
    dispute: Dispute, snapshot: DisputeSnapshot, *, said_at: datetime | None, looked_at: datetime | None
) -> str:
    """Write the newest that the provider has said of a dispute, and return the status that it had before.

    Args:
        said_at: when the event was made that brought it.
        looked_at: when the provider was asked, where it was.

    Raises:
        SnapshotMismatch: the provider's words are longer than any that we know.
    """
    previous = dispute.status
    verify_lengths(dispute, snapshot, ("status", "reason", "intent_id"))
    dispute.status, dispute.reason = snapshot.status, snapshot.reason
    dispute.amount, dispute.currency = snapshot.amount, snapshot.currency
    dispute.intent_id = snapshot.intent_id or dispute.intent_id
    dispute.is_refundable, dispute.is_withdrawn = snapshot.is_refundable, snapshot.is_withdrawn
    dispute.evidence_due = snapshot.evidence_due
    dispute.opened = snapshot.opened or dispute.opened
    if dispute.is_open:
        dispute.closed = None
    elif dispute.closed is None or previous != dispute.status:
        # When what is history was closed nobody says.
        dispute.closed = said_at or (None if is_history() else looked_at)
    note_times(dispute, said_at, looked_at)
    dispute.save(using=payments_database())
    return previous


def note_times(dispute: Dispute, said_at: datetime | None, looked_at: datetime | None) -> None:
    """Set from when on a dispute is known."""
    if said_at is not None and (dispute.provider_time is None or said_at > dispute.provider_time):
        dispute.provider_time = said_at
    if looked_at is not None and (dispute.fetched_at is None or looked_at > dispute.fetched_at):
        dispute.fetched_at = looked_at


def told(snapshot: DisputeSnapshot) -> dict[str, str]:
    """Return what signals and the audit trail say of a dispute."""
    return {
        "dispute_id": snapshot.dispute_id,
        "status": snapshot.status,
        "reason": snapshot.reason,
        "amount": str(snapshot.amount),
        "currency": snapshot.currency,
    }


def announce_dispute(dispute: Dispute, snapshot: DisputeSnapshot) -> None:
    """Announce the status of a dispute, which is another than before."""
    data, subject = told(snapshot), dispute.subject
    if dispute.payment_id is not None:
        send_on_commit(signals.payment_disputed, type(subject), payment=subject, dispute=data)
    else:
        send_on_commit(signals.invoice_disputed, type(subject), invoice=subject, dispute=data)
    if not dispute.is_open:
        send_on_commit(
            signals.dispute_closed,
            Dispute,
            dispute=dispute,
            is_won=dispute.is_won,
            payment=dispute.payment,
            invoice=dispute.invoice,
        )
