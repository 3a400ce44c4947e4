"""Payments on PaymentIntents: on localstripe in development, or confirmed in the host's own page with Stripe.js."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django_stripe_gateway.exceptions import PaymentDeclined
from django_stripe_gateway.gateways.stripe.accounts import StripeAccount
from django_stripe_gateway.gateways.stripe.calls import ask
from django_stripe_gateway.gateways.stripe.payment_objects import payment_snapshot
from django_stripe_gateway.gateways.stripe.payments import StripeGateway, attempt_of
from django_stripe_gateway.gateways.values import PaymentRef, PaymentRequest, PaymentSnapshot, ProviderStatus

CONFIRMABLE = (ProviderStatus.OPEN, ProviderStatus.FAILED, ProviderStatus.AUTHENTICATION_REQUIRED)


class StripeIntentGateway(StripeGateway):
    """Creates a PaymentIntent and, apart from it, confirms it.

    Two calls instead of one with ``confirm=true``: an intent whose creation was not answered charges nobody, and a
    confirmation is repeated on an intent whose state can be read first. That holds on localstripe too, which ignores
    idempotency keys.
    """

    supports_confirm = True

    def __init__(self, account: StripeAccount) -> None:
        super().__init__(account)
        self.confirms_at_once = account.is_localstripe

    def create_payment(self, request: PaymentRequest, *, idempotency_key: str) -> PaymentSnapshot:
        """Create a PaymentIntent without confirming it."""
        params = self._with_further(self._new_intent_params(request), request.further)
        return ask(self.v1.payment_intents.create, payment_snapshot, params=params, key=idempotency_key)

    def find_payment(self, request: PaymentRequest, *, since: datetime) -> PaymentSnapshot | None:
        """Return the PaymentIntent that an earlier attempt has made."""
        made = self._items(self.v1.payment_intents.list, payment_snapshot, **self._made_since(since))
        return attempt_of(made, request, is_first=bool(self.account.connected_id))

    def confirm_payment(self, ref: PaymentRef, request: PaymentRequest, *, idempotency_key: str) -> PaymentSnapshot:
        """Confirm the intent if it still waits for that; otherwise say where it stands."""
        snapshot = self.retrieve_payment(ref)
        if snapshot.status not in CONFIRMABLE:
            return snapshot
        if self.account.is_localstripe:
            return self._confirm_on_localstripe(snapshot, request, idempotency_key)
        params: dict[str, Any] = self.with_charge()
        if request.payment_method:
            params["payment_method"] = request.payment_method
        if request.customer_id and not snapshot.customer_id:
            # What is saved on a customer pays their intents alone, and a confirmation does not say whose it is.
            update = {"customer": request.customer_id}
            key = f"{idempotency_key}-customer"
            ask(self.v1.payment_intents.update, payment_snapshot, snapshot.object_id, params=update, key=key)
        if request.success_url:
            params["return_url"] = request.success_url
        return self._confirm(snapshot.object_id, self._with_further(params, request.further), idempotency_key)

    def _confirm(self, intent_id: str, params: dict[str, Any], idempotency_key: str) -> PaymentSnapshot:
        return ask(self.v1.payment_intents.confirm, payment_snapshot, intent_id, params=params, key=idempotency_key)

    def _confirm_on_localstripe(
        self, snapshot: PaymentSnapshot, request: PaymentRequest, idempotency_key: str
    ) -> PaymentSnapshot:
        # localstripe takes no payment method when it confirms, and never confirms an intent whose charge has failed:
        # a new method needs an update before, a new attempt a new intent.
        intent_id = snapshot.object_id
        if snapshot.status == ProviderStatus.FAILED:
            intent_id = self.create_payment(request, idempotency_key=f"{idempotency_key}-new").object_id
        elif request.payment_method:
            params = {"payment_method": request.payment_method}
            key = f"{idempotency_key}-update"
            ask(self.v1.payment_intents.update, payment_snapshot, intent_id, params=params, key=key)
        try:
            return self._confirm(intent_id, {}, idempotency_key)
        except PaymentDeclined as error:
            # The new intent is the one that a later attempt goes on from.
            error.intent_id = intent_id
            raise
