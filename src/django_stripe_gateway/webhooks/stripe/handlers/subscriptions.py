"""Subscriptions: begun, changed, paused, ended, and trials that are about to end."""

from __future__ import annotations

from django_stripe_gateway import signals
from django_stripe_gateway.choices import WebhookState
from django_stripe_gateway.models import Subscription
from django_stripe_gateway.services.subscriptions.announcements import announce
from django_stripe_gateway.webhooks.events import Event
from django_stripe_gateway.webhooks.stripe.billing import apply_subscription_event
from django_stripe_gateway.webhooks.stripe.forms import was_told_in_other_form
from django_stripe_gateway.webhooks.stripe.registration import handles


@handles(
    "customer.subscription.created",
    "customer.subscription.updated",
    "customer.subscription.deleted",
    "customer.subscription.paused",
    "customer.subscription.resumed",
    "customer.subscription.pending_update_applied",
    "customer.subscription.pending_update_expired",
)
def handle_subscription(event: Event) -> WebhookState:
    """Bring the subscription to its provider's state."""
    return apply_subscription_event(event)


@handles("customer.subscription.trial_will_end")
def handle_trial_will_end(event: Event) -> WebhookState:
    """Announce that a trial ends soon, unless it is over by now."""

    def announce_end(subscription: Subscription) -> None:
        if subscription.on_trial and not was_told_in_other_form(event):
            announce(signals.subscription_trial_ending, subscription)

    return apply_subscription_event(event, announce_end)
