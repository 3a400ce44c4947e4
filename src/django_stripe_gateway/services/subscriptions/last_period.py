"""Let what ends with its period end with the period of its plan, and not before that is over.

Left to itself, Stripe ends a subscription with the first of its items' periods: a yearly plan with the month of what is
charged beside it (https://docs.stripe.com/billing/subscriptions/mixed-interval).
"""

from __future__ import annotations

from django_stripe_gateway.gateways.billing_values import SubscriptionChange, SubscriptionSnapshot
from django_stripe_gateway.services.subscriptions.ends import end_of_plan
from django_stripe_gateway.services.subscriptions.line import CustomerClaim


def end_with_plan(
    claim: CustomerClaim, found: SubscriptionSnapshot, *, is_to_end: bool | None = None
) -> SubscriptionSnapshot:
    """Set the end of a subscription to that of its plan's period, where another item's period ends then.

    Only what the provider says of a subscription as it is now tells when its periods end: a verb that begins one, or
    finds that an earlier attempt has done so, asks for this last.

    Args:
        found: the subscription of the claim, as it is at the provider.
        is_to_end: whether it shall end with its period; ``None`` for what the provider says.

    Returns:
        The subscription as it is then; as it was found where nothing had to be done.
    """
    subscription = claim.seen
    if is_to_end is None:
        is_to_end = found.cancel_at_period_end and found.cancel_at != subscription.fixed_end
    ends_at = end_of_plan(found, subscription.item_id) if is_to_end else None
    if ends_at is None or ends_at == found.cancel_at:
        return found
    end = SubscriptionChange(cancel_at=ends_at, proration="none")
    ended: SubscriptionSnapshot = claim.gateway.change_subscription(
        subscription.provider_id, end, idempotency_key=f"{claim.key}-end"
    )
    return ended
