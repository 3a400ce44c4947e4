"""Decide about money that came and was not expected: accept it as the payment's, or give it back."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from django_stripe_gateway.choices import (
    LogEvent,
    OperationKind,
    OperationState,
    PaymentStatus,
    RefundStatus,
    UnexpectedReason,
    UnexpectedState,
)
from django_stripe_gateway.exceptions import GatewayError, ProviderStateError, ProviderUnavailable, WrongState
from django_stripe_gateway.gateways.values import (
    PaymentRef,
    PaymentSnapshot,
    ProviderStatus,
    RefundSnapshot,
    TransferTerms,
)
from django_stripe_gateway.models import AbstractPayment, UnexpectedPayment
from django_stripe_gateway.models.fields import ZERO
from django_stripe_gateway.models.unexpected import GONE
from django_stripe_gateway.money import display_amount
from django_stripe_gateway.services.accounts import prove_payment
from django_stripe_gateway.services.audit import announce_status, write_log
from django_stripe_gateway.services.operations.engine import (
    change_call,
    give_up,
    look_up,
    run,
    scoped_request_key,
    settle_failure,
)
from django_stripe_gateway.services.operations.verbs import Request, register
from django_stripe_gateway.services.origins import SYSTEM, Origin
from django_stripe_gateway.services.payments.disputes import take_worst
from django_stripe_gateway.services.payments.earlier_pages import close_earlier, close_page
from django_stripe_gateway.services.payments.line import PaymentClaim, PaymentVerb, payment_metadata
from django_stripe_gateway.services.payments.refresh import ask_about, payment_ref, write_refunds, write_snapshot
from django_stripe_gateway.services.payments.refund import RefundVerb
from django_stripe_gateway.services.payments.sync import BEGINNINGS, apply_snapshot
from django_stripe_gateway.services.payments.terms import given_back, verify_sellers_fee
from django_stripe_gateway.services.payments.unexpected import TAKEN, find_unexpected, note_given_back
from django_stripe_gateway.services.snapshots import SnapshotMismatch
from django_stripe_gateway.services.transactions import payments_database
from django_stripe_gateway.transitions import PAID, can_transition

FAILURE_CODE = "unexpected_amount"
GIVEN_BACK = "given_back"

#: What the provider holds, with what was given back of it.
Held = tuple[PaymentSnapshot, Sequence[RefundSnapshot]]


class AcceptVerb(PaymentVerb[Held]):
    """Let what came be what is asked for; the provider says how much it is."""

    kind = OperationKind.ACCEPT

    def check(self, claim: PaymentClaim) -> None:
        """Let only what is open be accepted, and nothing twice."""
        row = _choose(claim)
        if claim.subject.status in PAID:
            raise WrongState("This payment is paid; what came beside that can only be given back.")
        claim.operation.amount = row.amount

    def call(self, claim: PaymentClaim) -> Held:
        """Ask how much there is, and close the page that could still be paid beside it."""
        row, payment = _row_of(claim), claim.subject
        snapshot: PaymentSnapshot = claim.gateway.retrieve_payment(_ref(row))
        if snapshot.status not in TAKEN:
            is_released = row.is_held and snapshot.status == ProviderStatus.CANCELED
            raise ProviderStateError("This money is not there any more.", code=GIVEN_BACK if is_released else "")
        try:
            verify_sellers_fee(payment, snapshot.terms)
        except SnapshotMismatch:
            raise ProviderStateError(
                "This was paid on the seller's account without the fee that was agreed on. It can only be given back.",
                code="fee_differs",
            ) from None
        refunds = () if snapshot.status == ProviderStatus.AUTHORIZED else _refunds_of(claim, row, snapshot)
        if refunds and _left(row, refunds) <= ZERO:
            raise ProviderStateError("This money was given back already.", code=GIVEN_BACK)
        releases = _is_held_beside(payment, row)
        if releases:
            # Neither may be taken beside the other.
            close_page(claim.gateway, payment_ref(payment), claim.key)
        is_elsewhere = row.reason == UnexpectedReason.SECOND or _was_started_since(payment, row)
        if releases or (is_elsewhere and payment.transaction_id and payment.is_payable):
            # Otherwise it is the payment's own page, which is over.
            paid = close_earlier(claim.gateway, payment_ref(payment), claim.key)
            if paid is not None and find_unexpected(payment, paid.intent_id) is None:
                raise ProviderStateError("The payment was paid on its own page meanwhile.")
        return snapshot, refunds

    def find_earlier(self, claim: PaymentClaim) -> Held | None:
        """Return nothing: the call asks, and closes what is closed already."""
        return None

    def undo(self, claim: PaymentClaim, error: GatewayError) -> None:
        """Let what was given back elsewhere wait for nobody."""
        if error.code == GIVEN_BACK:
            row = _row_of(claim)
            row.state = UnexpectedState.RETURNED
            row.save(using=payments_database(), update_fields=["state", "modified"])

    def apply(self, claim: PaymentClaim, held: Held) -> str:
        """Let total, currency and amounts be what was paid, less what was given back of it."""
        payment, row, (answer, refunds) = claim.subject, _row_of(claim), held
        if answer.amount is None or not answer.currency or answer.intent_id != row.intent_id:
            raise SnapshotMismatch("amount, currency or intent is missing")
        was = display_amount(payment.total, payment.currency)
        payment.total, payment.currency = answer.amount, answer.currency
        if payment.status == PaymentStatus.CANCELLED and answer.status == ProviderStatus.AUTHORIZED:
            raise SnapshotMismatch("a cancelled payment cannot be authorised")
        was_held = _is_held_beside(payment, row)
        if was_held:
            # It was released.
            payment.authorized_amount = ZERO
        apply_snapshot(payment, answer, claim.origin, operation=claim.operation)
        if was_held and answer.status == ProviderStatus.AUTHORIZED:
            payment.authorized_amount = answer.amount
        payment.save(update_fields=["total", "currency", "authorized_amount", "modified"])
        # It may be disputed already.
        take_worst(payment)
        row.state = UnexpectedState.ACCEPTED
        row.save(using=payments_database(), update_fields=["state", "modified"])
        now = display_amount(payment.total, payment.currency)
        data = {"intent_id": row.intent_id, "expected": was, "accepted": now}
        write_log(payment, LogEvent.UPDATED, claim.origin, f"{now} accepted instead of {was}", data)
        write_refunds(payment, refunds, claim.origin)
        prove_payment(payment)
        return row.intent_id

    def supersede(self, claim: PaymentClaim) -> None:
        """Give it up: nothing was taken. What was closed for it has ended, and its news were only noted."""
        payment = claim.subject
        try:
            snapshot = look_up(lambda: ask_about(claim.gateway, payment)) if payment.transaction_id else None
        except ProviderUnavailable as error:
            settle_failure(claim, error)
            raise
        give_up(claim, "superseded", "Another request came before the provider's answer.")
        if snapshot is not None:
            write_snapshot(payment.pk, snapshot, claim.origin)


class ReturnVerb(RefundVerb):
    """Give back, or release, exactly what came, less what was given back of it already."""

    kind = OperationKind.RETURN

    def check(self, claim: PaymentClaim) -> None:
        """Let only what is open be given back."""
        claim.operation.amount = _choose(claim).amount

    def call(self, claim: PaymentClaim) -> RefundSnapshot:
        """Refund what was taken, or release what is held."""
        row = _row_of(claim)
        if row.is_held:
            return self._release(claim, row)
        made = _refunds_of(claim, row)
        left = _left(row, made)
        if left <= ZERO:
            return next(refund for refund in reversed(made) if refund.status not in GONE)
        if left != Decimal(claim.params.get("left", row.amount)):
            # Another amount than under the key before.
            change_call(claim, {"left": str(left)})
        refund: RefundSnapshot = claim.gateway.refund_payment(
            _ref(row),
            left,
            reason="",
            metadata=payment_metadata(claim.subject) | {"operation": str(claim.operation.pk)},
            idempotency_key=claim.key,
            **_given_back(claim, row),
        )
        return refund

    def _release(self, claim: PaymentClaim, row: UnexpectedPayment) -> RefundSnapshot:
        ref = PaymentRef(row.intent_id, row.intent_id, row.currency)
        try:
            claim.gateway.cancel_payment(ref, idempotency_key=claim.key)
        except ProviderStateError:
            # It has run out, or was released elsewhere.
            if self.find_earlier(claim) is None:
                raise
        return _released(row)

    def find_earlier(self, claim: PaymentClaim) -> RefundSnapshot | None:
        """Return the refund that carries the operation's mark, or the end of what was held."""
        row = _row_of(claim)
        if row.is_held:
            is_over = claim.gateway.retrieve_payment(_ref(row)).status == ProviderStatus.CANCELED
            return _released(row) if is_over else None
        marker, made = str(claim.operation.pk), claim.gateway.list_refunds(_ref(row))
        return next((refund for refund in made if refund.metadata.get("operation") == marker), None)

    def apply(self, claim: PaymentClaim, answer: RefundSnapshot) -> str:
        """Write that it was given back; a payment that waited for nothing else is over, and can be started anew."""
        payment, row = claim.subject, _row_of(claim)
        amount = display_amount(answer.amount, row.currency)
        is_lost = answer.status in GONE
        data = {"intent_id": row.intent_id, "refund_id": answer.refund_id, "amount": amount, "status": answer.status}
        write_log(payment, LogEvent.REFUND_CREATED, claim.origin, f"unexpected {amount} given back", data)
        prove_payment(payment)
        note_given_back(row, answer)
        if is_lost:
            return answer.refund_id
        # With parts of which nothing was heard: the provider has counted them.
        row.state = UnexpectedState.RETURNED
        row.save(using=payments_database(), update_fields=["state", "modified"])
        is_over = row.reason == UnexpectedReason.AMOUNT and not _was_started_since(payment, row)
        if is_over and can_transition(payment.status, PaymentStatus.REJECTED):
            previous, payment.status = payment.status, PaymentStatus.REJECTED
            payment.failure_code, payment.decline_code = FAILURE_CODE, ""
            payment.message = "Another amount was paid, and was given back."
            payment.save(update_fields=["status", "failure_code", "decline_code", "message", "modified"])
            announce_status(payment, previous, claim.origin)
        return answer.refund_id

    def undo(self, claim: PaymentClaim, error: GatewayError) -> None:
        """Leave it open: somebody has to decide again."""


