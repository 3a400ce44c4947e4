"""Payments on Stripe's hosted page (Checkout Sessions)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django_stripe_gateway.exceptions import ProviderError, UnsupportedByGateway
from django_stripe_gateway.gateways.base import Gateway
from django_stripe_gateway.gateways.stripe.calls import ask
from django_stripe_gateway.gateways.stripe.intents import StripeIntentGateway
from django_stripe_gateway.gateways.stripe.payment_objects import payment_snapshot
from django_stripe_gateway.gateways.stripe.payments import INTENT_PREFIX, StripeGateway, attempt_of
from django_stripe_gateway.gateways.values import PaymentRef, PaymentRequest, PaymentSnapshot
from django_stripe_gateway.money import to_minor_units


class StripeCheckoutGateway(StripeGateway):
    """Sends the customer to a Checkout Session; the webhook or the success page brings the result."""

    supports_redirect = True

    def create_payment(self, request: PaymentRequest, *, idempotency_key: str) -> PaymentSnapshot:
        """Create a Checkout Session; its ``redirect_url`` is where the customer pays.

        One that stands within the host's own page has a ``client_secret`` instead.
        """
        params: dict[str, Any] = {
            "mode": "payment",
            "line_items": [
                {
                    "quantity": item.quantity,
                    "price_data": {
                        "currency": request.currency.lower(),
                        "unit_amount": to_minor_units(item.price, request.currency),
                        "product_data": {"name": item.name},
                    },
                }
                for item in request.items
            ],
            "success_url": request.success_url,
            "cancel_url": request.cancel_url,
            "client_reference_id": request.token,
            "metadata": dict(request.metadata),
            "payment_intent_data": self._intent_params(request),
            # Else the account's own default decides, and may add taxes that nobody here has asked for
            # (https://docs.stripe.com/tax/checkout/automatic-tax-default).
            "automatic_tax": {"enabled": False},
        }
        if request.customer_id:
            # Stripe shows what the customer has agreed to be shown, and knows their name and e-mail address.
            params["customer"] = request.customer_id
            if request.offer_to_save and not request.save_payment_method:
                params["saved_payment_method_options"] = {"payment_method_save": "enabled"}
        elif request.customer_email:
            params["customer_email"] = request.customer_email
        if request.expires_at:
            params["expires_at"] = int(request.expires_at.timestamp())
        params = self._page_with_further(params, request.further)
        snapshot = ask(self.v1.checkout.sessions.create, payment_snapshot, params=params, key=idempotency_key)
        if not (snapshot.redirect_url or snapshot.client_secret):
            raise ProviderError("Stripe returned a Checkout Session without a URL.", code="malformed_object")
        return snapshot

    def for_object(self, object_id: str) -> Gateway:
        """Return the gateway of PaymentIntents for a payment that was charged without its customer."""
        return StripeIntentGateway(self.account) if object_id.startswith(INTENT_PREFIX) else self

    def find_payment(self, request: PaymentRequest, *, since: datetime) -> PaymentSnapshot | None:
        """Return the Checkout Session that an earlier attempt has made."""
        made = self._items(self.v1.checkout.sessions.list, payment_snapshot, **self._made_since(since))
        return attempt_of(made, request, is_first=bool(self.account.connected_id))

    def confirm_payment(self, ref: PaymentRef, request: PaymentRequest, *, idempotency_key: str) -> PaymentSnapshot:
        """Refuse: the customer confirms on Stripe's page."""
        raise UnsupportedByGateway("This payment is confirmed by the customer on Stripe's page.")
