"""How PayPal calls us; importing this registers the handlers of its events."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django_stripe_gateway.gateways.paypal.accounts import is_paypal_variant, share_paypal_account
from django_stripe_gateway.gateways.paypal.objects import parent_id
from django_stripe_gateway.webhooks.paypal import handlers  # noqa: F401
from django_stripe_gateway.webhooks.paypal.verification import verify_paypal_delivery
from django_stripe_gateway.webhooks.providers import Envelope, WebhookProvider


class PayPalWebhooks(WebhookProvider):
    """Signed with a certificate of PayPal's for the id of the webhook."""

    audited_headers = ("Paypal-Transmission-Id",)

    def verify(self, body: bytes, headers: Mapping[str, str], variant: str = "") -> str:
        """Return the first variant of the account whose webhook the delivery was signed for."""
        return verify_paypal_delivery(body, headers, variant)

    def read_envelope(self, data: Mapping[str, Any]) -> Envelope:
        """Return what is written on an event; its resource is left as PayPal sent it."""
        return Envelope(
            id=data.get("id"),
            type=data.get("event_type"),
            object=data.get("resource"),
            created=data.get("create_time"),
            api_version=data.get("resource_version") or data.get("event_version"),
        )

    def parents(self, obj: Mapping[str, Any]) -> Iterable[Any]:
        """Yield what a capture or a refund belongs to: the order, else what holds the money."""
        for collection in ("orders", "authorizations", "captures"):
            yield parent_id(obj, collection)
        yield obj.get("parent_payment")
        yield obj.get("sale_id")

    def may_speak_for(self, verified: str, variant: str) -> bool:
        """Return whether both variants are of one account."""
        return is_paypal_variant(variant) and share_paypal_account(verified, variant)
