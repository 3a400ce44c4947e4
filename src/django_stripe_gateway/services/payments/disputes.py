"""Keep in step with disputes, in django-payments' fraud status."""

from __future__ import annotations

from collections.abc import Mapping

from django_stripe_gateway import signals
from django_stripe_gateway.choices import FraudStatus, LogEvent
from django_stripe_gateway.gateways.values import DisputeSnapshot
from django_stripe_gateway.models import AbstractPayment
from django_stripe_gateway.services.audit import send_on_commit, write_log
from django_stripe_gateway.services.origins import Origin
from django_stripe_gateway.services.snapshots import SnapshotMismatch
from django_stripe_gateway.services.transactions import payments_database

# Statuses that end a dispute, https://docs.stripe.com/api/disputes/object#dispute_object-status; any other is open.
OUTCOMES: Mapping[str, str] = {
    "won": FraudStatus.ACCEPT,
    "warning_closed": FraudStatus.ACCEPT,
    "prevented": FraudStatus.ACCEPT,
    "charge_refunded": FraudStatus.ACCEPT,
    "lost": FraudStatus.REJECT,
}
# A dispute is opened, then decided; what arrives late does not open it again.
PROGRESS = (FraudStatus.REVIEW, FraudStatus.ACCEPT, FraudStatus.REJECT)
# A payment can be disputed more than once: the worst of its disputes counts.
GRAVITY = (FraudStatus.ACCEPT, FraudStatus.REVIEW, FraudStatus.REJECT)


def apply_dispute(payment: AbstractPayment, dispute: DisputeSnapshot, origin: Origin) -> None:
    """Write what the provider says about a dispute of the locked ``payment``.

    A status that a later one has overtaken is logged, and changes and announces nothing.

    Raises:
        SnapshotMismatch: the dispute is of another payment, or in another currency.
    """
    if dispute.currency and dispute.currency != payment.currency.upper():
        raise SnapshotMismatch("currency differs")
    if dispute.intent_id and payment.intent_id and dispute.intent_id != payment.intent_id:
        raise SnapshotMismatch("intent differs")
    known = _known_disputes(payment)
    target = _outcome(dispute.status)
    is_late = PROGRESS.index(target) < PROGRESS.index(known.get(dispute.dispute_id, FraudStatus.REVIEW))
    data = {
        "dispute_id": dispute.dispute_id,
        "status": dispute.status,
        "reason": dispute.reason,
        "amount": str(dispute.amount),
        "currency": dispute.currency,
    }
    write_log(payment, LogEvent.DISPUTE, origin, f"dispute {dispute.status}", data)
    if is_late:
        return
    worst = max((known | {dispute.dispute_id: target}).values(), key=GRAVITY.index)
    if payment.fraud_status != worst:
        payment.fraud_status = worst
        payment.fraud_message = f"{dispute.dispute_id}: {dispute.reason} ({dispute.status})"
        payment.save(update_fields=["fraud_status", "fraud_message", "modified"])
    send_on_commit(signals.payment_disputed, type(payment), payment=payment, dispute=data)


def _outcome(status: str) -> FraudStatus:
    return FraudStatus(OUTCOMES.get(status, FraudStatus.REVIEW))


def _known_disputes(payment: AbstractPayment) -> dict[str, FraudStatus]:
    """Return how far each dispute of the payment has come, from the audit trail."""
    known: dict[str, FraudStatus] = {}
    logs = payment.logs.using(payments_database()).filter(event=LogEvent.DISPUTE)
    for data in logs.values_list("data", flat=True):
        dispute_id, outcome = data.get("dispute_id", ""), _outcome(data.get("status", ""))
        known[dispute_id] = max(outcome, known.get(dispute_id, outcome), key=PROGRESS.index)
    return known
