"""Add to a running subscription what is charged beside its plan; change it, and remove it again."""

from __future__ import annotations

from typing import Any

from django_stripe_gateway.choices import BillingOperationKind, PriceUsage
from django_stripe_gateway.exceptions import InvalidInput, UnsupportedByGateway, WrongState
from django_stripe_gateway.gateways.billing_values import SubscriptionSnapshot
from django_stripe_gateway.models import PlanPricing, Subscription, SubscriptionItem
from django_stripe_gateway.services.accounts import billing_gateway_of
from django_stripe_gateway.services.operations.verbs import register
from django_stripe_gateway.services.origins import SYSTEM, Origin
from django_stripe_gateway.services.subscriptions.add_ons import check_add_on
from django_stripe_gateway.services.subscriptions.change import (
    change_at_provider,
    subscription_change,
)
from django_stripe_gateway.services.subscriptions.credits import check_claimed_credit
from django_stripe_gateway.services.subscriptions.last_period import end_with_plan
from django_stripe_gateway.services.subscriptions.last_use import report_last_use
from django_stripe_gateway.services.subscriptions.line import (
    CustomerClaim,
    SubscriptionVerb,
    check_changeable,
    run_on_subscription,
)
from django_stripe_gateway.services.subscriptions.metered import check_charged_once
from django_stripe_gateway.services.subscriptions.open_invoices import check_not_paused, check_nothing_late
from django_stripe_gateway.services.subscriptions.prices import current_terms
from django_stripe_gateway.services.subscriptions.prorations import proration_of
from django_stripe_gateway.services.subscriptions.quantities import check_next_quantity, quantity_of
from django_stripe_gateway.services.subscriptions.schedule import let_go
from django_stripe_gateway.services.transactions import payments_database


class ItemVerb(SubscriptionVerb):
    """A verb about one item of a subscription, which is not its plan; its plan is not touched."""

    def check_subscription(self, claim: CustomerClaim, subscription: Subscription) -> None:
        """Let only what runs be changed, and only as its items are now."""
        check_changeable(subscription)
        check_not_paused(subscription, claim.params["proration"])
        claim.params["collection_method"] = subscription.collection_method
        items = SubscriptionItem.objects.using(payments_database()).filter(subscription=subscription)
        self.check_items(claim, subscription, {item.provider_id: item for item in items})

    def check_items(self, claim: CustomerClaim, subscription: Subscription, items: dict[str, SubscriptionItem]) -> None:
        """Raise ``GatewayError`` if the items, read under the customer's lock, do not allow it."""
        item_id = claim.params["item_id"]
        if item_id not in items:
            raise WrongState("This is no item of the subscription any more.", code="item_removed")
        if item_id == subscription.item_id:
            raise _is_the_plan()

    def call(self, claim: CustomerClaim) -> SubscriptionSnapshot:
        """Change the one item; what was scheduled without it is dropped."""
        change = subscription_change(claim.params)
        check_claimed_credit(claim, change)
        check_nothing_late(claim, change)
        let_go(claim)
        return change_at_provider(claim)


class AddItemVerb(ItemVerb):
    """Charge another price."""

    kind = BillingOperationKind.ADD_ITEM

    def check_items(self, claim: CustomerClaim, subscription: Subscription, items: dict[str, SubscriptionItem]) -> None:
        """Let no price be added twice: a quantity says that; and no use be charged twice."""
        check_not_there(claim.params["price_id"], items)
        check_charged_once(claim.subject, [claim.params["price_id"]])

    def find_earlier(self, claim: CustomerClaim) -> SubscriptionSnapshot | None:
        """Return the subscription if it has the price: no price stands in it twice."""
        found: SubscriptionSnapshot = claim.gateway.retrieve_subscription(claim.seen.provider_id)
        is_there = any(item.price_id == claim.params["price_id"] for item in found.items)
        return end_with_plan(claim, found) if is_there else None


