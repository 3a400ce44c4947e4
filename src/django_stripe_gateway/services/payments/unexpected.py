"""Keep in mind what was paid and not expected, until somebody has decided about it."""

from __future__ import annotations

from django_stripe_gateway import signals
from django_stripe_gateway.choices import UnexpectedReason, UnexpectedState
from django_stripe_gateway.exceptions import WrongState
from django_stripe_gateway.gateways.values import PaymentSnapshot, ProviderStatus, RefundSnapshot
from django_stripe_gateway.models import AbstractPayment, UnexpectedPayment, get_payment_model
from django_stripe_gateway.models.fields import ZERO
from django_stripe_gateway.models.unexpected import GONE
from django_stripe_gateway.services.audit import send_on_commit
from django_stripe_gateway.services.snapshots import SnapshotMismatch, SupersededAttempt
from django_stripe_gateway.services.transactions import payments_database
from django_stripe_gateway.transitions import can_transition_refund

TAKEN = (ProviderStatus.SUCCEEDED, ProviderStatus.AUTHORIZED)


class UnexpectedMoney(SnapshotMismatch):
    """Money came that contradicts the payment; ``snapshot`` says how much, ``reason`` in which way."""

    def __init__(self, message: str, snapshot: PaymentSnapshot, reason: str) -> None:
        super().__init__(message)
        self.snapshot = snapshot
        self.reason = reason


def contradiction(payment: AbstractPayment, snapshot: PaymentSnapshot, message: str, reason: str) -> Exception:
    """Return what is wrong with a snapshot of ours that contradicts the locked payment.

    Args:
        reason: in which way money would be unexpected, if it is any.
    """
    amount = snapshot.amount if snapshot.status == ProviderStatus.AUTHORIZED else snapshot.amount_received
    known = find_unexpected(payment, snapshot.intent_id)
    if known is not None and snapshot.is_session and known.object_id != snapshot.object_id:
        # Its intent came first, and the page says more.
        known.object_id = snapshot.object_id
        known.save(using=payments_database(), update_fields=["object_id", "modified"])
    if known is not None and (not known.is_open or (known.amount, known.currency) == (amount, snapshot.currency)):
        is_held = snapshot.status == ProviderStatus.AUTHORIZED
        if not known.is_open or known.is_held == is_held or snapshot.status not in TAKEN:
            return SupersededAttempt(snapshot.object_id)
    if snapshot.status in TAKEN and snapshot.intent_id and snapshot.currency and amount is not None and amount > ZERO:
        return UnexpectedMoney(message, snapshot, reason)
    return SnapshotMismatch(message)


def note_unexpected(payment: AbstractPayment, mismatch: Exception | None, event_id: str = "") -> None:
    """Write down what was paid, if a contradiction is money, and announce it.

    The caller holds the payment's lock and writes the log. A contradiction that an event brings is announced always.
    """
    row: UnexpectedPayment | None = None
    if isinstance(mismatch, UnexpectedMoney):
        row = _write(payment, mismatch)
    if row is not None or event_id:
        send_on_commit(
            signals.payment_mismatch,
            type(payment),
            payment=payment,
            event_id=event_id,
            reason=str(mismatch),
            unexpected=row,
        )


def _write(payment: AbstractPayment, mismatch: UnexpectedMoney) -> UnexpectedPayment:
    snapshot = mismatch.snapshot
    is_held = snapshot.status == ProviderStatus.AUTHORIZED
    row = find_unexpected(payment, snapshot.intent_id)
    if row is None:
        row = UnexpectedPayment(payment=payment, intent_id=snapshot.intent_id, reason=mismatch.reason)
    row.object_id = snapshot.object_id
    amount = snapshot.amount if is_held else snapshot.amount_received
    row.amount = ZERO if amount is None else amount
    row.currency, row.is_held = snapshot.currency, is_held
    row.save(using=payments_database())
    return row


def find_unexpected(payment: AbstractPayment, intent_id: str) -> UnexpectedPayment | None:
    """Return what is kept of an object that holds unexpected money of a payment."""
    if not intent_id or payment.pk is None:
        return None
    rows = UnexpectedPayment.objects.using(payments_database())
    return rows.filter(payment=payment, intent_id=intent_id).first()


def payment_of_intent(intent_id: str) -> AbstractPayment | None:
    """Return the payment for which an intent holds money, expected or not; ``None`` if none here is paid with it."""
    if not intent_id:
        return None
    payments = get_payment_model()._default_manager.using(payments_database())
    found: AbstractPayment | None = payments.filter(intent_id=intent_id).first()
    if found is None:
        unexpected = UnexpectedPayment.objects.using(payments_database()).filter(intent_id=intent_id)
        row = unexpected.select_related("payment").first()
        found = None if row is None else row.payment
    return found


def note_released(payment: AbstractPayment, snapshot: PaymentSnapshot) -> None:
    """Let what was only held, and has run out or was released elsewhere, wait for nobody."""
    if snapshot.status != ProviderStatus.CANCELED:
        return
    row = find_unexpected(payment, snapshot.intent_id)
    if row is not None and row.is_open and row.is_held:
        row.state = UnexpectedState.RETURNED
        row.save(using=payments_database(), update_fields=["state", "modified"])


def note_given_back(row: UnexpectedPayment, refund: RefundSnapshot) -> None:
    """Take in what the provider says about a refund of unexpected money, whoever has made it.

    Parts add up: once all of it is given back nobody has to decide any more, until one of them fails. News may come in
    any order; one that has failed stays so. What was released was never taken, and is no part of it: where the refund
    alone cannot tell, whoever decides asks.
    """
    if refund.currency != row.currency or refund.is_release is not False:
        return
    known = row.refunds.get(refund.refund_id)
    if known is not None and not can_transition_refund(known["status"], refund.status):
        return
    row.refunds = {**row.refunds, refund.refund_id: {"amount": str(refund.amount), "status": refund.status}}
    if row.state != UnexpectedState.ACCEPTED:
        if row.is_given_back:
            row.state = UnexpectedState.RETURNED
        elif refund.status in GONE:
            # Parts of which nothing was heard may have closed it: only what has failed opens it again.
            row.state = UnexpectedState.OPEN
    row.save(using=payments_database(), update_fields=["refunds", "state", "modified"])


def verify_decided(payment: AbstractPayment) -> None:
    """Raise ``WrongState`` while unexpected money of a payment waits for a decision: it must not be paid once more."""
    if UnexpectedPayment.objects.using(payments_database()).open().filter(payment=payment).exists():
        raise WrongState(
            "Money came for this payment that was not expected. Accept it or give it back first.", code="needs_decision"
        )


#: What a first look at a snapshot is about, for its readers.
ANOTHER_AMOUNT, SECOND_TIME = UnexpectedReason.AMOUNT, UnexpectedReason.SECOND
