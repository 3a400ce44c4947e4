"""What may not run beside what: by default an owner has one subscription, so that nobody is billed twice.

The rule is about beginning a subscription. What runs beside another all the same (made in the Dashboard, or before the
rule) can be changed and ended as any other; only no change may lead to a plan that the other one has.
"""

from __future__ import annotations

from django.db.models import Q

from django_stripe_gateway.choices import SubscriptionItemKind, SubscriptionStatus
from django_stripe_gateway.conf import gateway_settings
from django_stripe_gateway.exceptions import WrongState
from django_stripe_gateway.models import Customer, PlanPricing, Subscription, SubscriptionItem
from django_stripe_gateway.models.subscriptions import INCOMPLETE, SubscriptionQuerySet
from django_stripe_gateway.services.subscriptions.to_come import prices_to_come
from django_stripe_gateway.services.transactions import payments_database

# What was begun, or was paid once, and is not being paid for.
OWING = (SubscriptionStatus.PAST_DUE, SubscriptionStatus.UNPAID)


def rivals(customer: Customer, plan_pk: int) -> SubscriptionQuerySet:
    """Return the subscriptions of a customer that may not go on beside one to a plan, ended ones too, foreign ones not.

    Under "one" those are all of its owner's, whichever account of the settings bills them.
    """
    rows = Subscription.objects.using(payments_database()).reachable()
    if gateway_settings.subscriptions_per_owner != "one":
        return rows.filter(customer=customer, plan=plan_pk)
    of_owner = Q(customer__owner__isnull=False, customer__owner=customer.owner_id)
    return rows.filter(Q(customer=customer) | (of_owner & Q(variant__in=list(gateway_settings.variants))))


def check_may_begin(customer: Customer, plan_pk: int, *, is_unpaid_given_up: bool = False) -> None:
    """Raise ``WrongState`` if a customer has a subscription beside which none to a plan may begin.

    Args:
        is_unpaid_given_up: ``True`` counts only what was paid, or need not be: the rest is about to be ended.
    """
    rows = _not_ended_rivals(customer, plan_pk)
    if is_unpaid_given_up:
        rows = rows.exclude(status__in=INCOMPLETE)
    # What owes money names the way that all else waits for.
    found = sorted(rows, key=lambda one: one.status not in OWING)
    if found:
        raise _refusal(found[0], plan_pk)


def check_may_have(subscription: Subscription, plan_pk: int) -> None:
    """Raise ``WrongState`` if a subscription may not change to a plan, because its customer is charged that already.

    That it is charged the plan beside its own counts whatever the host allows.
    """
    beside = SubscriptionItem.objects.using(payments_database()).filter(subscription=subscription, plan=plan_pk)
    beside = beside.filter(kind=SubscriptionItemKind.PLAN).exclude(provider_id=subscription.item_id)
    if subscription.plan_id != plan_pk and beside.exists():
        raise _has_plan()
    if gateway_settings.subscriptions_per_owner == "several":
        return
    if _with_plan(subscription.customer_id, plan_pk).not_ended().exclude(pk=subscription.pk).exists():
        raise _has_plan()


def runs_beside(subscription: Subscription) -> list[Subscription]:
    """Return what runs beside a subscription that has just begun, although its owner may not have both."""
    rows = _not_ended_rivals(subscription.customer, subscription.plan_id or 0)
    return list(rows.exclude(status__in=INCOMPLETE).exclude(pk=subscription.pk))


def _not_ended_rivals(customer: Customer, plan_pk: int) -> SubscriptionQuerySet:
    rule = gateway_settings.subscriptions_per_owner
    if rule == "several":
        return Subscription.objects.none()
    rows = rivals(customer, plan_pk) if rule == "one" else _with_plan(customer.pk, plan_pk)
    return rows.not_ended()


def _with_plan(customer_pk: int, plan_pk: int) -> SubscriptionQuerySet:
    """Return the subscriptions by which a customer has a plan, or will have it."""
    rows = Subscription.objects.using(payments_database()).reachable().filter(customer_id=customer_pk)
    will_have = [one.pk for one, price_ids in _next_prices(rows).items() if _is_of_plan(price_ids, plan_pk)]
    # Also at a price that was negotiated, or beside another plan in one subscription.
    items = SubscriptionItem.objects.using(payments_database()).filter(plan=plan_pk, kind=SubscriptionItemKind.PLAN)
    return rows.filter(Q(plan=plan_pk) | Q(pk__in=items.values("subscription")) | Q(pk__in=will_have))


def _next_prices(subscriptions: SubscriptionQuerySet) -> dict[Subscription, set[str]]:
    """Return what will take the place of each plan; what a plan charges by use can stand beside any."""
    found: dict[Subscription, set[str]] = {}
    for one, item_id, price_id in prices_to_come(subscriptions):
        if item_id == one.item_id:
            found.setdefault(one, set()).add(price_id)
    return found


def _is_of_plan(price_ids: set[str], plan_pk: int) -> bool:
    rows = PlanPricing.objects.using(payments_database())
    return rows.filter(plan=plan_pk, stripe_price_id__in=price_ids).exists()


def _refusal(found: Subscription, plan_pk: int) -> WrongState:
    """Return the refusal that names the way out of what a subscription stands for."""
    if found.late_payment_under_way and found.status in OWING:
        detail = "There is a subscription whose payment is under way. Wait until it is decided."
        return WrongState(detail, code="payment_under_way")
    if found.status in OWING:
        detail = "There is a subscription whose invoice is open. Pay it first, with invoices/{id}/pay/."
        return WrongState(detail, code="open_invoice")
    if found.status == SubscriptionStatus.PAUSED:
        detail = "There is a subscription that is paused. Let it go on, or cancel it first."
        return WrongState(detail, code="already_subscribed")
    if found.status in INCOMPLETE:
        detail = "There is a subscription that waits for its first payment. Pay it, or cancel it first."
        return WrongState(detail, code="already_subscribed")
    return _has_plan() if found.plan_id == plan_pk else _runs()


def _runs() -> WrongState:
    detail = "There is a subscription already. Change its plan with change/."
    return WrongState(detail, code="already_subscribed")


def _has_plan() -> WrongState:
    return WrongState("There is a subscription to this plan already.", code="already_subscribed")