class ChangeItemVerb(ItemVerb):
    """Change an item's quantity or price."""

    kind = BillingOperationKind.CHANGE_ITEM

    def check_items(self, claim: CustomerClaim, subscription: Subscription, items: dict[str, SubscriptionItem]) -> None:
        """Let something change, and no price come twice, nor another of the same meter."""
        super().check_items(claim, subscription, items)
        item, params = items.pop(claim.params["item_id"]), claim.params
        if params["price_id"] in (None, item.price_id) and params["quantity"] in (None, item.quantity):
            raise InvalidInput("This would change nothing.", code="nothing_to_change")
        check_not_there(params["price_id"], items)
        check_charged_once(claim.subject, [params["price_id"]], instead_of=[item.provider_id])

    def call(self, claim: CustomerClaim) -> SubscriptionSnapshot:
        """Change it; what was used is charged at the price that it has had."""
        if claim.params["price_id"] is not None:
            report_last_use(claim.seen, item_id=claim.params["item_id"])
        return super().call(claim)


class RemoveItemVerb(ItemVerb):
    """Charge a price no more."""

    kind = BillingOperationKind.REMOVE_ITEM

    def call(self, claim: CustomerClaim) -> SubscriptionSnapshot:
        """Remove it; what was used is charged."""
        report_last_use(claim.seen, item_id=claim.params["item_id"])
        return super().call(claim)

    def find_earlier(self, claim: CustomerClaim) -> SubscriptionSnapshot | None:
        """Return the subscription if the item is gone: that happens once."""
        found: SubscriptionSnapshot = claim.gateway.retrieve_subscription(claim.seen.provider_id)
        return None if any(item.item_id == claim.params["item_id"] for item in found.items) else found


ADD_ITEM = register(AddItemVerb())
CHANGE_ITEM = register(ChangeItemVerb())
REMOVE_ITEM = register(RemoveItemVerb())


def add_item(
    *,
    subscription: Subscription,
    pricing: PlanPricing,
    quantity: int = 1,
    proration: str = "",
    idempotency_key: str | None = None,
    origin: Origin = SYSTEM,
) -> Subscription:
    """Charge a price beside the plan of a running subscription: of an add-on, or what a meter counts.

    Args:
        pricing: active, of the same account and currency.
        quantity: where the price is per seat.
        proration: "create_prorations", "always_invoice" or "none"; empty for the setting.

    Returns:
        The subscription; the item is among its ``items`` once what has to be paid for it is paid.

    Raises:
        InvalidInput: the price cannot stand beside the plan, or not so many times.
        WrongState: it is there already (``already_added``), or what it counts is charged already (``already_metered``);
            or the subscription is over, or its first payment is open, or its collection is paused (``paused``), or an
            invoice of it is late (``open_invoice``).
        PaymentDeclined: the payment that this needs was declined; nothing has changed.
        UnsupportedByGateway: this provider charges one price only.
        ProviderError: the provider refused or failed.
    """
    _check_addable(subscription, pricing)
    values = {"price_id": pricing.stripe_price_id, "quantity": quantity_of(pricing, quantity)}
    params = _params(proration_of(proration, subscription), **values)
    return run_on_subscription(ADD_ITEM, subscription, params, idempotency_key, origin)


def change_item(
    *,
    item: SubscriptionItem,
    quantity: int | None = None,
    pricing: PlanPricing | None = None,
    proration: str = "",
    idempotency_key: str | None = None,
    origin: Origin = SYSTEM,
) -> Subscription:
    """Change the quantity or the price of what is charged beside a plan. The plan has ``change_subscription``.

    Args:
        quantity: ``None`` keeps it.
        pricing: as in ``add_item``; ``None`` keeps it.
        proration: as in ``add_item``.

    Raises:
        InvalidInput: nothing would change, the values are not acceptable, or it is the plan's own item.
        WrongState: the item is gone, or the price is there already, or what it counts is charged by another item, or
            what would be credited was not paid (``open_invoice``, ``unpaid_period``); or the subscription is over, or
            its first payment is open.
        PaymentDeclined: the payment that the change needs was declined; nothing has changed.
        UnsupportedByGateway: this provider charges one price only.
        ProviderError: the provider refused or failed.
    """
    subscription = _subscription_of(item)
    if pricing is not None and pricing.stripe_price_id != item.price_id:
        _check_addable(subscription, pricing)
        quantity = quantity_of(pricing, _kept_quantity(item, pricing) if quantity is None else quantity)
        price_id = pricing.stripe_price_id
    else:
        price_id = None
        if quantity is not None:
            if item.is_metered:
                raise InvalidInput("A meter counts what is charged; there is no quantity.", field="quantity")
            check_next_quantity(quantity, item, subscription.variant)
    proration = proration_of(proration, subscription, item_id=item.provider_id, pricing=pricing, quantity=quantity)
    params = _params(proration, item_id=item.provider_id, price_id=price_id, quantity=quantity)
    return run_on_subscription(CHANGE_ITEM, subscription, params, idempotency_key, origin)


