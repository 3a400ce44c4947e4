"""What is common to starting a subscription at once and by a page of the provider."""

from __future__ import annotations

from datetime import datetime
from typing import TypeVar

from django_stripe_gateway.choices import BillingOperationKind as Kind
from django_stripe_gateway.choices import SubscriptionLogEvent
from django_stripe_gateway.conf import gateway_settings
from django_stripe_gateway.exceptions import InvalidInput, WrongState
from django_stripe_gateway.gateways.billing_values import SubscriptionRequest
from django_stripe_gateway.models import BillingOperation, Customer, Plan, PlanPricing, Subscription
from django_stripe_gateway.services.subscriptions.audit import log_subscription
from django_stripe_gateway.services.subscriptions.freshness import Known
from django_stripe_gateway.services.subscriptions.line import (
    CustomerClaim,
    CustomerVerb,
    Seen,
    claimed_subscription,
    customer_id,
)
from django_stripe_gateway.services.transactions import payments_database

A = TypeVar("A")
MAX_QUANTITY = 999_999
RESERVED_METADATA = frozenset({"subscription", "token"})


class StartVerb(CustomerVerb[A]):
    """A verb that starts a new subscription, whose row it makes under the customer's lock."""

    def check(self, claim: CustomerClaim) -> None:
        """Let nobody have a plan twice, unless the host allows it; make the row, and decide on the trial."""
        check_has_no_other(claim.subject.pk, claim.params["plan_pk"])
        params, customer = claim.params, claim.subject
        rows = PlanPricing.objects.using(payments_database()).select_related("plan")
        pricing = rows.get(pk=params["pricing_pk"])
        asked = params["asked_trial_days"]
        trial_days = pricing.trial_days if asked is None else asked
        if trial_days and not gateway_settings.allow_repeated_trials and _had_trial(customer, pricing.plan):
            trial_days = 0
        params["trial_days"] = trial_days
        subscription = Subscription(
            customer=customer,
            plan=pricing.plan,
            pricing=pricing,
            variant=pricing.variant,
            quantity=params["quantity"],
            livemode=customer.livemode,
            metadata={key: value for key, value in params["metadata"].items() if key not in RESERVED_METADATA},
            cancel_at_period_end=not pricing.plan.auto_renew,
        )
        subscription.save(using=payments_database())
        log_subscription(subscription, SubscriptionLogEvent.CREATED, claim.origin, str(pricing.plan))
        claim.operation.subscription = subscription

    def begin_call(self, claim: CustomerClaim) -> None:
        """Remember the subscription as it is, because its events may be faster than the answer."""
        subscription = claimed_subscription(claim)
        assert subscription is not None  # noqa: S101 (check has made it)
        claim.seen = Seen(subscription, Known.of(subscription))


def check_has_no_other(customer_pk: int, plan_pk: int, *, than: int | None = None) -> None:
    """Raise ``WrongState`` if a customer has a subscription to a plan already, unless the host allows two.

    Args:
        than: our key of a subscription that does not count.
    """
    rows = Subscription.objects.using(payments_database()).filter(customer_id=customer_pk, plan=plan_pk).not_ended()
    if than is not None:
        rows = rows.exclude(pk=than)
    if not gateway_settings.allow_duplicate_subscriptions and rows.exists():
        raise WrongState("There is a subscription to this plan already.", code="already_subscribed")


def check_quantity(quantity: int, pricing: PlanPricing | None) -> None:
    """Raise ``InvalidInput`` if a price, where one is known, cannot be sold so many times."""
    if not isinstance(quantity, int) or isinstance(quantity, bool) or not 1 <= quantity <= MAX_QUANTITY:
        raise InvalidInput(f"The quantity is a whole number from 1 to {MAX_QUANTITY}.", field="quantity")
    if quantity != 1 and pricing is not None and not pricing.is_per_seat:
        raise InvalidInput("This price is not per seat.", field="quantity")


def subscription_request(claim: CustomerClaim) -> SubscriptionRequest:
    """Return what starts a subscription, as its operation has kept it."""
    params, subscription = claim.params, claim.seen.subscription
    anchor = params.get("billing_cycle_anchor")
    return SubscriptionRequest(
        customer_id=customer_id(claim),
        price_id=params["price_id"],
        quantity=params["quantity"],
        trial_days=params["trial_days"],
        promotion_code=params["promotion_code_id"],
        coupon=params["coupon"],
        automatic_tax=params["automatic_tax"],
        cancel_at_period_end=params["cancel_at_period_end"],
        billing_cycle_anchor=datetime.fromisoformat(anchor) if anchor else None,
        default_payment_method=params["payment_method"],
        metadata={**subscription.metadata, "subscription": str(subscription.pk), "token": subscription.token},
    )


def _had_trial(customer: Customer, plan: Plan) -> bool:
    """Return whether a trial of a plan was had, also if its subscription is to another plan by now."""
    tried = Subscription.objects.using(payments_database()).filter(customer=customer, trial_start__isnull=False)
    if tried.filter(plan=plan).exists():
        return True
    begun = BillingOperation.objects.using(payments_database()).filter(
        subscription__in=tried, kind__in=(Kind.SUBSCRIBE, Kind.CHECKOUT)
    )
    prices = {params["price_id"] for params in begun.values_list("params", flat=True)}
    return plan.pricing.using(payments_database()).filter(stripe_price_id__in=prices).exists()
