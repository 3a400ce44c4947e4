"""How Acme Pay calls us: a delivery is genuine if its ``Acme-Signature`` is the body's HMAC."""

from __future__ import annotations

import hashlib
import hmac
import logging
from collections.abc import Mapping
from typing import Any

from acme_pay.accounts import NAME, acme_account, acme_variants
from acme_pay.payments import payment_snapshot, refund_snapshot
from django_stripe_gateway.exceptions import WebhookRejected
from django_stripe_gateway.models import AbstractPayment, Subscription
from django_stripe_gateway.subscriptions import sync_subscription
from django_stripe_gateway.webhooks import (
    Event,
    FetchNeeded,
    WebhookProvider,
    WebhookState,
    apply_refund,
    apply_snapshot,
    change_payment,
    clean_id,
    find_payment,
    handles,
)

logger = logging.getLogger(__name__)


class AcmeWebhooks(WebhookProvider):
    """Signed with the secret of the variant."""

    def verify(self, body: bytes, headers: Mapping[str, str], variant: str = "") -> str:
        """Return the variant whose secret has signed the body."""
        signature = headers.get("Acme-Signature", "")
        for name in [variant] if variant else acme_variants():
            secret = acme_account(name).webhook_secret
            expected = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
            if secret and hmac.compare_digest(expected.encode(), signature.encode()):
                return name
        logger.warning("A webhook of Acme Pay was refused: no secret fits its signature.")
        raise WebhookRejected("The signature is missing or wrong.", code="bad_signature")


@handles("payment.held", "payment.paid", provider=NAME, built_in=True)
def handle_payment(event: Event) -> WebhookState:
    """Bring the payment to the state of its event."""

    def apply(payment: AbstractPayment) -> None:
        apply_snapshot(payment, payment_snapshot(event.object), event.origin)

    return change_payment(event, _find(event, "id"), apply)


@handles("refund.made", provider=NAME, built_in=True)
def handle_refund(event: Event) -> WebhookState:
    """Write a refund, whoever made it."""

    def apply(payment: AbstractPayment) -> None:
        apply_refund(payment, refund_snapshot(event.object), event.origin)

    return change_payment(event, _find(event, "payment"), apply)


@handles("subscription.started", "subscription.ended", provider=NAME, built_in=True)
def handle_subscription(event: Event) -> WebhookState:
    """Bring the subscription to what Acme Pay says now, which is asked once the handlers are through."""
    provider_id = clean_id(event.object.get("id"))
    subscription = Subscription.objects.filter(provider_id=provider_id, variant=event.variant).first()
    if subscription is None:
        return WebhookState.UNMATCHED
    if event.fetched is None:
        raise FetchNeeded(lambda: sync_subscription(subscription=subscription, origin=event.origin))
    return WebhookState.PROCESSED


def _find(event: Event, name: str) -> AbstractPayment | None:
    reference: Any = event.object.get("reference")
    token = clean_id(reference.get("token")) if isinstance(reference, Mapping) else ""
    return find_payment(token, [("transaction_id", clean_id(event.object.get(name)))])
