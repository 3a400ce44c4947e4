"""Take back a cancellation."""

from __future__ import annotations

from django_stripe_gateway.choices import BillingOperationKind
from django_stripe_gateway.exceptions import WrongState
from django_stripe_gateway.gateways.billing_values import SubscriptionSnapshot
from django_stripe_gateway.models import Subscription
from django_stripe_gateway.services.operations.verbs import register
from django_stripe_gateway.services.origins import SYSTEM, Origin
from django_stripe_gateway.services.subscriptions.change import change_at_provider
from django_stripe_gateway.services.subscriptions.line import (
    CustomerClaim,
    SubscriptionVerb,
    run_on_subscription,
)


class ResumeVerb(SubscriptionVerb):
    """Let a cancelled subscription go on."""

    kind = BillingOperationKind.RESUME

    def check_subscription(self, claim: CustomerClaim, subscription: Subscription) -> None:
        """Let only what is cancelled and still runs go on, and only with a plan that renews."""
        if not subscription.on_grace_period:
            raise WrongState("Only a cancelled subscription whose period still runs can be resumed.")
        if subscription.plan is not None and not subscription.plan.auto_renew:
            raise WrongState("This plan does not renew.")

    def call(self, claim: CustomerClaim) -> SubscriptionSnapshot:
        """Set that it renews."""
        return change_at_provider(claim)


RESUME_SUBSCRIPTION = register(ResumeVerb())


def resume_subscription(
    *, subscription: Subscription, idempotency_key: str | None = None, origin: Origin = SYSTEM
) -> Subscription:
    """Take back a cancellation while the period still runs.

    Raises:
        WrongState: it is over, or was not cancelled; or its plan does not renew.
        ProviderError: the provider refused or failed.
    """

    params = {"cancel_at_period_end": False}
    return run_on_subscription(RESUME_SUBSCRIPTION, subscription, params, idempotency_key, origin)
