"""What Stripe's two payment flows share: both end in a PaymentIntent, which is captured, cancelled and refunded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from django_stripe_gateway.exceptions import ProviderStateError
from django_stripe_gateway.gateways.accounts import StripeAccount
from django_stripe_gateway.gateways.base import Gateway, PaymentRef, PaymentRequest, PaymentSnapshot, RefundSnapshot
from django_stripe_gateway.gateways.stripe_client import pool
from django_stripe_gateway.gateways.stripe_errors import translated_errors
from django_stripe_gateway.gateways.stripe_objects import payment_snapshot, refund_snapshot
from django_stripe_gateway.money import to_minor_units

SESSION_PREFIX = "cs_"
PAGE = 100


class StripeGateway(Gateway):
    """Base of the gateways that stand on PaymentIntents."""

    provider = "stripe"
    supports_manual_capture = True
    supports_partial_capture = True
    supports_partial_refund = True

    def __init__(self, account: StripeAccount) -> None:
        self.account = account

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.account.variant}>"

    @property
    def livemode(self) -> bool:
        """Whether the account's key moves real money."""
        return self.account.livemode

    @property
    def v1(self) -> Any:
        """The SDK's services of API v1."""
        return pool.get(self.account).v1

    def retrieve_payment(self, ref: PaymentRef) -> PaymentSnapshot:
        """Ask Stripe for the session (with its intent), or for the intent."""
        with translated_errors():
            if ref.object_id.startswith(SESSION_PREFIX):
                answer = self.v1.checkout.sessions.retrieve(ref.object_id, params={"expand": ["payment_intent"]})
            else:
                answer = self.v1.payment_intents.retrieve(ref.intent_id or ref.object_id)
        return payment_snapshot(answer.to_dict())

    def capture_payment(self, ref: PaymentRef, amount: Decimal, *, idempotency_key: str) -> PaymentSnapshot:
        """Capture ``amount`` of the intent; Stripe releases the rest."""
        params = {"amount_to_capture": to_minor_units(amount, ref.currency)}
        with translated_errors():
            answer = self.v1.payment_intents.capture(
                self._intent_id(ref), params=params, options={"idempotency_key": idempotency_key}
            )
        return payment_snapshot(answer.to_dict())

    def cancel_payment(self, ref: PaymentRef, *, idempotency_key: str) -> PaymentSnapshot:
        """Cancel the intent, which releases what it authorised; without an intent, expire the session."""
        options = {"idempotency_key": idempotency_key}
        with translated_errors():
            # The intent of an open session belongs to the session: only expiring that stops the customer.
            if ref.object_id.startswith(SESSION_PREFIX) and not ref.intent_id:
                answer = self.v1.checkout.sessions.expire(ref.object_id, options=options)
            else:
                answer = self.v1.payment_intents.cancel(ref.intent_id or ref.object_id, options=options)
        return payment_snapshot(answer.to_dict())

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
        with translated_errors():
            answer = self.v1.refunds.create(params=params, options={"idempotency_key": idempotency_key})
        return refund_snapshot(answer.to_dict())

    def list_refunds(self, ref: PaymentRef) -> Sequence[RefundSnapshot]:
        """Return the intent's refunds, without localstripe's entries for what a partial capture released."""
        found: list[RefundSnapshot] = []
        params: dict[str, Any] = {"payment_intent": self._intent_id(ref), "limit": PAGE}
        while True:
            with translated_errors():
                page = self.v1.refunds.list(params=params).to_dict()
            found += [refund_snapshot(obj) for obj in page["data"] if obj.get("payment_intent")]
            if not page.get("has_more") or not page["data"]:
                return found
            params["starting_after"] = page["data"][-1]["id"]

    def _intent_id(self, ref: PaymentRef) -> str:
        if ref.intent_id:
            return ref.intent_id
        intent_id = self.retrieve_payment(ref).intent_id
        if not intent_id:
            raise ProviderStateError("Stripe has no PaymentIntent for this payment yet.")
        return intent_id

    def _intent_params(self, request: PaymentRequest) -> dict[str, Any]:
        params: dict[str, Any] = {"metadata": dict(request.metadata)}
        if request.manual_capture:
            params["capture_method"] = "manual"
        if request.description and not self.account.is_localstripe:
            params["description"] = request.description[:1000]
        return params
