"""Give money back."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from django_stripe_gateway.adapter import CallKind
from django_stripe_gateway.choices import LogEvent, OperationKind, RefundReason
from django_stripe_gateway.exceptions import (
    GatewayError,
    InvalidInput,
    OperationInProgress,
    ProviderUnavailable,
    UnsupportedByGateway,
    WrongState,
)
from django_stripe_gateway.gateways.values import RefundSnapshot, TransferTerms
from django_stripe_gateway.models import AbstractPayment, Refund
from django_stripe_gateway.money import display_amount, format_amount
from django_stripe_gateway.services.accounts import prove_payment
from django_stripe_gateway.services.amounts import validate_part
from django_stripe_gateway.services.audit import write_log
from django_stripe_gateway.services.operations.engine import (
    look_up,
    release,
    run,
    scoped_request_key,
    settle,
    settle_failure,
)
from django_stripe_gateway.services.operations.verbs import Request, register
from django_stripe_gateway.services.origins import SYSTEM, Origin
from django_stripe_gateway.services.payments.line import (
    PaymentClaim,
    PaymentVerb,
    ask_host_about,
    payment_metadata,
)
from django_stripe_gateway.services.payments.refresh import payment_ref
from django_stripe_gateway.services.payments.refund_sync import apply_refund, fail_refund
from django_stripe_gateway.services.payments.terms import given_back, payment_terms
from django_stripe_gateway.services.transactions import payments_database

#: What a caller may say of a platform's payment.
ASKED = ("reverse_transfer", "refund_application_fee")


class RefundVerb(PaymentVerb[RefundSnapshot]):
    """Refund a paid payment, wholly or in part."""

    kind = OperationKind.REFUND

    def check(self, claim: PaymentClaim) -> None:
        """Let only what is paid be refunded, and never more than is left of it; make the refund's row."""
        payment = claim.subject
        if not payment.is_confirmed:
            raise WrongState(f"Only a paid payment can be refunded; this one is {payment.status}.")
        left = payment.refundable_amount()
        if left <= 0:
            raise WrongState("Nothing is left to refund: the rest is being refunded already.")
        part = validate_part(claim.operation.requested_amount, left, payment.currency)
        if part != payment.captured_amount and not claim.gateway.supports_partial_refund:
            raise UnsupportedByGateway("This gateway can only refund the whole payment.")
        operation, reason = claim.operation, claim.params["reason"]
        asked = {name: claim.params.get(name) for name in ASKED}
        # What a host has written on a payment of another provider has gone on nowhere.
        terms = payment_terms(payment) if claim.gateway.supports_application_fees else TransferTerms()
        claim.params["gives_back"] = given_back(terms, **asked)
        operation.amount = part
        # Stored along with its operation, so that nothing else is promised of the money.
        currency = payment.currency.upper()
        refund = Refund(payment=payment, operation=operation, amount=part, currency=currency, reason=reason)
        claim.rows.append(refund)
        data = {"amount": format_amount(part, payment.currency), "status": refund.status}
        write_log(payment, LogEvent.REFUND_CREATED, claim.origin, f"refund of {data['amount']} {currency}", data)

    def call(self, claim: PaymentClaim) -> RefundSnapshot:
        """Ask for the refund; our mark on it finds it again."""
        snapshot: RefundSnapshot = claim.gateway.refund_payment(
            payment_ref(claim.subject),
            claim.operation.amount,
            reason=claim.params.get("reason", ""),
            metadata=payment_metadata(claim.subject) | {"operation": str(claim.operation.pk)},
            idempotency_key=claim.key,
            **claim.further_argument,
            **claim.params.get("gives_back", {}),
        )
        return snapshot

    def find_earlier(self, claim: PaymentClaim) -> RefundSnapshot | None:
        """Return the refund that carries the operation's mark; a seller may have copied that to one of their own."""
        made: Sequence[RefundSnapshot] = claim.gateway.list_refunds(payment_ref(claim.subject))
        marker, amount = str(claim.operation.pk), claim.operation.amount
        marked = (refund for refund in made if refund.metadata.get("operation") == marker)
        return next((refund for refund in marked if refund.amount == amount), None)

    def apply(self, claim: PaymentClaim, answer: RefundSnapshot) -> str:
        """Write where the refund stands."""
        claim.result = apply_refund(claim.subject, answer, claim.origin, refund=_refund_of(claim))
        prove_payment(claim.subject)
        return answer.refund_id

    def undo(self, claim: PaymentClaim, error: GatewayError) -> None:
        """Let the refund that the provider refused be failed."""
        fail_refund(claim.subject, _refund_of(claim), error.code, claim.origin)

    def supersede(self, claim: PaymentClaim) -> None:
        """Settle a refund that was made; one without an answer stands in the way, because two refunds add up."""
        try:
            made = look_up(lambda: self.find_earlier(claim))
        except ProviderUnavailable as error:
            settle_failure(claim, error)
            raise
        if made is not None:
            settle(claim, made)
            return
        release(claim)
        amount = display_amount(claim.operation.amount, claim.subject.currency)
        raise OperationInProgress(
            f"A refund of {amount} was asked for and has no answer yet. Ask for the same amount again to settle it.",
            retry_after=1,
        )


REFUND = register(RefundVerb())


def refund_payment(
    *,
    payment: AbstractPayment,
    amount: Decimal | None = None,
    reason: str = "",
    reverse_transfer: bool | None = None,
    refund_application_fee: bool | None = None,
    idempotency_key: str | None = None,
    origin: Origin = SYSTEM,
) -> Refund:
    """Give back a payment, wholly or in part; refunds can be repeated until nothing is left.

    Args:
        amount: in the payment's currency, ``None`` for all that is left.
        reason: one of ``RefundReason``, or empty.
        reverse_transfer: take the same share back of the payment's destination, if it has one; by default yes.
            Otherwise your platform pays for the refund.
        refund_application_fee: give the same share of the application fee back to the destination; by default yes,
            unless nothing is taken back of that: Stripe does the one only with the other.

    Returns:
        The refund; ``refund.payment`` is the payment as it is afterwards. A refund can stay pending for days.

    Raises:
        InvalidAmount: zero, negative, above what is left, or finer than the currency.
        InvalidInput: the payment has no destination, or no fee, or only the fee would be given back.
        WrongState: the payment is not paid, or nothing is left.
        ProviderError: the provider refused or failed.
    """
    if reason and reason not in RefundReason.values:
        raise InvalidInput(f"The reason is one of {', '.join(RefundReason.values)}.", field="reason")
    key = scoped_request_key(idempotency_key, "refund", payment.pk)
    further = ask_host_about(CallKind.REFUND, payment, amount=amount)
    asked = dict(zip(ASKED, (reverse_transfer, refund_application_fee), strict=True))
    request = Request(
        params={"reason": reason, **asked}, match=asked, about={"requested_amount": amount}, key=key, further=further
    )
    claim = run(REFUND, payment.pk, request, origin)
    refund: Refund = claim.result or _refund_of(claim)
    refund.payment = claim.subject
    return refund


def _refund_of(claim: PaymentClaim) -> Refund:
    return Refund.objects.using(payments_database()).get(operation=claim.operation)