def remove_item(
    *, item: SubscriptionItem, proration: str = "", idempotency_key: str | None = None, origin: Origin = SYSTEM
) -> Subscription:
    """Charge no more what was charged beside a plan. The plan itself is cancelled.

    Args:
        proration: as in ``add_item``; what is left of the period is given back with the next invoice unless it is
            "none". What a meter has counted is charged whatever it is.

    Raises:
        InvalidInput: it is the plan's own item.
        WrongState: the item is gone, or what would be credited was not paid (``open_invoice``, ``unpaid_period``); or
            the subscription is over, or its first payment is open, or its collection is paused (``paused``).
        UnsupportedByGateway: this provider charges one price only.
        ProviderError: the provider refused or failed.
    """
    subscription, item_id = _subscription_of(item), item.provider_id
    proration = proration_of(proration, subscription, item_id=item_id, is_removed=True)
    params = _params(proration, item_id=item_id, is_removed=True)
    return run_on_subscription(REMOVE_ITEM, subscription, params, idempotency_key, origin)


def check_not_there(price_id: str | None, items: dict[str, SubscriptionItem]) -> None:
    """Raise ``WrongState`` if one of some items has a price already, or is the same add-on at another price."""
    if price_id is None:
        return
    there = next((item for item in items.values() if item.price_id == price_id), None)
    if there is not None:
        has_quantity = there.pricing is not None and there.pricing.is_per_seat and not there.is_metered
        hint = " Change its quantity." if has_quantity else ""
        raise WrongState(f"The subscription has this price already.{hint}", code="already_added")
    plans = [item.plan_id for item in items.values() if not item.is_metered]
    same = PlanPricing.objects.using(payments_database()).filter(stripe_price_id=price_id, plan__in=plans)
    # An add-on that is charged by use, too, has a price for that beside its own.
    if same.filter(plan__is_add_on=True).exclude(usage_type=PriceUsage.METERED).exists():
        raise WrongState("The subscription has this add-on already. Change its price.", code="already_added")


def _check_addable(subscription: Subscription, pricing: PlanPricing) -> None:
    _check_gateway(subscription)
    terms = current_terms(subscription)
    check_add_on(pricing, subscription.plan_id, subscription.variant, () if terms is None else terms.currencies)


def _check_gateway(subscription: Subscription) -> None:
    if not billing_gateway_of(subscription).supports_items:
        raise UnsupportedByGateway("This gateway charges one price in a subscription.")


def _subscription_of(item: SubscriptionItem) -> Subscription:
    """Return the subscription of an item that can be changed.

    Raises:
        InvalidInput: it is the plan's own item.
        UnsupportedByGateway: the provider charges one price only.
    """
    if item.provider_id == item.subscription.item_id:
        raise _is_the_plan()
    _check_gateway(item.subscription)
    return item.subscription


def _is_the_plan() -> InvalidInput:
    sentence = "This is the plan of the subscription. Change the subscription, or cancel it."
    return InvalidInput(sentence, code="plan_item", field="item_id")


def _kept_quantity(item: SubscriptionItem, pricing: PlanPricing) -> int:
    return item.quantity if pricing.is_per_seat else 1


def _params(proration: str, **values: Any) -> dict[str, Any]:
    nothing = {"item_id": "", "price_id": None, "quantity": None, "is_removed": False, "proration_date": None}
    return {**nothing, **values, "proration": proration}