ACCEPT, RETURN = register(AcceptVerb()), register(ReturnVerb())


def accept_unexpected(
    *,
    payment: AbstractPayment,
    unexpected: UnexpectedPayment | None = None,
    idempotency_key: str | None = None,
    origin: Origin = SYSTEM,
) -> AbstractPayment:
    """Accept what was paid as the payment's own: its total and its currency become what the provider has.

    A page of the payment that could still be paid is closed first.

    Args:
        unexpected: which money, by default the oldest that is open.

    Raises:
        WrongState: nothing is open, the payment is paid already, or the money is not there any more.
        ProviderError: the provider refused or failed.
    """
    accepted: AbstractPayment = _decide(ACCEPT, payment, unexpected, idempotency_key, origin).subject
    return accepted


def refund_unexpected(
    *,
    payment: AbstractPayment,
    unexpected: UnexpectedPayment | None = None,
    idempotency_key: str | None = None,
    origin: Origin = SYSTEM,
) -> AbstractPayment:
    """Give back exactly what came; what is only authorised is released.

    A payment that was paid on its own page with another amount is rejected then, and can be started anew.

    Args:
        unexpected: which money, by default the oldest that is open.

    Raises:
        WrongState: nothing is open.
        ProviderError: the provider refused or failed.
    """
    returned: AbstractPayment = _decide(RETURN, payment, unexpected, idempotency_key, origin).subject
    return returned


