"""Payments through PayPal: Orders v2 and Payments v2.

The buyer approves an order on PayPal's page; nothing is taken by that. ``confirm_payment`` takes the money when the
buyer is back, or authorises it for a later capture. An order can be captured or authorised once, so that a repeat
after a lost answer finds what the first one did, even when PayPal has forgotten the request's id.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from django_stripe_gateway.exceptions import ProviderError, ProviderStateError
from django_stripe_gateway.gateways.base import Gateway
from django_stripe_gateway.gateways.fee_values import FeesSnapshot
from django_stripe_gateway.gateways.paypal.accounts import PayPalAccount
from django_stripe_gateway.gateways.paypal.client import call
from django_stripe_gateway.gateways.paypal.errors import ALREADY_DONE, NOT_FOUND, unreadable
from django_stripe_gateway.gateways.paypal.fees import order_fees
from django_stripe_gateway.gateways.paypal.money import paypal_amount
from django_stripe_gateway.gateways.paypal.objects import (
    KIND,
    order_refunds,
    order_snapshot,
    payments_of,
    refund_snapshot,
    refundable_capture,
    with_payment,
)
from django_stripe_gateway.gateways.values import (
    PaymentRef,
    PaymentRequest,
    PaymentSnapshot,
    ProviderStatus,
    RefundSnapshot,
)

ORDERS = "/v2/checkout/orders"
PAYMENTS = "/v2/payments"
TEXT_LENGTH = 127
DONE = frozenset(issue.lower() for issue in ALREADY_DONE)


class PayPalGateway(Gateway):
    """Sends the buyer to PayPal, and takes the money when they are back."""

    provider = "paypal"
    supports_redirect = True
    supports_confirm = True
    supports_manual_capture = True
    supports_partial_capture = True
    supports_partial_refund = True
    confirms_on_return = True
    supports_fees = True

    def __init__(self, account: PayPalAccount) -> None:
        self.account = account

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.account.variant}>"

    @property
    def livemode(self) -> bool:
        """Whether the account moves real money."""
        return self.account.livemode

    def create_payment(self, request: PaymentRequest, *, idempotency_key: str) -> PaymentSnapshot:
        """Create an order; its ``redirect_url`` is where the buyer approves it."""
        order = call(self.account, "POST", ORDERS, _order(request), request_id=idempotency_key)
        snapshot = _read(order)
        if not snapshot.redirect_url and snapshot.status == ProviderStatus.OPEN:
            raise ProviderError("PayPal returned an order that nobody can approve.", code="malformed_object")
        return snapshot

    def confirm_payment(self, ref: PaymentRef, request: PaymentRequest, *, idempotency_key: str) -> PaymentSnapshot:
        """Capture or authorise the approved order; if that was done before, say where it stands."""
        action = "authorize" if request.manual_capture else "capture"
        path = f"{ORDERS}/{ref.object_id}/{action}"
        try:
            order = call(self.account, "POST", path, {}, request_id=idempotency_key)
        except ProviderStateError as error:
            if error.code in DONE:
                return self.retrieve_payment(ref)
            raise
        if not _is_whole(order):
            order = self._order(ref)
        return _read(order)

    def retrieve_payment(self, ref: PaymentRef) -> PaymentSnapshot:
        """Ask PayPal for the order, with all that was done on it."""
        return _read(self._order(ref))

    def capture_payment(self, ref: PaymentRef, amount: Decimal, *, idempotency_key: str) -> PaymentSnapshot:
        """Capture ``amount`` of the authorisation as its only capture, so that PayPal releases the rest."""
        body = {"amount": paypal_amount(amount, ref.currency), "final_capture": True}
        path = f"{PAYMENTS}/authorizations/{self._authorization_id(ref)}/capture"
        capture = call(self.account, "POST", path, body, request_id=idempotency_key)
        return _read(with_payment(self._order(ref), "captures", capture))

    def cancel_payment(self, ref: PaymentRef, *, idempotency_key: str) -> PaymentSnapshot:
        """Void the authorisation; leave an order that nobody has paid to its own end.

        An order cannot be cancelled at PayPal. It takes no money unless ``confirm_payment`` is called, which nobody
        does for a cancelled payment, and PayPal forgets it after some hours.
        """
        try:
            order = self._order(ref)
        except ProviderError as error:
            if error.code != NOT_FOUND:
                raise
            return PaymentSnapshot(kind=KIND, is_session=True, status=ProviderStatus.CANCELED, object_id=ref.object_id)
        snapshot = _read(order)
        authorizations = payments_of(order, "authorizations")
        if snapshot.status in (ProviderStatus.OPEN, ProviderStatus.APPROVED) and not authorizations:
            raw = dict(snapshot.raw) | {"status": "expired"}
            return replace(snapshot, status=ProviderStatus.CANCELED, redirect_url="", raw=raw)
        if not authorizations or snapshot.status == ProviderStatus.SUCCEEDED:
            raise ProviderStateError("The payment at PayPal cannot be cancelled any more.")
        authorization_id = str(authorizations[-1].get("id") or "")
        path = f"{PAYMENTS}/authorizations/{authorization_id}/void"
        answer = call(self.account, "POST", path, request_id=idempotency_key)
        voided = {**authorizations[-1], **answer, "status": "VOIDED"}
        return _read(with_payment(order, "authorizations", voided))

    def refund_payment(
        self, ref: PaymentRef, amount: Decimal, *, reason: str, metadata: Mapping[str, str], idempotency_key: str
    ) -> RefundSnapshot:
        """Refund ``amount`` of the capture.

        PayPal has no reasons, only a note to the payer, which is theirs to read: it stays empty. The refund's
        ``custom_id`` names the payment and our operation.
        """
        capture_id = refundable_capture(self._order(ref))
        if not capture_id:
            raise ProviderStateError("PayPal has not taken any money for this payment.")
        body: dict[str, Any] = {"amount": paypal_amount(amount, ref.currency)}
        marker = ":".join(filter(None, (metadata.get("token", ""), metadata.get("operation", ""))))
        if marker:
            body["custom_id"] = marker[:TEXT_LENGTH]
        path = f"{PAYMENTS}/captures/{capture_id}/refund"
        refund = call(self.account, "POST", path, body, request_id=idempotency_key)
        try:
            return refund_snapshot(refund, ref.intent_id or capture_id)
        except ProviderError as error:
            raise unreadable(error.code) from None

    def list_refunds(self, ref: PaymentRef) -> Sequence[RefundSnapshot]:
        """Return the refunds that the order names."""
        order = self._order(ref)
        return order_refunds(order, ref.intent_id or _read(order).intent_id)

    def retrieve_fees(self, ref: PaymentRef, *, with_refunds: bool = False) -> FeesSnapshot | None:
        """Read what PayPal keeps from the breakdowns that the order's captures and refunds carry."""
        return order_fees(self._order(ref), with_refunds=with_refunds)

    def _order(self, ref: PaymentRef) -> dict[str, Any]:
        if not ref.object_id:
            raise ProviderStateError("No order was made at PayPal for this payment.")
        return call(self.account, "GET", f"{ORDERS}/{ref.object_id}")

    def _authorization_id(self, ref: PaymentRef) -> str:
        if ref.intent_id:
            return ref.intent_id
        intent_id = self.retrieve_payment(ref).intent_id
        if not intent_id:
            raise ProviderStateError("PayPal has no authorisation for this payment yet.")
        return intent_id


