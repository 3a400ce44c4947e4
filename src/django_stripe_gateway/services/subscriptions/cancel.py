"""Let a subscription end with its period, or at once."""

from __future__ import annotations

from django_stripe_gateway.choices import BillingOperationKind
from django_stripe_gateway.exceptions import WrongState
from django_stripe_gateway.gateways.billing_values import SubscriptionSnapshot
from django_stripe_gateway.models import Subscription
from django_stripe_gateway.services.operations.verbs import register
from django_stripe_gateway.services.origins import SYSTEM, Origin
from django_stripe_gateway.services.subscriptions.change import change_at_provider
from django_stripe_gateway.services.subscriptions.line import (
    CHANGEABLE,
    CustomerClaim,
    SubscriptionVerb,
    run_on_subscription,
    subscription_id,
)


class CancelVerb(SubscriptionVerb):
    """End a subscription."""

    kind = BillingOperationKind.CANCEL

    def check_subscription(self, claim: CustomerClaim, subscription: Subscription) -> None:
        """Let nothing be cancelled that is over; what is not paid for has no period to end with."""
        if subscription.has_ended:
            raise WrongState("This subscription is over.")
        if claim.params["at_period_end"] and subscription.status not in CHANGEABLE:
            raise WrongState(f"A subscription that is {subscription.status} can only be cancelled at once.")

    def call(self, claim: CustomerClaim) -> SubscriptionSnapshot:
        """Set its end, or end it."""
        if claim.params["at_period_end"]:
            return change_at_provider(claim)
        snapshot: SubscriptionSnapshot = claim.gateway.cancel_subscription(
            subscription_id(claim), idempotency_key=claim.key
        )
        return snapshot

    def find_earlier(self, claim: CustomerClaim) -> SubscriptionSnapshot | None:
        """Return the subscription if it has ended: that happens once."""
        if claim.params["at_period_end"]:
            return None
        found: SubscriptionSnapshot = claim.gateway.retrieve_subscription(subscription_id(claim))
        return None if found.ended_at is None else found


CANCEL_SUBSCRIPTION = register(CancelVerb())


def cancel_subscription(
    *,
    subscription: Subscription,
    at_period_end: bool = True,
    idempotency_key: str | None = None,
    origin: Origin = SYSTEM,
) -> Subscription:
    """Let a subscription end with its period, or at once; what is cancelled already stays so.

    Args:
        at_period_end: ``False`` ends it now; nothing is given back for what is left of the period.

    Raises:
        WrongState: it is over, or was never started.
        ProviderError: the provider refused or failed.
    """

    params = {"at_period_end": at_period_end, "cancel_at_period_end": True}
    return run_on_subscription(CANCEL_SUBSCRIPTION, subscription, params, idempotency_key, origin)
