"""Stripe's objects, of both API generations and as localstripe makes them, as this app's frozen values.

The only place that knows where a field lives. Input is plain ``dict``: what ``json.loads`` made of a webhook's body,
or ``to_dict()`` of an answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from django_stripe_gateway.choices import RefundStatus
from django_stripe_gateway.exceptions import GatewayError, ProviderError
from django_stripe_gateway.gateways.base import DisputeSnapshot, Failure, PaymentSnapshot, ProviderStatus, RefundSnapshot
from django_stripe_gateway.money import from_minor_units

Object = Mapping[str, Any]

INTENT_STATUSES = {
    "requires_payment_method": ProviderStatus.OPEN,
    "requires_confirmation": ProviderStatus.OPEN,
    "requires_action": ProviderStatus.REQUIRES_ACTION,
    "processing": ProviderStatus.PROCESSING,
    "requires_capture": ProviderStatus.AUTHORIZED,
    "succeeded": ProviderStatus.SUCCEEDED,
    "canceled": ProviderStatus.CANCELED,
}
# Kept for the record; the rest (client secrets, addresses, card details) is left out.
RECORDED = (
    "id object amount amount_received amount_capturable amount_total currency status payment_status payment_intent "
    "livemode capture_method latest_charge created canceled_at cancellation_reason expires_at url metadata "
    "client_reference_id"
).split()


def object_id(value: Any) -> str:
    """Return the id of ``value``: an id, or the expanded object."""
    if isinstance(value, Mapping):
        value = value.get("id")
    return value if isinstance(value, str) else ""


def payment_snapshot(obj: Object) -> PaymentSnapshot:
    """Return the snapshot of a PaymentIntent or Checkout Session.

    Raises:
        ProviderError: the object is half-formed.
    """
    try:
        if obj.get("object") == "checkout.session":
            return _session_snapshot(obj)
        return _intent_snapshot(obj)
    except (KeyError, TypeError, ValueError, ArithmeticError) as error:
        raise ProviderError("Stripe sent an object that is not complete.", code="malformed_object") from error


def refund_snapshot(obj: Object) -> RefundSnapshot:
    """Return the snapshot of a Refund.

    Raises:
        ProviderError: the object is half-formed.
    """
    try:
        status = str(obj.get("status") or RefundStatus.SUCCEEDED)
        return RefundSnapshot(
            refund_id=_text(obj["id"]),
            status=status if status in RefundStatus.values else RefundStatus.PENDING,
            amount=_amount(obj["amount"], _text(obj["currency"])),
            currency=_text(obj["currency"]).upper(),
            intent_id=object_id(obj.get("payment_intent")),
            reason=str(obj.get("reason") or ""),
            failure_reason=str(obj.get("failure_reason") or ""),
            metadata={str(k): str(v) for k, v in (obj.get("metadata") or {}).items()},
        )
    except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise ProviderError("Stripe sent a refund that is not complete.", code="malformed_object") from error


def dispute_snapshot(obj: Object) -> DisputeSnapshot:
    """Return the snapshot of a Dispute.

    Raises:
        ProviderError: the object is half-formed.
    """
    try:
        currency = _text(obj["currency"])
        return DisputeSnapshot(
            dispute_id=_text(obj["id"]),
            status=_text(obj["status"]),
            reason=str(obj.get("reason") or ""),
            amount=_amount(obj["amount"], currency),
            currency=currency.upper(),
            intent_id=object_id(obj.get("payment_intent")),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ProviderError("Stripe sent a dispute that is not complete.", code="malformed_object") from error


def charge_refunds(obj: Object) -> list[RefundSnapshot] | None:
    """Return the refunds that a Charge embeds; ``None`` when it does not, as since API version 2022-11-15."""
    refunds = obj.get("refunds")
    if not isinstance(refunds, Mapping) or not isinstance(refunds.get("data"), list) or refunds.get("has_more"):
        return None
    return [refund_snapshot(refund) for refund in refunds["data"]]


def refunded_total(obj: Object) -> Decimal:
    """Return how much of a Charge was refunded.

    Raises:
        ProviderError: the object is half-formed.
    """
    try:
        return _amount(obj["amount_refunded"], _text(obj["currency"]))
    except (KeyError, TypeError, ValueError) as error:
        raise ProviderError("Stripe sent a charge that is not complete.", code="malformed_object") from error


def _intent_snapshot(obj: Object) -> PaymentSnapshot:
    currency = _text(obj["currency"])
    status = INTENT_STATUSES.get(str(obj["status"]), ProviderStatus.PROCESSING)
    failure = _failure(obj.get("last_payment_error"))
    if status == ProviderStatus.OPEN and failure:
        status = ProviderStatus.FAILED
    return PaymentSnapshot(
        kind="payment_intent",
        status=status,
        object_id=_text(obj["id"]),
        intent_id=_text(obj["id"]),
        amount=_amount(obj["amount"], currency),
        amount_received=_received(obj, currency) if status == ProviderStatus.SUCCEEDED else None,
        currency=currency.upper(),
        livemode=_flag(obj.get("livemode")),
        client_secret=str(obj.get("client_secret") or ""),
        failure=failure,
        raw=recorded(obj),
    )


def _session_snapshot(obj: Object) -> PaymentSnapshot:
    intent = obj.get("payment_intent")
    currency = str(obj.get("currency") or "")
    total = obj.get("amount_total")
    amount = None if total is None or not currency else _amount(total, currency)
    status, received = _session_status(obj, amount)
    failure = None
    if isinstance(intent, Mapping):
        inner = _intent_snapshot(intent)
        # A completed session says "unpaid" both for an authorisation and for a slow payment method; the intent knows.
        if status in (ProviderStatus.PROCESSING, ProviderStatus.SUCCEEDED) and inner.status != ProviderStatus.OPEN:
            status, received = inner.status, inner.amount_received
            status = ProviderStatus.REJECTED if status == ProviderStatus.FAILED else status
        failure = inner.failure
    expires = obj.get("expires_at")
    return PaymentSnapshot(
        kind="checkout.session",
        status=status,
        object_id=_text(obj["id"]),
        intent_id=object_id(intent),
        amount=amount,
        amount_received=received,
        currency=currency.upper(),
        livemode=_flag(obj.get("livemode")),
        redirect_url=str(obj.get("url") or ""),
        expires_at=datetime.fromtimestamp(int(expires), UTC) if expires else None,
        failure=failure,
        raw=recorded(obj),
    )


def _session_status(obj: Object, amount: Decimal | None) -> tuple[ProviderStatus, Decimal | None]:
    if obj.get("payment_status") in ("paid", "no_payment_required"):
        return ProviderStatus.SUCCEEDED, amount
    if obj.get("status") == "expired":
        return ProviderStatus.REJECTED, None
    if obj.get("status") == "complete":
        return ProviderStatus.PROCESSING, None
    return ProviderStatus.OPEN, None


def _received(obj: Object, currency: str) -> Decimal:
    if obj.get("amount_received") is not None:
        return _amount(obj["amount_received"], currency)
    # localstripe's intents do not say. It books the part of an authorisation that was not captured as a refund of the
    # charge, which unlike every real refund of ours names no PaymentIntent.
    taken = int(obj["amount"])
    charge = obj.get("latest_charge")
    if isinstance(charge, Mapping):
        refunds = (charge.get("refunds") or {}).get("data") or []
        taken -= sum(int(refund["amount"]) for refund in refunds if not refund.get("payment_intent"))
    return _amount(taken, currency)


def _failure(error: Any) -> Failure | None:
    if not isinstance(error, Mapping):
        return None
    code = str(error.get("code") or "payment_failed")
    return Failure(
        code=code, decline_code=str(error.get("decline_code") or ""), message=str(error.get("message") or "")
    )


def recorded(obj: Object) -> dict[str, Any]:
    """Return the part of ``obj`` that is kept on the payment."""
    kept = {name: obj[name] for name in RECORDED if obj.get(name) is not None}
    for name in ("payment_intent", "latest_charge"):
        if name in kept:
            kept[name] = object_id(kept[name])
    return kept


def _amount(minor: Any, currency: str) -> Decimal:
    if isinstance(minor, bool) or not isinstance(minor, int):
        raise TypeError("amounts are integers")
    try:
        return from_minor_units(minor, currency)
    except GatewayError as error:
        raise ValueError(error.detail) from error


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise TypeError("a text is missing")
    return value


def _flag(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None