def _read(order: Mapping[str, Any]) -> PaymentSnapshot:
    """Return the snapshot of PayPal's answer; one that cannot be read came after PayPal may have acted."""
    try:
        return order_snapshot(order)
    except ProviderError as error:
        raise unreadable(error.code) from None


def _is_whole(order: Mapping[str, Any]) -> bool:
    """Return whether an answer holds the amounts, too: a minimal one does not."""
    units = order.get("purchase_units")
    return isinstance(units, list) and bool(units) and isinstance(units[0], Mapping) and "amount" in units[0]


def _order(request: PaymentRequest) -> dict[str, Any]:
    amount: dict[str, Any] = paypal_amount(request.amount, request.currency)
    unit: dict[str, Any] = {
        "reference_id": request.metadata.get("payment_id") or "default",
        "custom_id": request.token,
        "invoice_id": _invoice_id(request),
        "amount": amount,
    }
    if request.description:
        unit["description"] = request.description[:TEXT_LENGTH]
    if request.items and sum(item.price * item.quantity for item in request.items) == request.amount:
        amount["breakdown"] = {"item_total": paypal_amount(request.amount, request.currency)}
        unit["items"] = [
            {
                "name": item.name[:TEXT_LENGTH],
                "quantity": str(item.quantity),
                "unit_amount": paypal_amount(item.price, request.currency),
            }
            for item in request.items
        ]
    paypal: dict[str, Any] = {
        "experience_context": {
            "return_url": request.success_url,
            "cancel_url": request.cancel_url,
            "user_action": "PAY_NOW",
            # The shop knows where to send what was bought; PayPal need not ask.
            "shipping_preference": "NO_SHIPPING",
        }
    }
    if request.customer_email:
        paypal["email_address"] = request.customer_email
    return {
        "intent": "AUTHORIZE" if request.manual_capture else "CAPTURE",
        "purchase_units": [unit],
        "payment_source": {"paypal": paypal},
    }


def _invoice_id(request: PaymentRequest) -> str:
    """Return the number that PayPal takes money for once: the same for every attempt at a payment, and for no other.

    Two shops on one account may count their payments alike, so a few digits of the token's hash are in it.
    """
    name = request.metadata.get("order_id") or "payment"
    digest = hashlib.sha256(request.token.encode()).hexdigest()[:8]
    return f"{name[:90]}-{request.metadata.get('payment_id', '')}-{digest}"
