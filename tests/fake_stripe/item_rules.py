"""What a subscription's items may be together."""

from __future__ import annotations

from tests.fake_stripe.errors import ApiError, invalid
from tests.fake_stripe.state import Object, Scope
from tests.fake_stripe.subscription_objects import ENDED, cycles, items

#: https://docs.stripe.com/api/subscriptions/create#create_subscription-items
MOST_ITEMS = 20


#: The API version from which on the billing mode is flexible unless a request asks for the classic one
#: (https://docs.stripe.com/changelog/clover/2025-09-30/billing-mode-default-flexible).
_FLEXIBLE_SINCE = "2025-09-30"


def with_billing_mode(params: Object, version: str) -> Object:
    """Return a request's parameters with the billing mode that is the default of its API version."""
    default = "flexible" if version >= _FLEXIBLE_SINCE else "classic"
    return {"billing_mode": {"type": default}, **params}


def check(subscription: Object) -> None:
    """Refuse a set of items that Stripe refuses."""
    found = items(subscription)
    if not found:
        raise ApiError(
            400,
            "A subscription must have at least one active plan. In order to cancel a subscription, please use the "
            "cancel API endpoint on the subscription.",
            stored=False,
        )
    if len(found) > MOST_ITEMS:
        raise invalid(f"Subscriptions can have up to {MOST_ITEMS} items; this one would have {len(found)}.", "items")
    expected = subscription["currency"] or found[0]["price"]["currency"]
    seen: set[str] = set()
    for index, item in enumerate(found):
        price = item["price"]
        if price["id"] in seen:
            raise invalid(
                f"Cannot add multiple subscription items with the same plan: {price['id']}", f"items[{index}][price]"
            )
        seen.add(price["id"])
        if expected not in (price["currency"], *price["_options"]):
            raise invalid(
                f"The price specified only supports `{price['currency']}`. This doesn't match the expected currency: "
                f"`{expected}`.",
                f"items[{index}][price]",
            )
    if len(cycles(subscription)) > 1 and subscription["billing_mode"]["type"] == "classic":
        raise invalid("Currently, all prices on a subscription must have the same interval.", "items")


def check_currency(scope: Scope, customer: str, currency: str) -> None:
    """Refuse a second currency while anything of the customer's is active or pending in another."""
    active = [found for found in scope.related("subscription", customer=customer) if found["status"] not in ENDED]
    for other in [*active, *scope.related("invoiceitem", customer=customer, invoice=None)]:
        if other["currency"] != currency:
            raise invalid(
                "You cannot combine currencies on a single customer. This customer has an active subscription, "
                f"subscription schedule, discount, quote, or invoice item with currency {other['currency']}."
            )
