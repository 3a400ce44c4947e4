"""Abandon the start of a subscription: close the page that could start it, and end what has been started meanwhile."""

from __future__ import annotations

from typing import Any

from django_stripe_gateway.choices import BillingOperationKind, SubscriptionStatus
from django_stripe_gateway.exceptions import ProviderStateError, ProviderUnavailable
from django_stripe_gateway.gateways.billing_values import BillingCheckoutSnapshot
from django_stripe_gateway.models import BillingOperation, Subscription
from django_stripe_gateway.services.operations.verbs import register
from django_stripe_gateway.services.origins import Origin
from django_stripe_gateway.services.subscriptions.cancel import CANCEL_SUBSCRIPTION
from django_stripe_gateway.services.subscriptions.checkouts import note_checkout
from django_stripe_gateway.services.subscriptions.line import (
    CustomerClaim,
    CustomerVerb,
    ask_after_commit,
    claimed_subscription,
)
from django_stripe_gateway.services.subscriptions.sync import lock_subscription
from django_stripe_gateway.services.transactions import payments_database

# How a subscription is ended at once, as ``cancel_subscription`` asks for it.
AT_ONCE: dict[str, Any] = {
    "at_period_end": False,
    "cancel_at_period_end": True,
    "cancel_at": None,
    "proration": "none",
    "refund_unused": "",
    "reason": "",
    "comment": "",
}
STARTS = (BillingOperationKind.SUBSCRIBE, BillingOperationKind.CHECKOUT)


class AbandonVerb(CustomerVerb[BillingCheckoutSnapshot | None]):
    """Abandon a start."""

    kind = BillingOperationKind.ABANDON

    def check(self, claim: CustomerClaim) -> None:
        """Ask nobody about what is over."""
        claim.seen = subscription = claimed_subscription(claim)
        claim.is_answered = subscription is None or subscription.has_ended

    def call(self, claim: CustomerClaim) -> BillingCheckoutSnapshot | None:
        """Close the page; one that cannot be closed says what became of it."""
        seen: Subscription = claim.seen
        if seen.provider_id or seen.has_ended:
            return None
        starts = BillingOperation.objects.using(payments_database()).filter(subscription=seen, kind__in=STARTS)
        if starts.pending().exists():
            # Whoever settles it knows what has been started.
            raise ProviderUnavailable("What has started this subscription is not settled yet.", code="start_unsettled")
        if not seen.checkout_id:
            return None
        try:
            page: BillingCheckoutSnapshot = claim.gateway.expire_subscription_checkout(
                seen.checkout_id, idempotency_key=claim.key
            )
        except ProviderStateError:
            page = claim.gateway.retrieve_subscription_checkout(seen.checkout_id)
        return page

    def find_earlier(self, claim: CustomerClaim) -> BillingCheckoutSnapshot | None:
        """Return nothing: a page that is closed already says so when it is closed again."""
        return None

    def apply(self, claim: CustomerClaim, answer: BillingCheckoutSnapshot | None) -> str:
        """Write where the page stands; what has been started is ended after that, as another operation."""
        subscription = lock_subscription(claim.seen.pk)
        if answer is not None:
            note_checkout(subscription, answer, claim.origin)
        if subscription.provider_id and not subscription.has_ended:
            end_after_commit(subscription, claim.origin)
        return answer.session_id if answer is not None else ""


ABANDON = register(AbandonVerb())


def end_after_commit(subscription: Subscription, origin: Origin) -> None:
    """Commit, with whatever the caller's transaction holds, that a subscription is to end at once.

    It is carried out after the commit; ``reconcile`` finds it if that fails.
    """
    verb = CANCEL_SUBSCRIPTION if subscription.provider_id else ABANDON
    asked = verb.operations(subscription.customer_id).pending().filter(kind=verb.kind, subscription=subscription)
    if any(
        params.get("at_period_end") is False or verb is ABANDON for params in asked.values_list("params", flat=True)
    ):
        return
    params = AT_ONCE if verb is CANCEL_SUBSCRIPTION else {}
    if subscription.status == SubscriptionStatus.INCOMPLETE:
        # Its first invoice could still be paid.
        params = {"at_period_end": False, "unpaid_invoice_id": subscription.latest_invoice_id}
    ask_after_commit(verb, subscription.customer_id, params, origin, subscription=subscription)
