"""Thin events of Stripe's API v2, which only name the object that they are about."""

from __future__ import annotations

from typing import Any

from django_stripe_gateway.gateways.stripe.accounts import stripe_account
from django_stripe_gateway.gateways.stripe.events import StripeEvents
from django_stripe_gateway.webhooks.events import Event


def fetch_related_object(event: Event) -> dict[str, Any]:
    """Return the object that a thin event names, as it is now at Stripe; see ``webhooks.fetch_related_object``."""
    return StripeEvents(stripe_account(event.account)).related_object(event.object, context=event.context)
