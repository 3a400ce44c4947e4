"""Change a subscription's price or quantity, and say before what that costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from django.utils import timezone

from django_stripe_gateway.choices import BillingOperationKind
from django_stripe_gateway.exceptions import InvalidInput, UnsupportedByGateway, WrongState
from django_stripe_gateway.gateways.billing_values import (
    InvoiceSnapshot,
    ItemChange,
    SubscriptionChange,
    SubscriptionSnapshot,
)
from django_stripe_gateway.models import Plan, PlanPricing, Subscription
from django_stripe_gateway.services.accounts import billing_gateway_of
from django_stripe_gateway.services.operations.verbs import register
from django_stripe_gateway.services.origins import SYSTEM, Origin
from django_stripe_gateway.services.subscriptions.checkouts import close_open_checkouts
from django_stripe_gateway.services.subscriptions.credits import check_claimed_credit, is_made
from django_stripe_gateway.services.subscriptions.ends import (
    end_after_change,
    end_of_plan,
    has_several_intervals,
)
from django_stripe_gateway.services.subscriptions.identify import identify_items
from django_stripe_gateway.services.subscriptions.items import OF_PLAN, left_with_plan
from django_stripe_gateway.services.subscriptions.last_period import end_with_plan
from django_stripe_gateway.services.subscriptions.last_use import report_last_use
from django_stripe_gateway.services.subscriptions.line import (
    CustomerClaim,
    SubscriptionVerb,
    check_changeable,
    check_moment,
    run_on_subscription,
)
from django_stripe_gateway.services.subscriptions.metered import check_charged_once_changed
from django_stripe_gateway.services.subscriptions.one_bill import check_may_have
from django_stripe_gateway.services.subscriptions.open_invoices import check_not_paused, check_nothing_late
from django_stripe_gateway.services.subscriptions.plan_meters import with_next_plan
from django_stripe_gateway.services.subscriptions.preview_states import check_is_as_known, check_previewed
from django_stripe_gateway.services.subscriptions.prices import (
    check_currency,
    check_sold_alone,
    choose_next_pricing,
    current_terms,
    is_charged,
    named_pricing,
)
from django_stripe_gateway.services.subscriptions.prorations import costs_no_less, proration_of
from django_stripe_gateway.services.subscriptions.quantities import check_next_quantity, check_quantity
from django_stripe_gateway.services.subscriptions.schedule import (
    check_not_prorated,
    let_go,
    preview_scheduled,
    preview_with_schedule,
    schedule_change,
)
from django_stripe_gateway.services.subscriptions.trials import check_can_be_charged, trial_after_change
from django_stripe_gateway.services.transactions import payments_database


class ChangeVerb(SubscriptionVerb):
    """Change price or quantity."""

    kind = BillingOperationKind.CHANGE

    def check_subscription(self, claim: CustomerClaim, subscription: Subscription) -> None:
        """Let only what runs be changed, and to no plan that the owner has in another subscription."""
        check_changeable(subscription)
        # Again, under the lock: another request may have changed it meanwhile.
        check_previewed(subscription, claim.params.get("previewed"))
        _check_changes(subscription, claim.params)
        check_not_paused(subscription, claim.params["proration"])
        claim.params["collection_method"] = subscription.collection_method
        claim.params["end"] = end_after_change(subscription, claim.params)
        pricing = _pricing(claim.params)
        claim.params["trial"] = trial_after_change(subscription, pricing)
        claim.params["left_item_ids"] = left_ids = _left_item_ids(subscription, claim.params)
        if claim.params["plan_pk"] is not None:
            # Again, under the lock: another request may have subscribed to that plan meanwhile.
            check_may_have(subscription, claim.params["plan_pk"])
            check_charged_once_changed(subscription, [claim.params["price_id"]], left_ids)
        claim.params["with_plan"] = with_next_plan(subscription, pricing, left_ids=left_ids)

    def call(self, claim: CustomerClaim) -> SubscriptionSnapshot:
        """Change it; a change that was scheduled for the period's end is dropped."""
        found = check_is_as_known(claim)
        if claim.params["trial"].get("ends_trial"):
            check_can_be_charged(claim)
        change = subscription_change(claim.params)
        check_claimed_credit(claim, change, found)
        check_nothing_late(claim, change)
        if claim.params["price_id"] is not None:
            # The old price, or the period of another item, may end with it.
            report_last_use(claim.seen)
        let_go(claim)
        return change_at_provider(claim)

    def find_earlier(self, claim: CustomerClaim) -> SubscriptionSnapshot | None:
        """Return the subscription if it is changed, or will be once that is paid: what comes with a plan comes once."""
        found: SubscriptionSnapshot = claim.gateway.retrieve_subscription(claim.seen.provider_id)
        return end_with_plan(claim, found) if is_made(found, subscription_change(claim.params)) else None


