"""Stripe's objects, of both API generations and as localstripe makes them, as this app's frozen values.

The only place that knows where a field lives. Input is plain ``dict``: what ``json.loads`` made of a webhook's or an
answer's body.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from django_stripe_gateway.choices import RefundStatus
from django_stripe_gateway.gateways.messages import readable_message
from django_stripe_gateway.gateways.stripe.charges import charged_at, intent_charge, paid_with
from django_stripe_gateway.gateways.stripe.destinations import intent_terms
from django_stripe_gateway.gateways.stripe.fields import (
    READING_ERRORS,
    Object,
    amount_of,
    flag,
    metadata_of,
    moment,
    object_id,
    optional_text,
    part,
    reads,
    text,
)
from django_stripe_gateway.gateways.values import (
    Breakdown,
    DisputeSnapshot,
    Failure,
    PaymentSnapshot,
    ProviderStatus,
    RefundSnapshot,
)

__all__ = [
    "charge_amount",
    "charge_refunds",
    "dispute_snapshot",
    "object_id",
    "payment_snapshot",
    "recorded",
    "refund_snapshot",
    "refunded_total",
]

INTENT_STATUSES = {
    "requires_payment_method": ProviderStatus.OPEN,
    "requires_confirmation": ProviderStatus.OPEN,
    "requires_action": ProviderStatus.REQUIRES_ACTION,
    "processing": ProviderStatus.PROCESSING,
    "requires_capture": ProviderStatus.AUTHORIZED,
    "succeeded": ProviderStatus.SUCCEEDED,
    "canceled": ProviderStatus.CANCELED,
}
# A completed session says "unpaid" both for an authorisation and for a slow payment method.
UNPAID_STATUSES = {"expired": ProviderStatus.REJECTED, "complete": ProviderStatus.PROCESSING}
# What a session's ``total_details`` break its amount down to.
TOTALS = ("tax", "shipping", "discount")
PAID_STATUSES = ("paid", "no_payment_required")
# Kept for the record; the rest (client secrets, addresses, card details) is left out.
RECORDED = (
    "id object amount amount_received amount_capturable amount_total currency status payment_status payment_intent "
    "livemode capture_method latest_charge created canceled_at cancellation_reason expires_at url metadata "
    "client_reference_id"
).split()


@reads("an object")
def payment_snapshot(obj: Object) -> PaymentSnapshot:
    """Return the snapshot of a PaymentIntent or Checkout Session.

    Raises:
        ProviderError: the object is half-formed, here as in the other readers.
    """
    return _session_snapshot(obj) if obj.get("object") == "checkout.session" else _intent_snapshot(obj)


@reads("a refund")
def refund_snapshot(obj: Object) -> RefundSnapshot:
    """Return the snapshot of a Refund."""
    status = optional_text(obj.get("status") or RefundStatus.SUCCEEDED)
    return RefundSnapshot(
        refund_id=text(obj["id"]),
        status=status if status in RefundStatus.values else RefundStatus.PENDING,
        amount=amount_of(obj["amount"], text(obj["currency"])),
        currency=text(obj["currency"]).upper(),
        intent_id=object_id(obj.get("payment_intent")),
        reason=optional_text(obj.get("reason")),
        failure_reason=optional_text(obj.get("failure_reason")),
        metadata=metadata_of(obj.get("metadata")),
        is_release=_is_release(obj),
        created=moment(obj.get("created")),
    )


def _is_release(obj: Object) -> bool | None:
    """Return whether a Refund names what a partial capture or an ended authorisation has let go of.

    Until 2025-03-31.basil Stripe made such objects, and keeps showing them: nothing has moved on the balance, and a
    card's is a reversal. A same-day refund of what was taken is a reversal as well, and one that is pending may not
    have moved anything yet, so that what was captured decides what the object leaves open
    (https://docs.stripe.com/changelog/basil/2025-03-31/remove-refund-from-partial-capture-and-payment-cancellation-flow).
    """
    if obj.get("reason") == "expired_uncaptured_charge":
        return True
    if "destination_details" not in obj and "payment_intent" in obj and not obj["payment_intent"]:
        # localstripe's own: unlike its refunds, what was released names no PaymentIntent.
        return True
    if "balance_transaction" not in obj or object_id(obj["balance_transaction"]):
        return False
    if metadata_of(obj.get("metadata")).get("operation") or obj.get("status") in (
        RefundStatus.FAILED,
        RefundStatus.CANCELED,
    ):
        return False
    kind = part(part(obj.get("destination_details")).get("card")).get("type")
    return None if kind == "reversal" or obj.get("status") == RefundStatus.SUCCEEDED else False


@reads("a dispute")
def dispute_snapshot(obj: Object) -> DisputeSnapshot:
    """Return the snapshot of a Dispute."""
    currency = text(obj["currency"])
    return DisputeSnapshot(
        dispute_id=text(obj["id"]),
        status=text(obj["status"]),
        reason=optional_text(obj.get("reason")),
        amount=amount_of(obj["amount"], currency),
        currency=currency.upper(),
        intent_id=object_id(obj.get("payment_intent")),
        is_refundable=obj.get("is_charge_refundable") is True,
        # In the currency of the seller's balance, which may be another one: only the sign says something here.
        is_withdrawn=sum(moved["amount"] for moved in obj.get("balance_transactions") or [] if part(moved)) < 0,
        evidence_due=moment(part(obj.get("evidence_details")).get("due_by")),
        opened=moment(obj.get("created")),
        livemode=flag(obj.get("livemode")),
    )


def charge_refunds(obj: Object) -> list[RefundSnapshot] | None:
    """Return the refunds that a Charge embeds; ``None`` when it does not, as since API version 2022-11-15."""
    refunds = obj.get("refunds") if isinstance(obj, Mapping) else None
    if not isinstance(refunds, Mapping) or not isinstance(refunds.get("data"), list) or refunds.get("has_more"):
        return None
    return [judged(refund_snapshot(refund), obj) for refund in refunds["data"]]


def judged(refund: RefundSnapshot, charge: Object) -> RefundSnapshot:
    """Return a refund of a Charge that says whether it is one, given how much of the charge was captured."""
    try:
        currency = text(charge["currency"])
        held = amount_of(charge["amount"], currency)
        taken = _captured(charge, currency)
    except READING_ERRORS:
        return refund
    return dataclasses.replace(refund, is_release=refund.is_released_of(held, taken) if taken else True)


def _captured(charge: Object, currency: str) -> Decimal:
    if not charge.get("captured"):
        return Decimal(0)
    captured = charge.get("amount_captured")
    return amount_of(charge["amount"] if captured is None else captured, currency)


@reads("a charge")
def charge_amount(obj: Object) -> Decimal:
    """Return how much a Charge was for, in the units of its currency."""
    return amount_of(obj["amount"], text(obj["currency"]))


@reads("a charge")
def refunded_total(obj: Object) -> Decimal:
    """Return how much of a Charge may have been refunded, of what was captured.

    Older versions count the rest of the authorisation too. The charge does not say which it is; its refunds do.
    """
    currency = text(obj["currency"])
    return min(amount_of(obj["amount_refunded"], currency), _captured(obj, currency))


def _intent_snapshot(obj: Object) -> PaymentSnapshot:
    currency = text(obj["currency"])
    status = INTENT_STATUSES.get(text(obj["status"]), ProviderStatus.PROCESSING)
    failure = _failure(obj.get("last_payment_error"))
    if status == ProviderStatus.OPEN and failure:
        is_for_customer = failure.code == "authentication_required"
        status = ProviderStatus.AUTHENTICATION_REQUIRED if is_for_customer else ProviderStatus.FAILED
    return PaymentSnapshot(
        kind="payment_intent",
        status=status,
        object_id=text(obj["id"]),
        intent_id=text(obj["id"]),
        amount=amount_of(obj["amount"], currency),
        amount_received=_received(obj, currency) if status == ProviderStatus.SUCCEEDED else None,
        currency=currency.upper(),
        livemode=flag(obj.get("livemode")),
        client_secret=optional_text(obj.get("client_secret")),
        action_url=_action_url(obj.get("next_action")),
        failure=failure,
        customer_id=object_id(obj.get("customer")),
        # Of a capture the charge does not say when it was.
        charged=None if obj.get("capture_method") == "manual" else charged_at(intent_charge(obj)),
        paid_with=paid_with(intent_charge(obj)),
        raw=recorded(obj),
        terms=intent_terms(obj, currency),
    )


def _session_snapshot(obj: Object) -> PaymentSnapshot:
    intent = obj.get("payment_intent")
    # Shown to the customer in another currency, a session of before 2025-03-31 says there what we have asked for.
    asked = part(obj.get("currency_conversion"))
    currency = optional_text(asked.get("source_currency") or obj.get("currency"))
    total = asked.get("amount_total", obj.get("amount_total"))
    amount = None if total is None or not currency else amount_of(total, currency)
    is_paid = text(obj["payment_status"]) in PAID_STATUSES
    status = ProviderStatus.SUCCEEDED if is_paid else UNPAID_STATUSES.get(str(obj.get("status")), ProviderStatus.OPEN)
    received = amount if is_paid else None
    failure = used = charged = terms = None
    if isinstance(intent, Mapping):
        inner = _intent_snapshot(intent)
        # The intent knows what the session does not say.
        if status in (ProviderStatus.PROCESSING, ProviderStatus.SUCCEEDED) and inner.status != ProviderStatus.OPEN:
            status, received = inner.status, inner.amount_received
            is_refused = status in (ProviderStatus.FAILED, ProviderStatus.AUTHENTICATION_REQUIRED)
            status = ProviderStatus.REJECTED if is_refused else status
        failure, used, charged, terms = inner.failure, inner.paid_with, inner.charged, inner.terms
    return PaymentSnapshot(
        kind="checkout.session",
        is_session=True,
        status=status,
        object_id=text(obj["id"]),
        intent_id=object_id(intent),
        amount=amount,
        amount_received=received,
        currency=currency.upper(),
        livemode=flag(obj.get("livemode")),
        redirect_url=optional_text(obj.get("url")),
        client_secret=optional_text(obj.get("client_secret")) if obj.get("status") == "open" else "",
        expires_at=moment(obj.get("expires_at")),
        failure=failure,
        charged=charged,
        paid_with=used,
        raw=recorded(obj) | _recorded_totals(obj),
        breakdown=None if asked else _breakdown(obj, currency),
        terms=terms,
    )


def _action_url(action: Any) -> str:
    """Return where a customer authenticates who is sent to a page for it."""
    redirect = action.get("redirect_to_url") if isinstance(action, Mapping) else None
    return optional_text(redirect.get("url")) if isinstance(redirect, Mapping) else ""


def _breakdown(obj: Object, currency: str) -> Breakdown | None:
    """Return what taxes, delivery and discounts have made of a session's amount, ``None`` if there are none.

    https://docs.stripe.com/api/checkout/sessions/object#checkout_session_object-total_details
    """
    details, subtotal = part(obj.get("total_details")), obj.get("amount_subtotal")
    amounts = {name: amount_of(details.get(f"amount_{name}") or 0, currency) for name in TOTALS} if currency else {}
    if subtotal is None or not any(amounts.values()):
        return None
    return Breakdown(subtotal=amount_of(subtotal, currency), **amounts)


def _recorded_totals(obj: Object) -> dict[str, Any]:
    """Return what the customer was shown: the parts of the amount, and the currency that it was presented in."""
    details, shown = part(obj.get("total_details")), part(obj.get("presentment_details"))
    found = {f"amount_{name}": details.get(f"amount_{name}") for name in TOTALS}
    found |= {name: shown.get(name) for name in ("presentment_amount", "presentment_currency")}
    return {name: value for name, value in found.items() if value and isinstance(value, str | int)}


def _received(obj: Object, currency: str) -> Decimal:
    if obj.get("amount_received") is not None:
        return amount_of(obj["amount_received"], currency)
    # localstripe's intents do not say. It books the part of an authorisation that was not captured as a refund of the
    # charge, which unlike every real refund of ours names no PaymentIntent.
    taken = amount_of(obj["amount"], currency)
    charge = obj.get("latest_charge")
    if isinstance(charge, Mapping):
        refunds = (charge.get("refunds") or {}).get("data") or []
        released = [amount_of(refund["amount"], currency) for refund in refunds if not refund.get("payment_intent")]
        taken -= sum(released, Decimal(0))
    return taken


def _failure(error: Any) -> Failure | None:
    if not isinstance(error, Mapping):
        return None
    return Failure(
        code=optional_text(error.get("code")) or "payment_failed",
        decline_code=optional_text(error.get("decline_code")),
        message=readable_message(error.get("message")),
    )


def recorded(obj: Object) -> dict[str, Any]:
    """Return the part of ``obj`` that is kept on the payment."""
    found = {name: obj.get(name) for name in RECORDED}
    found |= {name: object_id(found[name]) or None for name in ("payment_intent", "latest_charge")}
    kept: dict[str, Any] = {name: value for name, value in found.items() if isinstance(value, str | int)}
    if isinstance(found["metadata"], Mapping):
        kept["metadata"] = metadata_of(found["metadata"])
    return kept
