"""What Stripe's two payment flows share: both end in a PaymentIntent, which is captured, cancelled and refunded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from django_stripe_gateway.exceptions import ProviderStateError
from django_stripe_gateway.gateways.base import Gateway
from django_stripe_gateway.gateways.stripe.calls import MAX_PAGES, PAGE, StripeAccountCalls
from django_stripe_gateway.gateways.stripe.errors import ask, unreadable
from django_stripe_gateway.gateways.stripe.payment_objects import (
    RefundPage,
    payment_snapshot,
    refund_page,
    refund_snapshot,
)
from django_stripe_gateway.gateways.values import (
    PaymentRef,
    PaymentRequest,
    PaymentSnapshot,
    ProviderStatus,
    RefundSnapshot,
)
from django_stripe_gateway.money import to_minor_units

SESSION_PREFIX = "cs_"


class StripeGateway(StripeAccountCalls, Gateway):
    """Base of the gateways that stand on PaymentIntents."""

    supports_manual_capture = True
    supports_partial_capture = True
    supports_partial_refund = True

    def retrieve_payment(self, ref: PaymentRef) -> PaymentSnapshot:
        """Ask Stripe for the session (with its intent), or for the intent."""
        if is_session(ref):
            params = {"expand": ["payment_intent"]}
            return ask(lambda: self.v1.checkout.sessions.retrieve(ref.object_id, params=params), payment_snapshot)
        return ask(lambda: self.v1.payment_intents.retrieve(ref.intent_id or ref.object_id), payment_snapshot)

    def capture_payment(self, ref: PaymentRef, amount: Decimal, *, idempotency_key: str) -> PaymentSnapshot:
        """Capture ``amount`` of the intent; Stripe releases the rest."""
        params = {"amount_to_capture": to_minor_units(amount, ref.currency)}
        options = {"idempotency_key": idempotency_key}
        intent_id = self._intent_id(ref)
        return ask(
            lambda: self.v1.payment_intents.capture(intent_id, params=params, options=options),
            payment_snapshot,
            about_state=True,
        )

    def cancel_payment(self, ref: PaymentRef, *, idempotency_key: str) -> PaymentSnapshot:
        """Cancel the intent, which releases what it authorised; expire a session that is still open.

        An open session's intent belongs to the session, and Stripe refuses to cancel it
        (https://docs.stripe.com/api/payment_intents/cancel).
        """
        options = {"idempotency_key": idempotency_key}
        intent_id = ref.intent_id or ref.object_id
        if is_session(ref):
            session = self.retrieve_payment(ref)
            if session.status == ProviderStatus.OPEN:
                return ask(
                    lambda: self.v1.checkout.sessions.expire(ref.object_id, options=options),
                    payment_snapshot,
                    about_state=True,
                )
            intent_id = session.intent_id
            if not intent_id:
                raise ProviderStateError("The Checkout Session is closed; there is nothing to cancel.")
        return ask(
            lambda: self.v1.payment_intents.cancel(intent_id, options=options), payment_snapshot, about_state=True
        )

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
        options = {"idempotency_key": idempotency_key}
        return ask(lambda: self.v1.refunds.create(params=params, options=options), refund_snapshot, about_state=True)

    def list_refunds(self, ref: PaymentRef) -> Sequence[RefundSnapshot]:
        """Return the intent's refunds, without localstripe's entries for what a partial capture released."""
        found: list[RefundSnapshot] = []
        params: dict[str, Any] = {"payment_intent": self._intent_id(ref), "limit": PAGE}
        for _page in range(MAX_PAGES):
            page = self._refund_page(params)
            found += page.refunds
            if not page.next_after:
                return found
            params = params | {"starting_after": page.next_after}
        raise unreadable()

    def _refund_page(self, params: dict[str, Any]) -> RefundPage:
        return ask(lambda: self.v1.refunds.list(params=params), refund_page)

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


def is_of_attempt(snapshot: PaymentSnapshot, request: PaymentRequest) -> bool:
    """Return whether a session or an intent was made by a request: token and attempt are on both."""
    metadata = snapshot.raw.get("metadata") or {}
    return all(metadata.get(name) == request.metadata.get(name) for name in ("token", "attempt"))


def is_session(ref: PaymentRef) -> bool:
    """Return whether the payment was started as a Checkout Session."""
    return ref.object_id.startswith(SESSION_PREFIX)
