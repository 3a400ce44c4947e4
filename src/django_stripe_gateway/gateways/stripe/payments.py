"""What Stripe's two payment flows share: both end in a PaymentIntent, which is captured, cancelled and refunded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from django_stripe_gateway.exceptions import PaymentDeclined, ProviderError, ProviderStateError, ProviderUnavailable
from django_stripe_gateway.gateways.base import Gateway
from django_stripe_gateway.gateways.stripe.accounts import StripeAccount
from django_stripe_gateway.gateways.stripe.calls import StripeAccountCalls, ask
from django_stripe_gateway.gateways.stripe.payment_objects import payment_snapshot, refund_snapshot
from django_stripe_gateway.gateways.values import (
    PaymentRef,
    PaymentRequest,
    PaymentSnapshot,
    ProviderStatus,
    RefundSnapshot,
)
from django_stripe_gateway.money import to_minor_units

SESSION_PREFIX, INTENT_PREFIX = "cs_", "pi_"


class StripeGateway(StripeAccountCalls, Gateway):
    """Base of the gateways that stand on PaymentIntents."""

    supports_manual_capture = True
    supports_partial_capture = True
    supports_partial_refund = True

    def __init__(self, account: StripeAccount) -> None:
        super().__init__(account)
        # localstripe neither keeps what an intent was paid with, nor charges it later.
        self.supports_customers = not account.is_localstripe

    def retrieve_payment(self, ref: PaymentRef) -> PaymentSnapshot:
        """Ask Stripe for the session (with its intent), or for the intent."""
        if is_session(ref):
            params = {"expand": ["payment_intent"]}
            return ask(self.v1.checkout.sessions.retrieve, payment_snapshot, ref.object_id, params=params)
        return ask(self.v1.payment_intents.retrieve, payment_snapshot, ref.intent_id or ref.object_id)

    def capture_payment(self, ref: PaymentRef, amount: Decimal, *, idempotency_key: str) -> PaymentSnapshot:
        """Capture ``amount`` of the intent; Stripe releases the rest."""
        params = {"amount_to_capture": to_minor_units(amount, ref.currency)}
        return ask(
            self.v1.payment_intents.capture,
            payment_snapshot,
            self._intent_id(ref),
            params=params,
            key=idempotency_key,
            about_state=True,
        )

    def cancel_payment(self, ref: PaymentRef, *, idempotency_key: str) -> PaymentSnapshot:
        """Cancel the intent, which releases what it authorised; expire a session that is still open.

        An open session's intent belongs to the session, and Stripe refuses to cancel it
        (https://docs.stripe.com/api/payment_intents/cancel).
        """
        cancel, object_id = self.v1.payment_intents.cancel, ref.intent_id or ref.object_id
        if is_session(ref):
            session = self.retrieve_payment(ref)
            object_id = session.intent_id
            if session.status == ProviderStatus.OPEN:
                cancel, object_id = self.v1.checkout.sessions.expire, ref.object_id
            elif not object_id:
                raise ProviderStateError("The Checkout Session is closed; there is nothing to cancel.")
        return ask(cancel, payment_snapshot, object_id, key=idempotency_key, about_state=True)

    def refund_payment(
        self, ref: PaymentRef, amount: Decimal, *, reason: str, metadata: Mapping[str, str], idempotency_key: str
    ) -> RefundSnapshot:
        """Refund ``amount`` of the intent."""
        params: dict[str, Any] = {
            "payment_intent": self._intent_id(ref),
            "amount": to_minor_units(amount, ref.currency),
            "metadata": dict(metadata),
        }
        # localstripe refuses parameters that it does not know.
        if reason and not self.account.is_localstripe:
            params["reason"] = reason
        return ask(self.v1.refunds.create, refund_snapshot, params=params, key=idempotency_key, about_state=True)

    def list_refunds(self, ref: PaymentRef) -> Sequence[RefundSnapshot]:
        """Return the intent's refunds, without localstripe's entries for what a partial capture released."""
        listed = self._items(self.v1.refunds.list, refund_snapshot, payment_intent=self._intent_id(ref))
        return [refund for refund in listed if refund.intent_id]

    def _intent_id(self, ref: PaymentRef) -> str:
        if ref.intent_id:
            return ref.intent_id
        intent_id = self.retrieve_payment(ref).intent_id
        if not intent_id:
            raise ProviderStateError("Stripe has no PaymentIntent for this payment yet.")
        return intent_id

    def charge_payment(self, request: PaymentRequest, *, idempotency_key: str) -> PaymentSnapshot:
        """Create and confirm a PaymentIntent without its customer, in either flow.

        Stripe answers a declined one with an error that names the intent, which says the rest
        (https://docs.stripe.com/payments/save-and-reuse#charge-saved-payment-method).
        """
        params = self._new_intent_params(request) | {"confirm": True, "off_session": True}
        if request.success_url:
            params["return_url"] = request.success_url
        try:
            return ask(self.v1.payment_intents.create, payment_snapshot, params=params, key=idempotency_key)
        except PaymentDeclined as error:
            if not error.intent_id:
                raise
            intent_id = error.intent_id
        try:
            return self.retrieve_payment(PaymentRef(intent_id, intent_id))
        except ProviderError as error:
            # It was declined; how, the next attempt finds out.
            raise ProviderUnavailable(error.detail, code=error.code, request_id=error.request_id) from error

    def find_charge(self, request: PaymentRequest, *, since: datetime) -> PaymentSnapshot | None:
        """Return the PaymentIntent that an earlier attempt has made."""
        listed = {"customer": request.customer_id, **self._made_since(since)}
        return attempt_of(self._items(self.v1.payment_intents.list, payment_snapshot, **listed), request)

    def _new_intent_params(self, request: PaymentRequest) -> dict[str, Any]:
        params = self._intent_params(request) | {
            "amount": to_minor_units(request.amount, request.currency),
            "currency": request.currency.lower(),
        }
        if request.customer_id:
            params["customer"] = request.customer_id
        if request.payment_method:
            params["payment_method"] = request.payment_method
        return params

    def _intent_params(self, request: PaymentRequest) -> dict[str, Any]:
        params: dict[str, Any] = {"metadata": dict(request.metadata)}
        if request.save_payment_method:
            params["setup_future_usage"] = "off_session"
        if request.manual_capture:
            params["capture_method"] = "manual"
        if request.description and not self.account.is_localstripe:
            params["description"] = request.description[:1000]
        return params


def attempt_of(snapshots: Iterable[PaymentSnapshot], request: PaymentRequest) -> PaymentSnapshot | None:
    """Return the session or intent that a request has made, if there is one: token and attempt are on both."""
    for snapshot in snapshots:
        metadata = snapshot.raw.get("metadata") or {}
        if all(metadata.get(name) == request.metadata.get(name) for name in ("token", "attempt")):
            return snapshot
    return None


def is_session(ref: PaymentRef) -> bool:
    """Return whether the payment was started as a Checkout Session."""
    return ref.object_id.startswith(SESSION_PREFIX)
