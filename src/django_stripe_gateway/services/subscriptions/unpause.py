"""Collect money for a subscription again."""

from __future__ import annotations

from django_stripe_gateway.choices import BillingOperationKind, SubscriptionStatus
from django_stripe_gateway.exceptions import WrongState
from django_stripe_gateway.gateways.billing_values import SubscriptionSnapshot
from django_stripe_gateway.models import Subscription
from django_stripe_gateway.services.operations.verbs import register
from django_stripe_gateway.services.origins import SYSTEM, Origin
from django_stripe_gateway.services.subscriptions.line import (
    CustomerClaim,
    SubscriptionVerb,
    run_on_subscription,
    subscription_id,
)
from django_stripe_gateway.services.subscriptions.pause import check_supports_pause


class UnpauseVerb(SubscriptionVerb):
    """Collect money again."""

    kind = BillingOperationKind.UNPAUSE

    def check_subscription(self, claim: CustomerClaim, subscription: Subscription) -> None:
        """Let only what is paused go on."""
        if subscription.has_ended or not subscription.is_paused:
            raise WrongState("This subscription is not paused.")

    def call(self, claim: CustomerClaim) -> SubscriptionSnapshot:
        """End the pause."""
        snapshot: SubscriptionSnapshot = claim.gateway.unpause_subscription(
            subscription_id(claim), idempotency_key=claim.key
        )
        return snapshot

    def find_earlier(self, claim: CustomerClaim) -> SubscriptionSnapshot | None:
        """Return the subscription if it is not paused any more: the provider may refuse to end a pause twice."""
        found: SubscriptionSnapshot = claim.gateway.retrieve_subscription(subscription_id(claim))
        is_paused = bool(found.pause_behavior) or found.status == SubscriptionStatus.PAUSED
        return None if is_paused else found


UNPAUSE_SUBSCRIPTION = register(UnpauseVerb())


def unpause_subscription(
    *, subscription: Subscription, idempotency_key: str | None = None, origin: Origin = SYSTEM
) -> Subscription:
    """Collect money again; see ``pause_subscription`` for what is raised."""
    check_supports_pause(subscription)
    return run_on_subscription(UNPAUSE_SUBSCRIPTION, subscription, {}, idempotency_key, origin)
