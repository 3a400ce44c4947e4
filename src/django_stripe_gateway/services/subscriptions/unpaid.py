"""Subscriptions whose first payment was never made, when their customer subscribes again.

Who asks for the same goes on with the one that there is. Who asks for something else beside which it may not run has
given it up: it is ended at the provider before anything else is started, so that nobody can pay for both. The same goes
for what was begun with the promotion code that is entered again, or would charge the same use, of whichever plan.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from django_stripe_gateway.choices import BillingOperationKind, SubscriptionStatus
from django_stripe_gateway.conf import gateway_settings
from django_stripe_gateway.exceptions import WrongState
from django_stripe_gateway.models import BillingOperation, Customer, Subscription
from django_stripe_gateway.services.operations.verbs import Request, Verb
from django_stripe_gateway.services.origins import Origin
from django_stripe_gateway.services.subscriptions.add_ons import has_add_ons
from django_stripe_gateway.services.subscriptions.cancel import give_up_unpaid
from django_stripe_gateway.services.subscriptions.checkouts import close_pages
from django_stripe_gateway.services.subscriptions.metered import unpaid_with_same_use
from django_stripe_gateway.services.subscriptions.one_bill import check_may_begin, rivals
from django_stripe_gateway.services.subscriptions.open_invoices import check_not_under_way, check_nothing_owed
from django_stripe_gateway.services.subscriptions.sync import look_up_subscription
from django_stripe_gateway.services.transactions import payments_database

BEGINNINGS = (BillingOperationKind.SUBSCRIBE, BillingOperationKind.CHECKOUT)


def go_on_with_unpaid(
    verb: Verb[Any, Any, Any], customer: Customer, request: Request, origin: Origin
) -> Subscription | None:
    """Return the unpaid subscription that this request would start again; those that it may not run beside are ended.

    The request is a new one. What was started elsewhere is not ours to end, nor is anything where the host lets owners
    have several.

    Raises:
        WrongState: the owner has a subscription beside which this one may not begin, or owes an invoice of one that has
            ended, or has paid what would be given up by a debit that is under way; then nothing is ended.
        ProviderError: the provider could not be asked; then nothing may be started either.
    """
    plan_pk = request.params["plan_pk"]
    check_may_begin(customer, plan_pk, is_unpaid_given_up=True)
    check_nothing_owed(customer, origin)
    others = []
    for unpaid in rivals(customer, plan_pk).filter(status=SubscriptionStatus.INCOMPLETE).order_by("-pk"):
        begun = _beginning(unpaid)
        if _is_same(verb, request, unpaid, begun):
            found = look_up_subscription(unpaid.pk, origin)
            if not found.has_ended:
                return found
        elif begun is not None:
            others.append(unpaid)
    if gateway_settings.subscriptions_per_owner != "several":
        for unpaid in others:
            _give_up(unpaid, origin)
        _give_up_same_use(customer, request, origin)
    if request.params["promotion_code_id"]:
        # What would be refused ends nothing.
        check_may_begin(customer, plan_pk)
        give_up_uses(customer, request.params["promotion_code_id"], origin)
    return None


def give_up_uses(customer: Customer, promotion_code_id: str, origin: Origin) -> None:
    """End what was begun with a promotion code and was not paid, on a page or not, so that the code is free again.

    Args:
        promotion_code_id: the provider's.

    Raises:
        ProviderError: the provider could not be asked; then the code is not free.
    """
    begun = BillingOperation.objects.using(payments_database()).filter(customer=customer, kind__in=BEGINNINGS)
    uses = begun.filter(params__promotion_code_id=promotion_code_id)
    rows = Subscription.objects.using(payments_database()).reachable().filter(pk__in=uses.values("subscription"))
    close_pages(rows, origin)
    for unpaid in rows.filter(status=SubscriptionStatus.INCOMPLETE):
        _give_up(unpaid, origin)


def _give_up_same_use(customer: Customer, request: Request, origin: Origin) -> None:
    """End what was begun here and would charge the same use as well, once it is paid for."""
    params = request.params
    price_ids = [params["price_id"], *(added["price_id"] for added in params["add_ons"])]
    for unpaid in unpaid_with_same_use(customer, price_ids):
        if _beginning(unpaid) is not None:
            check_may_begin(customer, params["plan_pk"])
            _give_up(unpaid, origin)


def _beginning(unpaid: Subscription) -> BillingOperation | None:
    rows = BillingOperation.objects.using(payments_database())
    return rows.filter(subscription=unpaid, kind__in=BEGINNINGS).order_by("-pk").first()


def _is_same(verb: Verb[Any, Any, Any], request: Request, unpaid: Subscription, begun: BillingOperation | None) -> bool:
    """Return whether a request to subscribe at once asks for what an unpaid subscription is."""
    if verb.kind != BillingOperationKind.SUBSCRIBE:
        return False
    if begun is not None:
        return verb.is_met_by(replace(request, key=None), begun)
    params = request.params
    is_price = (unpaid.pricing_id, unpaid.quantity) == (params["pricing_pk"], params["quantity"] or 1)
    return is_price and has_add_ons(unpaid, params["add_ons"])


def _give_up(unpaid: Subscription, origin: Origin) -> None:
    """End an unpaid subscription; one that was paid meanwhile is left to be found by who subscribes.

    Raises:
        WrongState: its first payment is under way ("payment_under_way"), which would arrive for what has ended.
    """
    found = look_up_subscription(unpaid.pk, origin)
    if found.status != SubscriptionStatus.INCOMPLETE:
        return
    check_not_under_way(found, origin)
    try:
        give_up_unpaid(found, origin)
    except WrongState:
        # Paid or ended by another request: how it stands is known by now.
        return
