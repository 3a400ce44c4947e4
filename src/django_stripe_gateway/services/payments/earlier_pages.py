"""A payment has one page at a time that can be paid: what becomes of an earlier one before another is made."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.utils import timezone

from django_stripe_gateway.choices import OperationKind, OperationState, PaymentStatus
from django_stripe_gateway.exceptions import (
    GatewayError,
    ProviderError,
    ProviderStateError,
    ProviderUnavailable,
    UnsupportedByGateway,
)
from django_stripe_gateway.gateways.values import PaymentRef, PaymentSnapshot, ProviderStatus
from django_stripe_gateway.models import AbstractPayment, UnexpectedPayment
from django_stripe_gateway.money import to_minor_units
from django_stripe_gateway.services.payments.breakdown import asked_amounts
from django_stripe_gateway.services.payments.terms import are_unchanged
from django_stripe_gateway.services.payments.unexpected import find_unexpected, verify_decided
from django_stripe_gateway.services.transactions import payments_database

#: No page closes by itself sooner than half an hour after it was made, so that nobody is asked for almost as long
#: (https://docs.stripe.com/api/checkout/sessions/create#create_checkout_session-expires_at).
FRESH = timedelta(minutes=25)
#: The page was paid, or is being paid: there must not be another.
USED = (ProviderStatus.SUCCEEDED, ProviderStatus.AUTHORIZED, ProviderStatus.PROCESSING)
PAYABLE = (
    ProviderStatus.OPEN,
    ProviderStatus.APPROVED,
    ProviderStatus.REQUIRES_ACTION,
    ProviderStatus.AUTHENTICATION_REQUIRED,
    ProviderStatus.FAILED,
)


def is_open(payment: AbstractPayment) -> bool:
    """Return whether the payment can be paid on what was made for it, as the provider has said last.

    No clock is asked: ours may be fast or slow, and only the provider's counts.
    """
    if not (payment.is_payable and payment.transaction_id):
        return False
    status = payment.stored_session.get("status")
    if status == "complete":
        # Closed to its customer; the bank debit that it started is under way, or has failed.
        return bool(payment.status != PaymentStatus.ERROR)
    return status != "expired"


def is_fresh(payment: AbstractPayment) -> bool:
    """Return whether the payment's page was made so short a time ago, by our own clock alone, that it must be open."""
    expires_at, now = payment.stored_session.get("expires_at"), timezone.now()
    if isinstance(expires_at, int) and now.timestamp() >= expires_at:
        return False
    made = payment.operations.using(payments_database()).filter(kind=OperationKind.CREATE)
    began = made.filter(object_id=payment.transaction_id).order_by("-pk").values_list("created", flat=True).first()
    if began is None or not timedelta(0) <= now - began < FRESH:
        return False
    # What was paid on it has closed it, though the payment has not taken it.
    return (
        not UnexpectedPayment.objects.using(payments_database())
        .filter(payment=payment, object_id=payment.transaction_id)
        .exists()
    )


def fits(payment: AbstractPayment, snapshot: PaymentSnapshot) -> bool:
    """Return whether what a page asks for is what the payment asks for, before anything that the page itself adds."""
    if snapshot.currency not in ("", payment.currency.upper()) or not are_unchanged(payment):
        return False
    asked = asked_amounts(payment)
    if asked is not None and asked.total != payment.total:
        return False
    added = None if asked is None else snapshot.breakdown
    return (snapshot.amount if added is None else added.subtotal) in (None, payment.total)


def is_unchanged(payment: AbstractPayment) -> bool:
    """Return whether the payment still asks for what was asked for when it was started, as far as is known here."""
    if not are_unchanged(payment):
        return False
    asked = asked_amounts(payment)
    if asked is not None:
        return bool(asked.total == payment.total)
    session, intent = payment.stored_session, payment.stored_intent
    is_page = session.get("id") == payment.transaction_id or not intent
    known = session.get("amount_total") if is_page else intent.get("amount")
    try:
        return known in (None, to_minor_units(payment.total, payment.currency))
    except GatewayError:
        # No provider could charge it.
        return known is None


def replaced_ids(payment: AbstractPayment, *, is_anew: bool) -> list[str]:
    """Return the ids of what the payment can be paid on so far, of page and intent; empty if there is nothing.

    Args:
        is_anew: there may have been an attempt before.
    """
    if payment.transaction_id or payment.intent_id:
        return [payment.transaction_id or payment.intent_id, payment.intent_id]
    if not is_anew:
        return []
    # An attempt that has failed may not have closed it.
    before = payment.operations.using(payments_database()).filter(kind=OperationKind.CREATE).order_by("-pk").first()
    return [] if before is None or before.state != OperationState.FAILED else list(before.params.get("earlier", ()))


def settle_earlier(gateway: Any, payment: AbstractPayment, earlier: PaymentRef, key: str) -> PaymentSnapshot | None:
    """Close an earlier page of a payment; return how it stands if it was paid meanwhile, so that no other is needed.

    Args:
        key: the idempotency key of what asks for it.

    Raises:
        WrongState: what was paid on it waits for a decision.
        ProviderError: the provider refused or failed.
    """
    snapshot = close_earlier(gateway, earlier, key)
    if snapshot is None:
        return None
    verify_decided(payment)
    # What was decided about is no reason to take it once more.
    return None if find_unexpected(payment, snapshot.intent_id) is not None else snapshot


def close_earlier(gateway: Any, earlier: PaymentRef, key: str) -> PaymentSnapshot | None:
    """Close a page; return how it stands if it was paid, or is being paid.

    Raises:
        ProviderError: the provider refused or failed.
    """
    snapshot = _look(gateway, earlier)
    if snapshot is not None and snapshot.status in PAYABLE:
        close_page(gateway, PaymentRef(earlier.object_id, snapshot.intent_id, earlier.currency), key)
        snapshot = _look(gateway, earlier)
    return snapshot if snapshot is not None and snapshot.status in USED else None


def _look(gateway: Any, ref: PaymentRef) -> PaymentSnapshot | None:
    try:
        found: PaymentSnapshot = gateway.retrieve_payment(ref)
    except ProviderError as error:
        if not error.is_missing:
            raise
        return None
    return found


def close_page(gateway: Any, ref: PaymentRef, key: str) -> None:
    """Close a page that is not to be paid any more; one that is over stays so."""
    try:
        gateway.cancel_payment(ref, idempotency_key=f"{key}-close")
    except ProviderUnavailable:
        raise
    except UnsupportedByGateway:
        # Nothing is taken on such a page unless we confirm it.
        return
    except ProviderError as error:
        if not (isinstance(error, ProviderStateError) or error.is_missing):
            raise
