"""Capture an authorised payment."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from django_stripe_gateway.choices import OperationKind
from django_stripe_gateway.exceptions import UnsupportedByGateway, WrongState
from django_stripe_gateway.gateways.values import PaymentSnapshot, ProviderStatus
from django_stripe_gateway.models import AbstractPayment
from django_stripe_gateway.services.amounts import validate_part
from django_stripe_gateway.services.operations.engine import run, scoped_request_key
from django_stripe_gateway.services.operations.verbs import Request, register
from django_stripe_gateway.services.origins import SYSTEM, Origin
from django_stripe_gateway.services.payments.line import PaymentClaim, SnapshotVerb
from django_stripe_gateway.services.payments.refresh import payment_ref
from django_stripe_gateway.services.payments.terms import exact_fee, payment_terms, verify_fee


class CaptureVerb(SnapshotVerb):
    """Take an authorised payment, wholly or in part."""

    kind = OperationKind.CAPTURE
    done = frozenset({ProviderStatus.SUCCEEDED})

    def check(self, claim: PaymentClaim) -> None:
        """Let only what is authorised be captured, and never more."""
        payment = claim.subject
        if not payment.is_preauthorized:
            raise WrongState(f"Only an authorised payment can be captured; this one is {payment.status}.")
        part = validate_part(claim.operation.requested_amount, payment.total, payment.currency)
        if part != payment.total and not claim.gateway.supports_partial_capture:
            raise UnsupportedByGateway("This gateway can only capture the whole payment.")
        claim.operation.amount = part
        terms, asked = payment_terms(payment), claim.params.get("application_fee")
        if asked is not None:
            if not claim.gateway.supports_application_fees:
                raise UnsupportedByGateway("This gateway takes no application fees.")
            terms = replace(terms, application_fee=Decimal(asked))
        if claim.gateway.supports_application_fees:
            # One that was agreed on must fit what is taken, too.
            verify_fee(payment, terms, part)

    def call(self, claim: PaymentClaim) -> PaymentSnapshot:
        """Take the money."""
        amount = claim.operation.amount or claim.subject.total
        snapshot: PaymentSnapshot = claim.gateway.capture_payment(
            payment_ref(claim.subject), amount, idempotency_key=claim.key, **_fee_argument(claim)
        )
        return snapshot


def _fee_argument(claim: PaymentClaim) -> dict[str, Decimal]:
    """Return another fee than was agreed on as an argument, which gateways that know no fees need not take."""
    fee = claim.params.get("application_fee")
    return {} if fee is None else {"application_fee": Decimal(fee)}


CAPTURE = register(CaptureVerb())


def capture_payment(
    *,
    payment: AbstractPayment,
    amount: Decimal | None = None,
    application_fee: Decimal | None = None,
    idempotency_key: str | None = None,
    origin: Origin = SYSTEM,
) -> AbstractPayment:
    """Take an authorised payment, wholly or in part; the provider releases the rest.

    Args:
        amount: in the payment's currency, ``None`` for all of it.
        application_fee: what your platform keeps of it; by default what was agreed on when the payment was made.

    Raises:
        InvalidAmount: zero, negative, above what was authorised, or finer than the currency; or the fee, also one that
            was agreed on, is more than what is captured.
        InvalidInput: a fee is named, and all the money is your platform's anyway.
        WrongState: the payment is not authorised (any more).
        ProviderError: the provider refused or failed.
    """
    key = scoped_request_key(idempotency_key, "capture", payment.pk)
    fee = None if application_fee is None else str(exact_fee(application_fee, payment.currency))
    params = {} if fee is None else {"application_fee": fee}
    request = Request(params=params, match={"application_fee": fee}, about={"requested_amount": amount}, key=key)
    captured: AbstractPayment = run(CAPTURE, payment.pk, request, origin).subject
    return captured
