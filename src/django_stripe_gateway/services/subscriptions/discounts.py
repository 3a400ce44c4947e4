"""Lower what a running subscription costs, by a promotion code or a coupon; and take that back."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from django_stripe_gateway.choices import BillingOperationKind
from django_stripe_gateway.exceptions import InvalidInput, UnsupportedByGateway
from django_stripe_gateway.gateways.billing_values import SubscriptionSnapshot
from django_stripe_gateway.gateways.subscription_values import DiscountChange
from django_stripe_gateway.models import Subscription
from django_stripe_gateway.services.accounts import billing_gateway_of
from django_stripe_gateway.services.operations.verbs import register
from django_stripe_gateway.services.origins import SYSTEM, Origin
from django_stripe_gateway.services.subscriptions.line import (
    CustomerClaim,
    SubscriptionVerb,
    check_changeable,
    customer_id,
    run_on_subscription,
)
from django_stripe_gateway.services.subscriptions.promotion_codes import (
    check_unused,
    check_unused_elsewhere,
    promotion_code_id,
)
from django_stripe_gateway.services.subscriptions.schedule import let_go
from django_stripe_gateway.services.subscriptions.unpaid import give_up_uses

Discounts = Sequence[Mapping[str, str | None]]


class ChangeDiscountVerb(SubscriptionVerb):
    """Set the discounts of a subscription: one coupon of the host's at most, and one code of the customer's."""

    kind = BillingOperationKind.CHANGE_DISCOUNT

    def check_subscription(self, claim: CustomerClaim, subscription: Subscription) -> None:
        """Let only what runs be changed, and nobody use a promotion code twice."""
        check_changeable(subscription)
        if not _is_done(subscription.discounts, claim.params):
            check_unused(claim.subject.pk, claim.params["promotion_code_id"])

    def call(self, claim: CustomerClaim) -> SubscriptionSnapshot:
        """Set them; what was scheduled without them is dropped.

        The provider puts the whole list in the place of what there is, which it alone knows: somebody else may have
        changed it, and an event may not have told which code a discount is of.
        """
        params = claim.params
        found: SubscriptionSnapshot = claim.gateway.retrieve_subscription(claim.seen.provider_id)
        if _is_done(found.discounts, params):
            return found
        check_unused_elsewhere(claim.gateway, customer_id(claim), params["promotion_code_id"])
        let_go(claim)
        kept = _kept(found.discounts, params)
        change = DiscountChange(kept, params["coupon"], params["promotion_code_id"])
        # A later attempt that finds others to keep is another request.
        key = f"{claim.key}-{hashlib.sha256(' '.join(kept).encode()).hexdigest()[:16]}"
        found = claim.gateway.change_discounts(claim.seen.provider_id, change, idempotency_key=key)
        return found

    def find_earlier(self, claim: CustomerClaim) -> SubscriptionSnapshot | None:
        """Return the subscription if it has the discount: to redeem a code again may not be allowed."""
        found: SubscriptionSnapshot = claim.gateway.retrieve_subscription(claim.seen.provider_id)
        return found if _is_done(found.discounts, claim.params) else None


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

    A code takes the place of the code that there is, and a coupon that of the coupon. What was begun with that code and
    was never paid is ended, even if the provider then refuses the code, which is not free before.

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
    gateway = billing_gateway_of(subscription)
    if not gateway.supports_promotion_codes:
        raise UnsupportedByGateway("This gateway knows no promotion codes.")
    code = promotion_code_id(gateway, promotion_code) if promotion_code else ""
    if code:
        # What is refused here ends nothing. Whether the code is for this customer, the provider says after that.
        check_changeable(subscription)
        give_up_uses(subscription.customer, code, origin)
    return _run(subscription, code, coupon, idempotency_key, origin)


def remove_discount(
    *, subscription: Subscription, idempotency_key: str | None = None, origin: Origin = SYSTEM
) -> Subscription:
    """Take away all that lowers the price of a subscription; see ``apply_discount`` for what is raised."""
    return _run(subscription, "", "", idempotency_key, origin)


def _run(subscription: Subscription, code: str, coupon: str, key: str | None, origin: Origin) -> Subscription:
    params = {"promotion_code_id": code, "coupon": coupon}
    return run_on_subscription(CHANGE_DISCOUNT, subscription, params, key, origin)


def _is_done(discounts: Discounts, params: Mapping[str, Any]) -> bool:
    """Return whether a subscription has the discount that is asked for, or none if none is to be left."""
    code, coupon = params["promotion_code_id"], params["coupon"]
    if code:
        return any(known.get("promotion_code") == code for known in discounts)
    if coupon:
        return any(known.get("coupon") == coupon and not known.get("promotion_code") for known in discounts)
    return not discounts


def _kept(discounts: Discounts, params: Mapping[str, Any]) -> list[str]:
    """Return the ids of those that stay: a new one takes the place of the one of its kind."""
    code = params["promotion_code_id"]
    if not code and not params["coupon"]:
        return []
    return [known["discount"] or "" for known in discounts if bool(known.get("promotion_code")) != bool(code)]
