"""Trials: who may have one, what a change of plan makes of it, and how the seller moves or ends it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q, QuerySet
from django.utils import timezone

from django_stripe_gateway.adapter import get_adapter
from django_stripe_gateway.choices import MOST_TRIAL_DAYS, BillingOperationKind, OperationState, SubscriptionStatus
from django_stripe_gateway.conf import gateway_settings
from django_stripe_gateway.conf.billing import TRIAL_END_BEHAVIORS
from django_stripe_gateway.exceptions import InvalidInput, PaymentDeclined, UnsupportedByGateway, WrongState
from django_stripe_gateway.gateways.billing_values import SubscriptionSnapshot
from django_stripe_gateway.models import BillingOperation, Plan, PlanPricing, Subscription
from django_stripe_gateway.services.accounts import billing_gateway_of
from django_stripe_gateway.services.operations.verbs import register
from django_stripe_gateway.services.origins import SYSTEM, Origin
from django_stripe_gateway.services.subscriptions.last_period import end_with_plan
from django_stripe_gateway.services.subscriptions.line import (
    CustomerClaim,
    SubscriptionVerb,
    check_moment,
    customer_id,
    run_on_subscription,
)
from django_stripe_gateway.services.subscriptions.prices import is_charged
from django_stripe_gateway.services.subscriptions.quantities import is_whole
from django_stripe_gateway.services.subscriptions.schedule import let_go
from django_stripe_gateway.services.transactions import payments_database

# What has put a subscription on a plan while its trial ran.
BEGINNINGS = (BillingOperationKind.SUBSCRIBE, BillingOperationKind.CHECKOUT)
CHANGES = (BillingOperationKind.CHANGE, BillingOperationKind.SCHEDULE_CHANGE)
# What becomes of a trial at whose end nothing can be charged, and takes the plan away.
LOSING_BEHAVIORS = ("cancel", "pause")


class ChangeTrialVerb(SubscriptionVerb):
    """Let a trial end at another moment."""

    kind = BillingOperationKind.CHANGE_TRIAL

    def check_subscription(self, claim: CustomerClaim, subscription: Subscription) -> None:
        """Let only what is in its trial be asked for."""
        if not subscription.on_trial:
            raise WrongState("This subscription is not in a trial.", code="not_in_trial")
        claim.params["collection_method"] = subscription.collection_method

    def call(self, claim: CustomerClaim) -> SubscriptionSnapshot:
        """Move its end; what was scheduled goes by the old one, and is dropped.

        The periods that begin with the trial's end are the first that may differ from each other.
        """
        ends = claim.params["ends"]
        if ends is None:
            check_can_be_charged(claim)
        let_go(claim)
        snapshot: SubscriptionSnapshot = claim.gateway.change_trial(
            claim.seen.provider_id,
            ends=datetime.fromisoformat(ends) if ends else None,
            collection_method=claim.params["collection_method"],
            idempotency_key=claim.key,
        )
        return end_with_plan(claim, snapshot)

    def find_earlier(self, claim: CustomerClaim) -> SubscriptionSnapshot | None:
        """Return the subscription if its trial is over: to end it again would begin another period."""
        if claim.params["ends"]:
            return None
        found: SubscriptionSnapshot = claim.gateway.retrieve_subscription(claim.seen.provider_id)
        return None if found.status == SubscriptionStatus.TRIALING else end_with_plan(claim, found)


def check_can_be_charged(claim: CustomerClaim) -> None:
    """Let no trial be ended that would be paused or cancelled by that, because nothing can be charged.

    Where an invoice is made of it instead, the provider itself refuses what nobody pays.

    Raises:
        PaymentDeclined: there is no payment method ("payment_method_missing").
    """
    found: SubscriptionSnapshot = claim.gateway.retrieve_subscription(claim.seen.provider_id)
    is_lost = found.trial_end_behavior in LOSING_BEHAVIORS and found.collection_method != "send_invoice"
    if not is_lost or found.default_payment_method or all(item.amount == 0 for item in found.items):
        return
    if not claim.gateway.retrieve_customer(customer_id(claim)).default_payment_method:
        raise PaymentDeclined("The customer has no payment method. Add one first.", code="payment_method_missing")


CHANGE_TRIAL = register(ChangeTrialVerb())


def change_trial(
    *, subscription: Subscription, ends: datetime, idempotency_key: str | None = None, origin: Origin = SYSTEM
) -> Subscription:
    """Let a trial last longer, or less long.

    Args:
        ends: when it ends; it is charged then.

    Raises:
        InvalidInput: that moment has passed, makes the trial longer than 730 days, or has no time zone.
        WrongState: it is not in a trial ("not_in_trial").
        UnsupportedByGateway: this provider cannot do it.
        ProviderError: the provider refused or failed.
    """
    check_moment(ends, field="trial_end", is_to_come="The trial must end in the future.")
    if ends > (subscription.trial_start or timezone.now()) + timedelta(days=MOST_TRIAL_DAYS):
        raise InvalidInput(f"A trial has {MOST_TRIAL_DAYS} days at most.", field="trial_end")
    return _run(subscription, ends.isoformat(), idempotency_key, origin)


def end_trial(
    *, subscription: Subscription, idempotency_key: str | None = None, origin: Origin = SYSTEM
) -> Subscription:
    """End a trial now and charge the first period.

    Raises:
        PaymentDeclined: the payment was declined, or nothing can be charged; the trial goes on.
        WrongState: it is not in a trial ("not_in_trial").
        UnsupportedByGateway: this provider cannot do it.
        ProviderError: the provider refused or failed.
    """
    return _run(subscription, None, idempotency_key, origin)


def _run(subscription: Subscription, ends: str | None, idempotency_key: str | None, origin: Origin) -> Subscription:
    if not billing_gateway_of(subscription).supports_trial_changes:
        raise UnsupportedByGateway("This gateway cannot change a trial.")
    return run_on_subscription(CHANGE_TRIAL, subscription, {"ends": ends}, idempotency_key, origin)


def check_trial_days(trial_days: int) -> int:
    """Return how many days a trial lasts, 0 for none.

    Raises:
        InvalidInput: the provider takes no such trial.
    """
    if not is_whole(trial_days, 0, MOST_TRIAL_DAYS):
        raise InvalidInput(f"A trial has 0 to {MOST_TRIAL_DAYS} whole days.", field="trial_days")
    return trial_days


def may_have_trial(subscription: Subscription, plan: Plan) -> bool:
    """Return whether the owner of a subscription may have a trial of ``plan``, as the host decides."""
    return get_adapter().may_have_trial(subscription.customer.owner, plan, tried_plans(subscription))


def tried_plans(subscription: Subscription) -> Sequence[Plan]:
    """Return the plans that the customer had a trial of in another subscription, whatever that is to by now."""
    rows = Subscription.objects.using(payments_database())
    tried = rows.filter(customer=subscription.customer, trial_start__isnull=False).exclude(pk=subscription.pk)
    asked = BillingOperation.objects.using(payments_database()).exclude(state=OperationState.FAILED)
    begun = asked.filter(subscription__in=tried, kind__in=BEGINNINGS)
    carried = asked.filter(
        customer=subscription.customer, kind=BillingOperationKind.CHANGE, params__trial__keeps_trial=True
    ).exclude(subscription=subscription.pk)
    prices = {params["price_id"] for asked in (begun, carried) for params in asked.values_list("params", flat=True)}
    sold = PlanPricing.objects.using(payments_database()).filter(stripe_price_id__in=prices).values("plan")
    # What a trial was given up for, or came after it, was not tried.
    paid = _changed_to(asked.filter(subscription__in=tried, kind__in=CHANGES))
    had = {
        plan_pk for pk, price_id, plan_pk in tried.values_list("pk", "price_id", "plan") if (pk, price_id) not in paid
    }
    of_tried = Q(pk__in=had - {None}) | Q(pk__in=sold)
    return list(Plan.objects.using(payments_database()).filter(of_tried))


def _changed_to(changes: QuerySet[BillingOperation]) -> set[tuple[int | None, str]]:
    """Return the subscriptions, each with a price that a change of ours has put it on without a trial."""
    return {
        (subscription_pk, params["price_id"])
        for subscription_pk, params in changes.values_list("subscription", "params")
        if not params.get("trial", {}).get("keeps_trial")
    }


def trial_after_change(subscription: Subscription, pricing: PlanPricing | None) -> dict[str, Any]:
    """Return what becomes of a running trial when the price changes: the new price's own rule holds.

    Without a trial of its own, or where the owner had one of that plan, the trial ends and the price is charged; so it
    is for a plan that does not renew, which has one paid period and no more. Else what is left of the new price's trial
    is left, counted from where the trial began, and never more than there was.

    Args:
        pricing: the new price, ``None`` where it stays.

    Returns:
        ``ends_trial`` or ``trial_end`` for the change, and whether the trial goes on; empty where nothing changes.
    """
    if pricing is None or is_charged(subscription, pricing) or not subscription.on_trial:
        return {}
    began, ends = subscription.trial_start, subscription.trial_end
    if not billing_gateway_of(subscription).supports_trial_changes:
        raise UnsupportedByGateway("This gateway cannot end a trial, which a change of the price does.")
    is_same_plan = pricing.plan_id == subscription.plan_id
    has_trial = pricing.trial_days and pricing.plan.auto_renew and began is not None and ends is not None
    if not has_trial or not (is_same_plan or may_have_trial(subscription, pricing.plan)):
        return {"ends_trial": True}
    assert began is not None and ends is not None  # noqa: S101, PT018 (a trial that runs)
    own = began + timedelta(days=pricing.trial_days)
    if own <= timezone.now():
        return {"ends_trial": True}
    return {"keeps_trial": True, "trial_end": own.isoformat() if own < ends else None}


def check_trial_end(asked: str) -> str:
    """Return what becomes of a trial at whose end nothing can be charged, by default as the setting says.

    Raises:
        InvalidInput: it is none that is known.
    """
    behavior = asked or gateway_settings.trial_end_behavior
    if behavior and behavior not in TRIAL_END_BEHAVIORS:
        raise InvalidInput(f"It is one of {', '.join(TRIAL_END_BEHAVIORS)}.", field="trial_end_behavior")
    return behavior