def _decide(
    verb: Any, payment: AbstractPayment, unexpected: UnexpectedPayment | None, key: str | None, origin: Origin
) -> PaymentClaim:
    asked = {"unexpected": None if unexpected is None else unexpected.pk}
    # What was left unanswered about another row is not this.
    match = {} if unexpected is None else asked
    request = Request(params=asked, match=match, key=scoped_request_key(key, verb.kind, payment.pk))
    claim: PaymentClaim = run(verb, payment.pk, request, origin)
    return claim


def _choose(claim: PaymentClaim) -> UnexpectedPayment:
    """Return the open money that is asked for, and write it to the operation."""
    rows = UnexpectedPayment.objects.using(payments_database()).open().filter(payment=claim.subject)
    asked = claim.params.get("unexpected")
    row = rows.first() if asked is None else rows.filter(pk=asked).first()
    if row is None:
        raise WrongState("No unexpected money of this payment waits for a decision.", code="nothing_unexpected")
    claim.params["unexpected"] = row.pk
    return row


def _row_of(claim: PaymentClaim) -> UnexpectedPayment:
    return UnexpectedPayment.objects.using(payments_database()).get(pk=claim.params["unexpected"])


def _ref(row: UnexpectedPayment) -> PaymentRef:
    return PaymentRef(row.object_id, row.intent_id, row.currency)


