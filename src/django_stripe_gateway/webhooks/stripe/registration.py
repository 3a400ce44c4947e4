"""How Stripe's own handlers are registered: for its events, and as those that a host can turn off."""

from __future__ import annotations

from functools import partial

from django_stripe_gateway.webhooks import registry

handles = partial(registry.handles, provider="stripe", built_in=True)
