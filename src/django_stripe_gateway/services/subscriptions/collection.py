"""How a subscription is collected: charged by itself, or by invoices that are sent, to be paid within some days."""

from __future__ import annotations

from django_stripe_gateway.choices import BillingOperationKind
from django_stripe_gateway.exceptions import InvalidInput
from django_stripe_gateway.gateways.billing_values import SubscriptionSnapshot
from django_stripe_gateway.models import Subscription
from django_stripe_gateway.services.operations.verbs import register
from django_stripe_gateway.services.origins import SYSTEM, Origin
from django_stripe_gateway.services.subscriptions.line import (
    CustomerClaim,
    SubscriptionVerb,
    check_changeable,
    run_on_subscription,
)
from django_stripe_gateway.services.subscriptions.quantities import is_whole
from django_stripe_gateway.services.subscriptions.schedule import let_go

COLLECTION_METHODS = ("charge_automatically", "send_invoice")
MAX_DAYS_UNTIL_DUE = 365


class ChangeCollectionVerb(SubscriptionVerb):
    """Collect in another way."""

    kind = BillingOperationKind.CHANGE_COLLECTION

    def check_subscription(self, claim: CustomerClaim, subscription: Subscription) -> None:
        """Let only what runs be changed."""
        check_changeable(subscription)

    def call(self, claim: CustomerClaim) -> SubscriptionSnapshot:
        """Set it; what was scheduled without it is dropped."""
        let_go(claim)
        snapshot: SubscriptionSnapshot = claim.gateway.change_collection(
            claim.seen.provider_id,
            collection_method=claim.params["collection_method"],
            days_until_due=claim.params["days_until_due"],
            idempotency_key=claim.key,
        )
        return snapshot


CHANGE_COLLECTION = register(ChangeCollectionVerb())


def change_collection(
    *,
    subscription: Subscription,
    collection_method: str,
    days_until_due: int | None = None,
    idempotency_key: str | None = None,
    origin: Origin = SYSTEM,
) -> Subscription:
    """Collect a running subscription in another way, from its next invoice on.

    Args:
        collection_method: "charge_automatically" or "send_invoice".
        days_until_due: within which a sent invoice is to be paid.

    Raises:
        InvalidInput: the values are not acceptable.
        WrongState: it is over, or its first payment is open.
        UnsupportedByGateway: this provider cannot do it.
        ProviderError: the provider refused or failed.
    """
    if not collection_method:
        raise InvalidInput(f"It is one of {', '.join(COLLECTION_METHODS)}.", field="collection_method")
    check_collection(collection_method, days_until_due)
    params = {"collection_method": collection_method, "days_until_due": days_until_due}
    return run_on_subscription(CHANGE_COLLECTION, subscription, params, idempotency_key, origin)


def check_collection(collection_method: str, days_until_due: int | None) -> str:
    """Return how to collect, if it can be done so; empty stands for charging.

    Raises:
        InvalidInput: there is no such way, or the days do not belong to it.
    """
    if collection_method and collection_method not in COLLECTION_METHODS:
        raise InvalidInput(f"It is one of {', '.join(COLLECTION_METHODS)}.", field="collection_method")
    if collection_method == "send_invoice":
        if not is_whole(days_until_due, 1, MAX_DAYS_UNTIL_DUE):
            raise InvalidInput(f"An invoice is due within 1 to {MAX_DAYS_UNTIL_DUE} days.", field="days_until_due")
    elif days_until_due is not None:
        raise InvalidInput("Only an invoice that is sent is due later.", field="days_until_due")
    return collection_method
