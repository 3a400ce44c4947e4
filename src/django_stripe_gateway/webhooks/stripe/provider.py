"""How Stripe calls us; importing this registers the handlers of its events."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django_stripe_gateway.gateways.stripe.accounts import stripe_account
from django_stripe_gateway.gateways.stripe.events import StripeEvents
from django_stripe_gateway.webhooks.providers import Envelope, WebhookProvider
from django_stripe_gateway.webhooks.stripe import handlers  # noqa: F401
from django_stripe_gateway.webhooks.stripe.envelopes import stripe_envelope
from django_stripe_gateway.webhooks.stripe.parents import parents_of
from django_stripe_gateway.webhooks.stripe.verification import may_speak_for, verify_stripe_delivery


class StripeWebhooks(WebhookProvider):
    """Signed with a secret of the endpoint; whole or thin events."""

    def verify(self, body: bytes, headers: Mapping[str, str], variant: str = "") -> str:
        """Return the first variant of the account one of whose secrets signed the delivery."""
        return verify_stripe_delivery(body.decode(), headers.get("Stripe-Signature", ""), variant)

    def read_envelope(self, data: Mapping[str, Any]) -> Envelope:
        """Return what is written on an event."""
        return stripe_envelope(data)

    def parents(self, obj: Mapping[str, Any]) -> Iterable[Any]:
        """Return the payment intent, subscription or customer that an object belongs to."""
        return parents_of(obj)

    def related_object(self, variant: str, related: Mapping[str, Any], context: str) -> dict[str, Any]:
        """Return the object that a thin event names."""
        return StripeEvents(stripe_account(variant)).related_object(related, context=context)

    def may_speak_for(self, verified: str, variant: str) -> bool:
        """Return whether both variants are of one account, or share a secret."""
        return may_speak_for(verified, variant)
