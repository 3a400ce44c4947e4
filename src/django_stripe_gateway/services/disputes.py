"""Keep in step with disputes, in django-payments' fraud status."""

from __future__ import annotations

from collections.abc import Mapping

from django_stripe_gateway import signals
from django_stripe_gateway.choices import FraudStatus, LogEvent
from django_stripe_gateway.gateways.base import DisputeSnapshot
from django_stripe_gateway.models import AbstractPayment
from django_stripe_gateway.services.journal import send_on_commit, write_log
from django_stripe_gateway.services.origins import Origin
from django_stripe_gateway.services.sync import SnapshotMismatch

OUTCOMES: Mapping[str, str] = {
    "won": FraudStatus.ACCEPT,
    "warning_closed": FraudStatus.ACCEPT,
    "lost": FraudStatus.REJECT,
}
# A dispute is opened, then decided; what arrives late does not open it again.
RANK = {FraudStatus.UNKNOWN: 0, FraudStatus.REVIEW: 1, FraudStatus.ACCEPT: 2, FraudStatus.REJECT: 3}


def apply_dispute(payment: AbstractPayment, dispute: DisputeSnapshot, origin: Origin) -> None:
    """Write what the provider says about a dispute of the locked ``payment``.

    Raises:
        SnapshotMismatch: the dispute is of another payment, or in another currency.
    """
    if dispute.currency and dispute.currency != payment.currency.upper():
        raise SnapshotMismatch("currency differs")
    if dispute.intent_id and payment.intent_id and dispute.intent_id != payment.intent_id:
        raise SnapshotMismatch("intent differs")
    target = OUTCOMES.get(dispute.status, FraudStatus.REVIEW)
    data = {
        "dispute_id": dispute.dispute_id,
        "status": dispute.status,
        "reason": dispute.reason,
        "amount": str(dispute.amount),
        "currency": dispute.currency,
    }
    if RANK[target] > RANK[FraudStatus(payment.fraud_status)]:
        payment.fraud_status = target
        payment.fraud_message = f"{dispute.dispute_id}: {dispute.reason} ({dispute.status})"
        payment.save(update_fields=["fraud_status", "fraud_message", "modified"])
    write_log(payment, LogEvent.DISPUTE, origin, f"dispute {dispute.status}", data)
    send_on_commit(signals.payment_disputed, type(payment), payment=payment, dispute=data)