def _given_back(claim: PaymentClaim, row: UnexpectedPayment) -> dict[str, bool]:
    """Return what is taken back along with the money: as it was paid, whatever the payment says by now."""
    if not claim.gateway.supports_application_fees:
        return {}
    intent: PaymentSnapshot = claim.gateway.retrieve_payment(PaymentRef(row.intent_id, row.intent_id, row.currency))
    return given_back(intent.terms or TransferTerms())


def _was_started_since(payment: AbstractPayment, row: UnexpectedPayment) -> bool:
    """Return whether the payment was started anew after unexpected money came, which was given back then, in vain."""
    begun = payment.operations.using(payments_database()).filter(kind__in=BEGINNINGS, created__gt=row.created)
    return bool(begun.exclude(state=OperationState.FAILED).exists())


def _is_held_beside(payment: AbstractPayment, row: UnexpectedPayment) -> bool:
    """Return whether other money than the unexpected is authorised for the payment."""
    return bool(payment.is_preauthorized and payment.intent_id != row.intent_id)


def _refunds_of(
    claim: PaymentClaim, row: UnexpectedPayment, seen: PaymentSnapshot | None = None
) -> Sequence[RefundSnapshot]:
    """Return the refunds of unexpected money, without what names money that was held and never taken.

    Args:
        seen: what the provider has just said of the money; it is asked where only that can tell.
    """
    listed: Sequence[RefundSnapshot] = claim.gateway.list_refunds(_ref(row))
    if all(refund.is_release is False for refund in listed):
        return listed
    paid: PaymentSnapshot = seen or claim.gateway.retrieve_payment(_ref(row))
    held = row.amount if paid.amount is None else paid.amount
    taken = row.amount if paid.amount_received is None else paid.amount_received
    return [refund for refund in listed if not refund.is_released_of(held, taken)]


def _left(row: UnexpectedPayment, refunds: Sequence[RefundSnapshot]) -> Decimal:
    """Return how much of unexpected money was not given back yet."""
    left: Decimal = row.amount - sum((refund.amount for refund in refunds if refund.status not in GONE), ZERO)
    return left


def _released(row: UnexpectedPayment) -> RefundSnapshot:
    return RefundSnapshot(row.intent_id, RefundStatus.SUCCEEDED, row.amount, row.currency, row.intent_id)
