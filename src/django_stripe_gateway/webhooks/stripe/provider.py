"""How Stripe calls us; importing this registers the handlers of its events."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any

from django_stripe_gateway.conf import gateway_settings
from django_stripe_gateway.exceptions import WebhookRejected
from django_stripe_gateway.gateways.stripe.accounts import stripe_account, stripe_accounts
from django_stripe_gateway.gateways.stripe.billing_objects import invoice_subscription_id
from django_stripe_gateway.gateways.stripe.events import StripeEvents
from django_stripe_gateway.gateways.stripe.payment_objects import object_id
from django_stripe_gateway.gateways.stripe.signatures import signing_account
from django_stripe_gateway.webhooks.events import Event
from django_stripe_gateway.webhooks.providers import Envelope, LookedUp, WebhookProvider
from django_stripe_gateway.webhooks.stripe import handlers  # noqa: F401
from django_stripe_gateway.webhooks.stripe.connected import place
from django_stripe_gateway.webhooks.stripe.thin import full_type, look_up
from django_stripe_gateway.webhooks.stripe.variants import event_variant, may_speak_for

logger = logging.getLogger(__name__)


class StripeWebhooks(WebhookProvider):
    """Signed with a secret of the endpoint; whole or thin events."""

    def verify(self, body: bytes, headers: Mapping[str, str], variant: str = "") -> str:
        """Return the first variant of the account one of whose secrets signed the delivery: fail closed.

        The reason of a refusal is in the log and not in the answer.
        """
        signature = headers.get("Stripe-Signature", "")
        accounts = [stripe_account(variant)] if variant else list(stripe_accounts())
        signed = [account for account in accounts if account.signing_secrets]
        # Hexadecimal digits; the comparison in constant time takes nothing else than ASCII.
        if signature.isascii() and signature and signed:
            account = signing_account(body.decode(), signature, signed, gateway_settings.webhook_tolerance)
            if account is not None:
                return event_variant(account)
        unsigned = next((account for account in accounts if account.accepts_unsigned_webhooks), None)
        if unsigned is not None:
            # Development on localstripe without a secret.
            return event_variant(unsigned)
        if not signed:
            logger.error("A webhook was refused: no signing secret is configured. Set STRIPE_GATEWAY_WEBHOOK_SECRET.")
        elif not signature:
            logger.warning("A webhook was refused: it has no Stripe-Signature header.")
        else:
            logger.warning("A webhook was refused: no configured secret signed it, or its timestamp is too old.")
        raise WebhookRejected("The signature is missing or wrong.", code="bad_signature")

    def read_envelope(self, data: Mapping[str, Any]) -> Envelope:
        """Return what is written on an event; of a thin one (API v2) the object is its ``related_object``."""
        inner, related = data.get("data"), data.get("related_object")
        obj: Mapping[str, Any] | None = None
        held = _object_in(inner)
        if held is not None:
            # Stripe always names the kind of object; where a sender of tests does not, the event's type does:
            # "charge.dispute.created" is about a dispute.
            prefix = str(data.get("type")).rpartition(".")[0]
            obj = {"object": prefix.removeprefix("charge.") or prefix, **held}
        elif related is not None or str(data.get("object", "")).startswith("v2."):
            obj = related if isinstance(related, Mapping) else {}
        # A thin one's context are the accounts to go through, the event's own last.
        context = data.get("context")
        account = data.get("account")
        if account is None:
            account = context.rpartition("/")[2] if isinstance(context, str) else context
        if account is not None and obj is not None and obj.get("object") == "application":
            # A seller has left it: the account is what the event waits for.
            obj = {**obj, "account": account}
        names = ("id", "type", "created", "livemode", "api_version", "context")
        previous = inner.get("previous_attributes") if isinstance(inner, Mapping) else None
        return Envelope(
            object=obj,
            previous=previous,
            account=account,
            same_as=data.get("snapshot_event"),
            is_thin=obj is not None and held is None,
            **{name: data.get(name) for name in names},
        )

    def parents(self, obj: Mapping[str, Any]) -> Iterable[Any]:
        """Yield what an object belongs to.

        Of sessions, charges, refunds and disputes that is the payment intent, of an invoice the subscription, of its
        payments and credit notes the invoice, of a subscription the customer, and of an application the account.
        """
        kind = obj.get("object")
        if kind == "application":
            yield obj.get("account")
        if kind in ("invoice_payment", "credit_note"):
            yield object_id(obj.get("invoice"))
        # The older generation's invoice names its payment, too; its subscription is what it waits for.
        yield object_id(invoice_subscription_id(obj) if kind == "invoice" else obj.get("payment_intent"))
        if kind in ("invoice", "subscription"):
            yield object_id(obj.get("customer"))

    def related_object(
        self, variant: str, related: Mapping[str, Any], context: str, account_id: str = ""
    ) -> dict[str, Any]:
        """Return the object that an event names."""
        return StripeEvents(stripe_account(variant)).related_object(related, context=context, account_id=account_id)

    def place(self, variant: str, account_id: str, livemode: bool | None, kind: str = "") -> tuple[str, str]:
        """Return whose an event is that names its account."""
        return place(variant, account_id, livemode, kind)

    def full_type(self, event_type: str) -> str:
        """Return the type of a thin event of API v1 without its prefix."""
        return full_type(event_type)

    def look_up(self, event: Event) -> LookedUp:
        """Ask for the object of a thin event of API v1."""
        return look_up(event)

    def may_speak_for(self, verified: str, variant: str) -> bool:
        """Return whether both variants are of one account, or share a secret."""
        return may_speak_for(verified, variant)


def _object_in(data: Any) -> Mapping[str, Any] | None:
    held = data.get("object") if isinstance(data, Mapping) else None
    return held if isinstance(held, Mapping) else None