CHANGE_SUBSCRIPTION = register(ChangeVerb())


def change_subscription(
    *,
    subscription: Subscription,
    plan: Plan | None = None,
    pricing: PlanPricing | None = None,
    lookup_key: str = "",
    quantity: int | None = None,
    proration: str = "",
    proration_date: datetime | None = None,
    at_period_end: bool = False,
    previewed: Mapping[str, Any] | None = None,
    idempotency_key: str | None = None,
    origin: Origin = SYSTEM,
) -> Subscription:
    """Change plan, price or quantity. What a subscription is charged beside its plan stays as it is.

    Another plan takes the place of all prices of the present one, but for what a meter counts. What the new plan
    charges by use comes with it, unless that use is charged already.

    Another price of a plan that renews takes back the customer's cancellation; an end that was agreed on stays.

    Args:
        plan: the new plan, at its price in the currency and with the interval of the present one; the present plan
            keeps its price.
        pricing: the new price, of this or another plan, any that is active; or ``lookup_key``, its name at Stripe.
            Without any of the three the price stays as it is.
        quantity: ``None`` keeps it.
        proration: "create_prorations", "always_invoice" or "none"; empty for the setting. What was used of a price that
            is charged by use is charged whatever it is.
        proration_date: the moment that a preview was made for, so that the change costs what it had said.
        at_period_end: ``True`` lets it change with the next period, in place of what was scheduled before; until then
            all stays as it is, and ``cancel_change`` takes it back. A change now drops what was scheduled.
        previewed: the subscription as a token's preview has found it; it is changed only if it is still so
            (not with ``at_period_end``, where nothing is prorated).

    Raises:
        InvalidInput: nothing would change, or the values are not acceptable.
        WrongState: it is over, or its first payment is open, or somebody else has scheduled what becomes of it
            ("has_schedule"), or another item charges what the new price counts ("already_metered"), or collection is
            paused ("paused"), or an invoice is late ("open_invoice"), or what would be credited was not paid
            ("open_invoice", "unpaid_period"), or it has changed since the preview ("stale_preview"); at the period's
            end also: it ends then.
        UnsupportedByGateway: this provider cannot schedule a change.
        PaymentDeclined: the payment that the change needs was declined; what is charged has not changed.
        ProviderError: the provider refused or failed.
    """
    _find_plan(subscription)
    pricing = asked_pricing(subscription, plan, pricing, lookup_key)
    check_moment(proration_date, field="proration_date")
    if at_period_end:
        check_not_prorated(proration, proration_date)
    plan = subscription.plan if pricing is None else pricing.plan
    if plan is not None:
        close_open_checkouts(subscription.customer, plan, origin)
    params = _change_params(subscription, pricing, quantity, proration, proration_date)
    if at_period_end:
        return schedule_change(subscription, pricing, params, idempotency_key, origin)
    if previewed is not None:
        params["previewed"] = dict(previewed)
    return run_on_subscription(CHANGE_SUBSCRIPTION, subscription, params, idempotency_key, origin)


def change_at_provider(claim: CustomerClaim) -> SubscriptionSnapshot:
    """Ask the provider for the change that an operation has kept; what ends with its period ends with its plan's."""
    gateway, subscription = claim.gateway, claim.seen
    change = subscription_change(claim.params)
    ends = change.cancel_at_period_end
    if ends is None:
        ends = subscription.cancel_at_period_end and not subscription.ends_as_agreed
    ends_with_plan = ends and change.cancel_at is None
    found: SubscriptionSnapshot
    if ends_with_plan and not change.items and has_several_intervals(subscription):
        found = gateway.retrieve_subscription(subscription.provider_id)
        change = replace(change, cancel_at=end_of_plan(found, subscription.item_id), proration="none")
    found = gateway.change_subscription(subscription.provider_id, change, idempotency_key=claim.key)
    return end_with_plan(claim, found, is_to_end=ends_with_plan)


