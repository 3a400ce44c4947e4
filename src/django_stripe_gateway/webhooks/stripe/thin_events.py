"""Thin events of Stripe's API v2, which only name the object that they are about."""

from __future__ import annotations

from typing import Any

from django_stripe_gateway.gateways.stripe.accounts import stripe_account
from django_stripe_gateway.gateways.stripe.events import StripeEvents
from django_stripe_gateway.webhooks.events import Event


def fetch_related_object(*, event: Event) -> dict[str, Any]:
    """Ask Stripe for the object that a thin event names; in a handler, by way of ``FetchNeeded``.

    Returns:
        The object as plain values, as it is now.

    Raises:
        ProviderError: the event names no object of Stripe's, or Stripe refused or failed.
    """
    return StripeEvents(stripe_account(event.account)).related_object(event.object, context=event.context)
