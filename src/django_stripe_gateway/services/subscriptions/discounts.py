"""Lower what a running subscription costs, by a promotion code or a coupon; and take that back."""

from __future__ import annotations

from typing import Any

from django_stripe_gateway.choices import BillingOperationKind
from django_stripe_gateway.exceptions import InvalidInput, UnsupportedByGateway
from django_stripe_gateway.gateways.billing_values import SubscriptionSnapshot
from django_stripe_gateway.gateways.registry import get_billing_gateway
from django_stripe_gateway.gateways.subscription_values import DiscountChange
from django_stripe_gateway.models import Subscription
from django_stripe_gateway.services.operations.verbs import register
from django_stripe_gateway.services.origins import SYSTEM, Origin
from django_stripe_gateway.services.subscriptions.line import (
    CustomerClaim,
    SubscriptionVerb,
    check_changeable,
    run_on_subscription,
)
from django_stripe_gateway.services.subscriptions.promotion_codes import check_unused, promotion_code_id
from django_stripe_gateway.services.subscriptions.schedule import let_go


class ChangeDiscountVerb(SubscriptionVerb):
    """Set the discounts of a subscription: one coupon of the host's at most, and one code of the customer's."""

    kind = BillingOperationKind.CHANGE_DISCOUNT

    def check_subscription(self, claim: CustomerClaim, subscription: Subscription) -> None:
        """Let only what runs be changed, and nobody use a promotion code twice."""
        check_changeable(subscription)
        params = claim.params
        code, coupon = params["promotion_code_id"], params["coupon"]
        if not code and not coupon:
            claim.is_answered = not subscription.discounts
            return
        if any(_is_asked(known, code, coupon) for known in subscription.discounts):
            claim.is_answered = True
            return
        check_unused(claim.subject.pk, code)
        # The new one takes the place of the one of its kind.
        params["kept"] = [
            known["discount"] for known in subscription.discounts if bool(known.get("promotion_code")) != bool(code)
        ]

    def call(self, claim: CustomerClaim) -> SubscriptionSnapshot:
        """Set them; what was scheduled without them is dropped."""
        let_go(claim)
        params = claim.params
        change = DiscountChange(params.get("kept", ()), params["coupon"], params["promotion_code_id"])
        snapshot: SubscriptionSnapshot = claim.gateway.change_discounts(
            claim.seen.provider_id, change, idempotency_key=claim.key
        )
        return snapshot

    def find_earlier(self, claim: CustomerClaim) -> SubscriptionSnapshot | None:
        """Return the subscription if it has the discount: to redeem a code again may not be allowed."""
        code, coupon = claim.params["promotion_code_id"], claim.params["coupon"]
        found: SubscriptionSnapshot = claim.gateway.retrieve_subscription(claim.seen.provider_id)
        is_done = any(_is_asked(known, code, coupon) for known in found.discounts)
        return found if is_done else None


CHANGE_DISCOUNT = register(ChangeDiscountVerb())


def apply_discount(
    *,
    subscription: Subscription,
    promotion_code: str = "",
    coupon: str = "",
    idempotency_key: str | None = None,
    origin: Origin = SYSTEM,
) -> Subscription:
    """Lower what a running subscription costs from its next invoice on.

    A code takes the place of the code that there is, and a coupon that of the coupon.

    Args:
        promotion_code: as customers enter it; each customer may use one once. ``coupon``: the provider's id, for what
            the host gives.

    Raises:
        InvalidInput: not one of the two was given; or there is no such code, or it has been used by this customer.
        WrongState: it is over, or its first payment is open.
        UnsupportedByGateway: this provider cannot do it.
        ProviderError: the provider refused (the code is for others), or failed.
    """
    if bool(promotion_code) == bool(coupon):
        raise InvalidInput("Give a promotion code or a coupon.", field="promotion_code")
    gateway = get_billing_gateway(subscription.variant)
    if not gateway.supports_promotion_codes:
        raise UnsupportedByGateway("This gateway knows no promotion codes.")
    code = promotion_code_id(gateway, promotion_code) if promotion_code else ""
    return _run(subscription, code, coupon, idempotency_key, origin)


def remove_discount(
    *, subscription: Subscription, idempotency_key: str | None = None, origin: Origin = SYSTEM
) -> Subscription:
    """Take away all that lowers the price of a subscription; see ``apply_discount`` for what is raised."""
    return _run(subscription, "", "", idempotency_key, origin)


def _run(subscription: Subscription, code: str, coupon: str, key: str | None, origin: Origin) -> Subscription:
    params = {"promotion_code_id": code, "coupon": coupon}
    return run_on_subscription(CHANGE_DISCOUNT, subscription, params, key, origin)


def _is_asked(known: Any, code: str, coupon: str) -> bool:
    """Return whether a discount is of this code, or of this coupon without a code."""
    if code:
        return bool(known.get("promotion_code") == code)
    return bool(coupon and known.get("coupon") == coupon and not known.get("promotion_code"))