def preview_change(
    *,
    subscription: Subscription,
    plan: Plan | None = None,
    pricing: PlanPricing | None = None,
    lookup_key: str = "",
    quantity: int | None = None,
    proration: str = "",
    proration_date: datetime | None = None,
    at_period_end: bool = False,
) -> InvoiceSnapshot:
    """Return the invoice that a change would lead to: with ``at_period_end`` that of the next period. Nothing changes.

    The arguments are those of ``change_subscription``; without a ``proration_date`` the change is taken to be made now.

    Raises:
        InvalidInput: nothing would change, or the values are not acceptable.
        WrongState: it is over, or its first payment is open, or somebody else has scheduled what becomes of it
            ("has_schedule"), or what would be credited was not paid ("open_invoice", "unpaid_period").
        UnsupportedByGateway: this provider cannot say what a change would cost.
        ProviderError: the provider refused or failed.
    """
    check_changeable(subscription)
    if not billing_gateway_of(subscription).supports_preview:
        raise UnsupportedByGateway("This gateway cannot say what a change would cost.")
    _find_plan(subscription)
    pricing = asked_pricing(subscription, plan, pricing, lookup_key)
    check_moment(proration_date, field="proration_date")
    if at_period_end:
        check_not_prorated(proration, proration_date)
        params = _change_params(subscription, pricing, quantity, "none", None)
        return preview_scheduled(subscription, pricing, params)
    moment = proration_date or timezone.now().replace(microsecond=0)
    params = _change_params(subscription, pricing, quantity, proration, moment)
    _check_changes(subscription, params)
    check_not_paused(subscription, params["proration"])
    params["end"] = end_after_change(subscription, params)
    params["trial"] = trial_after_change(subscription, pricing)
    params["left_item_ids"] = left_ids = _left_item_ids(subscription, params)
    params["with_plan"] = with_next_plan(subscription, pricing, left_ids=left_ids)
    return preview_with_schedule(subscription, pricing, params, subscription_change(params))


def subscription_change(params: Mapping[str, Any]) -> SubscriptionChange:
    """Return what changes, as an operation has kept it: one item at most, and what leaves and comes with a plan.

    Each other item stays as it is.
    """
    date, end = params.get("proration_date"), {**params, **params.get("end", {})}
    cancel_at, trial = end.get("cancel_at"), params.get("trial", {})
    item = ItemChange(
        params.get("item_id", ""),
        params.get("price_id"),
        params.get("quantity"),
        is_removed=params.get("is_removed", False),
    )
    left = [ItemChange(item_id, is_removed=True) for item_id in params.get("left_item_ids", ())]
    with_plan = [ItemChange(price_id=price_id) for price_id in params.get("with_plan", ())]
    return SubscriptionChange(
        items=[*([item] if item.item_id or item.price_id else []), *left, *with_plan],
        proration=params.get("proration", "create_prorations"),
        proration_date=datetime.fromisoformat(date) if date else None,
        cancel_at_period_end=end.get("cancel_at_period_end"),
        cancel_at=datetime.fromisoformat(cancel_at) if cancel_at else None,
        cancellation_feedback=params.get("reason", ""),
        cancellation_comment=params.get("comment", ""),
        trial_end=datetime.fromisoformat(trial["trial_end"]) if trial.get("trial_end") else None,
        ends_trial=trial.get("ends_trial", False),
        collection_method=params.get("collection_method", ""),
    )


def _find_plan(subscription: Subscription) -> None:
    """Look which item is the plan, if the one that was has become an add-on: that must not be put on a plan's price."""
    if subscription.plan is not None and subscription.plan.is_add_on:
        identify_items(subscription.variant)
        subscription.refresh_from_db(using=payments_database(), fields=OF_PLAN)


def asked_pricing(
    subscription: Subscription, plan: Plan | None, pricing: PlanPricing | None, lookup_key: str = ""
) -> PlanPricing | None:
    """Return the price to change to, ``None`` to keep the present one."""
    if pricing is None and lookup_key:
        pricing = named_pricing(variant=subscription.variant, plan=plan, lookup_key=lookup_key, is_public=False)
    if pricing is None:
        return None if plan is None else choose_next_pricing(subscription, plan)
    if plan is not None and pricing.plan_id != plan.pk:
        raise InvalidInput("This plan has no such price.", code="unknown_pricing", field="pricing_id")
    # Who names the present price, which may be sold no more, keeps it.
    return None if is_charged(subscription, pricing) else pricing


