"""What all verbs about a payment share: its lock, its gateway, its audit trail, and what the provider knows it by."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, ClassVar, TypeVar

from django_stripe_gateway.adapter import CallKind
from django_stripe_gateway.choices import CaptureMethod, LogEvent, PaymentStatus
from django_stripe_gateway.exceptions import (
    GatewayConfigurationError,
    GatewayError,
    ProviderError,
    ProviderStateError,
    ProviderUnavailable,
    UnknownAtProvider,
    WrongState,
)
from django_stripe_gateway.gateways.base import Gateway
from django_stripe_gateway.gateways.registry import get_gateway
from django_stripe_gateway.gateways.values import LineItem, PaymentRequest, PaymentSnapshot, ProviderStatus
from django_stripe_gateway.models import AbstractPayment, PaymentOperation
from django_stripe_gateway.services.accounts import prove_payment
from django_stripe_gateway.services.audit import announce_status, write_log
from django_stripe_gateway.services.further_params import NOTHING, FurtherParams, ask_host, kept_params
from django_stripe_gateway.services.operations.engine import give_up, look_up, settle, settle_failure
from django_stripe_gateway.services.operations.page_times import closing_moment
from django_stripe_gateway.services.operations.verbs import Claim, Verb
from django_stripe_gateway.services.payments.refresh import ask_about, payment_ref, write_snapshot
from django_stripe_gateway.services.payments.sync import apply_snapshot
from django_stripe_gateway.services.payments.terms import operation_terms
from django_stripe_gateway.services.payments.unexpected import note_unexpected
from django_stripe_gateway.services.transactions import lock_payment
from django_stripe_gateway.transitions import can_transition

A = TypeVar("A")
PaymentClaim = Claim[AbstractPayment, PaymentOperation]
# Customers read the audit trail: what is wrong with the settings is for the log and the error alone.
# The keys of what is written on a provider's objects: ``payment_metadata``, and the mark of an operation.
OWN_METADATA = ("payment_id", "token", "order_id", "attempt", "operation")
NOT_CONFIGURED = "The payment gateway is not configured."


class PaymentVerb(Verb[AbstractPayment, PaymentOperation, A]):
    """A verb about a payment."""

    noun = "payment"
    subject_field = "payment"
    model = PaymentOperation
    lock = staticmethod(lock_payment)

    def gateway(self, claim: PaymentClaim) -> Gateway:
        """Return the gateway of the payment's variant."""
        return get_gateway(claim.subject.variant).for_object(claim.subject.transaction_id)

    def begin_call(self, claim: PaymentClaim) -> None:
        """Remember the status that the provider is asked under."""
        claim.seen = claim.subject.status

    def note_failure(self, claim: PaymentClaim, error: GatewayError, *, is_over: bool) -> None:
        """Undo what was stored for a refused call, and log it."""
        detail = NOT_CONFIGURED if isinstance(error, GatewayConfigurationError) else error.detail
        claim.operation.error["detail"] = detail
        if is_over:
            self.undo(claim, error)
        data = {"kind": claim.operation.kind, "code": error.code, "request_id": error.request_id}
        write_log(claim.subject, LogEvent.OPERATION_FAILED, claim.origin, detail, data)

    def undo(self, claim: PaymentClaim, error: GatewayError) -> None:
        """Let the rows that were stored for a refused call say so."""

    def note_mismatch(self, claim: PaymentClaim, mismatch: Exception) -> None:
        """Log that the answer contradicts the payment."""
        note_unexpected(claim.subject, mismatch)
        write_log(claim.subject, LogEvent.MISMATCH, claim.origin, str(mismatch), {"kind": claim.operation.kind})

    def note_given_up(self, claim: PaymentClaim) -> None:
        """Log that nobody waits for the answer any more."""
        kind = claim.operation.kind
        data = {"kind": kind, "code": claim.operation.error["code"]}
        write_log(claim.subject, LogEvent.OPERATION_FAILED, claim.origin, f"{kind} given up without an answer", data)

    def after_refusal(self, claim: PaymentClaim, error: GatewayError, *, is_over: bool) -> None:
        """Bring the payment of a refused call up to date.

        Raises:
            WrongState: the payment is not as it was when the provider was asked, its state forbids it, or it is
                unknown there.
        """
        if not isinstance(error, ProviderError) or isinstance(error, ProviderUnavailable):
            return
        has_moved_on = False
        if claim.subject.transaction_id:
            try:
                snapshot = ask_about(claim.gateway, claim.subject)
            except UnknownAtProvider:
                raise
            except GatewayError:
                # What was refused says enough.
                pass
            else:
                has_moved_on = write_snapshot(claim.subject.pk, snapshot, claim.origin).status != claim.seen
        if has_moved_on or isinstance(error, ProviderStateError):
            raise WrongState(error.detail, code=error.code, request_id=error.request_id) from error


