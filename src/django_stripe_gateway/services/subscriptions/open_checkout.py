"""Make a page of the provider that starts a subscription."""

from __future__ import annotations

from django_stripe_gateway.choices import BillingOperationKind
from django_stripe_gateway.gateways.billing_values import BillingCheckoutSnapshot, SubscriptionCheckoutRequest
from django_stripe_gateway.services.operations.verbs import register
from django_stripe_gateway.services.subscriptions.checkouts import note_checkout
from django_stripe_gateway.services.subscriptions.line import CustomerClaim, claimed_subscription, customer_id
from django_stripe_gateway.services.subscriptions.locks import lock_subscription
from django_stripe_gateway.services.subscriptions.start import StartVerb, subscription_request


class OpenCheckoutVerb(StartVerb[BillingCheckoutSnapshot]):
    """Make the page."""

    kind = BillingOperationKind.CHECKOUT

    def call(self, claim: CustomerClaim) -> BillingCheckoutSnapshot:
        """Make it; nothing is paid by that."""
        request = SubscriptionCheckoutRequest(
            subscription=subscription_request(claim),
            success_url=claim.params["success_url"],
            cancel_url=claim.params["cancel_url"],
            allow_promotion_codes=claim.params["allow_promotion_codes"],
        )
        page: BillingCheckoutSnapshot = claim.gateway.create_subscription_checkout(request, idempotency_key=claim.key)
        return page

    def find_earlier(self, claim: CustomerClaim) -> BillingCheckoutSnapshot | None:
        """Return the page that carries the subscription's token."""
        page: BillingCheckoutSnapshot | None = claim.gateway.find_subscription_checkout(
            customer_id(claim), claim.seen.subscription.token
        )
        return page

    def apply(self, claim: CustomerClaim, answer: BillingCheckoutSnapshot) -> str:
        """Keep the page's id, and the ids of what it may have started already."""
        note_checkout(lock_subscription(claim.seen.subscription.pk), answer, claim.origin)
        return answer.session_id

    def after_apply(self, claim: CustomerClaim) -> None:
        """Return the subscription with the page's address, which is not stored."""
        claim.result = claimed_subscription(claim)
        claim.result.gateway_url = claim.answer.url


OPEN_CHECKOUT = register(OpenCheckoutVerb())