def _change_params(
    subscription: Subscription,
    pricing: PlanPricing | None,
    quantity: int | None,
    proration: str,
    proration_date: datetime | None,
) -> dict[str, Any]:
    if not subscription.item_id:
        raise WrongState("Nobody here knows which item of this subscription is its plan.", code="unknown_items")
    if pricing is not None:
        _check_pricing(subscription, pricing)
    before, after = subscription.plan, None if pricing is None else pricing.plan
    # Where both plans renew, or neither does, the renewal stays as it is.
    same_renewal = before is None or after is None or after.auto_renew == before.auto_renew
    next_quantity = _next_quantity(subscription, pricing, quantity)
    return {
        "item_id": subscription.item_id,
        "pricing_pk": None if pricing is None else pricing.pk,
        "price_id": None if pricing is None else pricing.stripe_price_id,
        "plan_pk": None if pricing is None else pricing.plan_id,
        "quantity": next_quantity,
        "proration": _proration(subscription, pricing, next_quantity, proration),
        "proration_date": proration_date.isoformat() if proration_date else None,
        "cancel_at_period_end": None if same_renewal or after is None else not after.auto_renew,
        "renews": None if after is None else after.auto_renew,
    }


def proration_of_change(
    subscription: Subscription, pricing: PlanPricing | None, quantity: int | None, proration: str
) -> str:
    """Return how a change of the plan's item is charged; the arguments are those of ``change_subscription``."""
    return _proration(subscription, pricing, _next_quantity(subscription, pricing, quantity), proration)


def can_fix_moment(
    subscription: Subscription, plan: Plan | None, pricing: PlanPricing | None, quantity: int | None
) -> bool:
    """Return whether a customer's change may be counted from a moment that has passed, because that costs no less.

    The arguments are those of ``change_subscription``.
    """
    pricing = asked_pricing(subscription, plan, pricing)
    next_quantity = _next_quantity(subscription, pricing, quantity)
    plan_pk, price_id = (None, None) if pricing is None else (pricing.plan_id, pricing.stripe_price_id)
    left = left_with_plan(subscription, subscription.item_id, plan_pk, price_id)
    return costs_no_less(subscription, subscription.item_id, pricing, next_quantity, left)


def _proration(
    subscription: Subscription, pricing: PlanPricing | None, next_quantity: int | None, proration: str
) -> str:
    return proration_of(proration, subscription, item_id=subscription.item_id, pricing=pricing, quantity=next_quantity)


def _next_quantity(subscription: Subscription, pricing: PlanPricing | None, quantity: int | None) -> int | None:
    """Return the quantity to ask for, ``None`` to keep it."""
    if pricing is None:
        if quantity is not None:
            check_next_quantity(quantity, subscription, subscription.variant)
        return quantity
    if quantity is not None:
        check_quantity(quantity, pricing)
    if pricing.is_metered:
        return None
    # A price that is not per seat is charged once.
    return 1 if quantity is None and not pricing.is_per_seat and subscription.quantity != 1 else quantity


def _left_item_ids(subscription: Subscription, params: Mapping[str, Any]) -> list[str]:
    left = left_with_plan(subscription, params["item_id"], params["plan_pk"], params["price_id"])
    return [item.provider_id for item in left]


def _pricing(params: Mapping[str, Any]) -> PlanPricing | None:
    """Return the new price that an operation names."""
    if params["pricing_pk"] is None:
        return None
    return PlanPricing.objects.using(payments_database()).select_related("plan").get(pk=params["pricing_pk"])


def _check_changes(subscription: Subscription, params: Mapping[str, Any]) -> None:
    """Refuse a change of nothing; a repeat of one that has happened meanwhile is none."""
    if params["price_id"] is None and params["quantity"] in (None, subscription.quantity):
        raise InvalidInput("This would change nothing.", code="nothing_to_change")


def _check_pricing(subscription: Subscription, pricing: PlanPricing) -> None:
    if not pricing.is_sold or not pricing.plan.is_active:
        raise InvalidInput("This plan is not for sale.", code="not_for_sale", field="pricing_id")
    if pricing.plan.is_add_on:
        raise InvalidInput("An add-on is sold beside a plan.", code="not_for_sale", field="pricing_id")
    if pricing.variant != subscription.variant or not pricing.stripe_price_id:
        raise InvalidInput("This plan is sold by another variant.", code="unknown_pricing", field="pricing_id")
    check_sold_alone(pricing)
    current = current_terms(subscription)
    if current is not None:
        check_currency(pricing, current.currencies)
    check_may_have(subscription, pricing.plan_id)
    left = left_with_plan(subscription, subscription.item_id, pricing.plan_id, pricing.stripe_price_id)
    check_charged_once_changed(subscription, [pricing.stripe_price_id], [item.provider_id for item in left])