class SnapshotVerb(PaymentVerb[PaymentSnapshot]):
    """A verb that is answered with the payment's own object.

    Asked for something else, one that has not happened is given up: it is about one object, on which the provider lets
    only one of the two succeed, should the lost request still arrive.
    """

    #: Where the payment stands at its provider once this has taken effect.
    done: ClassVar[frozenset[ProviderStatus]] = frozenset()

    def find_earlier(self, claim: PaymentClaim) -> PaymentSnapshot | None:
        """Return the payment as it stands, if an earlier attempt has taken effect."""
        snapshot: PaymentSnapshot = claim.gateway.retrieve_payment(payment_ref(claim.subject))
        return snapshot if snapshot.status in self.done else None

    def apply(self, claim: PaymentClaim, answer: PaymentSnapshot) -> str:
        """Move the payment to what the provider says."""
        apply_snapshot(claim.subject, answer, claim.origin, operation=claim.operation)
        prove_payment(claim.subject)
        claim.subject.client_secret, claim.subject.action_url = answer.client_secret, answer.action_url
        return answer.object_id

    def supersede(self, claim: PaymentClaim) -> None:
        """Settle it if it has happened at the provider, and give it up if not."""
        try:
            snapshot = look_up(lambda: claim.gateway.retrieve_payment(payment_ref(claim.subject)))
        except ProviderUnavailable as error:
            settle_failure(claim, error)
            raise
        if snapshot.status in self.done:
            settle(claim, snapshot)
            return
        give_up(claim, "superseded", "Another request came before the provider's answer.")
        write_snapshot(claim.subject.pk, snapshot, claim.origin)


class BeginningVerb(SnapshotVerb):
    """A verb that makes the provider's object for a payment, in the flow of its variant."""

    def gateway(self, claim: PaymentClaim) -> Gateway:
        """Return the gateway of the payment's variant."""
        return get_gateway(claim.subject.variant)

    def undo(self, claim: PaymentClaim, error: GatewayError) -> None:
        """Let the payment say why it could not be started."""
        payment = claim.subject
        if not can_transition(payment.status, PaymentStatus.ERROR):
            return
        previous, payment.status = payment.status, PaymentStatus.ERROR
        payment.failure_code, payment.decline_code = error.code[:64], ""
        payment.message = claim.operation.error["detail"]
        payment.save(update_fields=["status", "failure_code", "decline_code", "message", "modified"])
        announce_status(payment, previous, claim.origin)


def ask_host_about(kind: CallKind, payment: AbstractPayment, **about: Any) -> FurtherParams:
    """Return what the host adds to a call about a payment."""
    return ask_host(kind, get_gateway, payment.variant, own_metadata=OWN_METADATA, payment=payment, **about)


def ask_host_to_start(payment: AbstractPayment) -> FurtherParams:
    """Return what the host adds to the call that starts a payment, on a page of the provider or without one."""
    try:
        kind = CallKind.PAYMENT_PAGE if get_gateway(payment.variant).supports_redirect else CallKind.PAYMENT
    except GatewayError:
        # Said where the payment is checked.
        return NOTHING
    return ask_host_about(kind, payment)


def payment_metadata(payment: AbstractPayment) -> dict[str, str]:
    """Return what is written on every object made for ``payment``, so that events find it again."""
    metadata = {"payment_id": str(payment.pk), "token": str(payment.token)}
    return metadata | ({"order_id": payment.order_id} if payment.order_id else {})


def payment_request(payment: AbstractPayment, operation: PaymentOperation) -> PaymentRequest:
    """Return the request of an operation, the same for every attempt at it."""
    params = operation.params
    return PaymentRequest(
        amount=payment.total,
        currency=payment.currency,
        token=str(payment.token),
        metadata=payment_metadata(payment) | {"attempt": str(operation.pk)},
        description=payment.description,
        manual_capture=payment.capture_method == CaptureMethod.MANUAL,
        items=[LineItem(item["name"], Decimal(item["price"]), item["quantity"]) for item in params.get("items", [])],
        success_url=params.get("success_url", ""),
        cancel_url=params.get("cancel_url", ""),
        customer_email=payment.billing_email,
        payment_method=params.get("payment_method", ""),
        expires_at=closing_moment(params),
        customer_id=params.get("customer_id", ""),
        save_payment_method=params.get("save_payment_method", False),
        offer_to_save=params.get("offer_to_save", False),
        further=kept_params(params),
        terms=operation_terms(params),
    )
