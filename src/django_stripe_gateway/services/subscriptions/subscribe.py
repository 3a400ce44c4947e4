"""Subscribe an owner to a plan."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django_stripe_gateway.choices import BillingOperationKind as Kind
from django_stripe_gateway.choices import SubscriptionLogEvent, SubscriptionStatus
from django_stripe_gateway.conf import gateway_settings
from django_stripe_gateway.exceptions import (
    GatewayConfigurationError,
    InvalidInput,
    ProviderError,
    UnsupportedByGateway,
    WrongState,
)
from django_stripe_gateway.gateways.billing import BillingGateway
from django_stripe_gateway.gateways.registry import get_billing_gateway
from django_stripe_gateway.models import BillingOperation, Customer, Plan, PlanPricing, Subscription
from django_stripe_gateway.services.operations.running import scoped_request_key
from django_stripe_gateway.services.origins import SYSTEM, Origin
from django_stripe_gateway.services.subscriptions.audit import log_subscription
from django_stripe_gateway.services.subscriptions.checkouts import close_open_checkouts
from django_stripe_gateway.services.subscriptions.customers import (
    billing_account,
    ensure_customer,
    mark_customer_deleted,
)
from django_stripe_gateway.services.subscriptions.operations import BillingIntention
from django_stripe_gateway.services.subscriptions.payment_methods import own_payment_method
from django_stripe_gateway.services.subscriptions.performing import Outcome, run_billing
from django_stripe_gateway.services.subscriptions.refresh import look_up_subscription
from django_stripe_gateway.services.transactions import payments_database

MODES = ("direct", "checkout")
MAX_QUANTITY = 999_999
RESERVED_METADATA = frozenset({"subscription", "token"})


def choose_pricing(plan: Plan, pricing_id: int | None = None) -> PlanPricing:
    """Return the price of ``plan`` to sell at: the one named, or the first active one of the selling account.

    Raises:
        InvalidInput: the plan has no such price, or none that is sold.
    """
    rows = PlanPricing.objects.using(payments_database()).active().filter(plan=plan, account=billing_account())
    pricing = rows.filter(pk=pricing_id).first() if pricing_id is not None else rows.first()
    if pricing is None:
        raise InvalidInput(
            "This plan has no such price." if pricing_id is not None else "This plan is not for sale.",
            code="unknown_pricing",
            field="pricing_id",
        )
    return pricing


def subscribe(
    *,
    owner: Any,
    plan: Plan,
    pricing: PlanPricing | None = None,
    quantity: int = 1,
    mode: str = "direct",
    promotion_code: str = "",
    coupon: str = "",
    payment_method: str = "",
    trial_days: int | None = None,
    billing_cycle_anchor: datetime | None = None,
    metadata: Mapping[str, str] | None = None,
    success_url: str = "",
    cancel_url: str = "",
    idempotency_key: str | None = None,
    origin: Origin = SYSTEM,
) -> Subscription:
    """Subscribe ``owner`` to ``plan``.

    Args:
        pricing: one of the plan's, ``None`` for the first that is sold.
        quantity: seats, where the price is per seat.
        mode: "direct" starts it at once and leaves its first payment to the customer's browser where one is needed;
            "checkout" returns a page of Stripe's that starts it.
        promotion_code: as customers enter it. ``coupon``: the provider's id, for discounts that the host gives.
        payment_method: one of the customer's, charged instead of the default one.
        trial_days: ``None`` for those of the price; an owner has one trial of each plan.
        billing_cycle_anchor: when the first full period begins.
        metadata: kept on the subscription here and at the provider.
        success_url: where the page of the mode "checkout" sends the browser back to; ``cancel_url`` if nobody paid.

    Returns:
        The subscription, with ``client_secret`` where the customer must act, or ``gateway_url`` of the page.

    Raises:
        InvalidInput: quantity, mode, price, code or payment method are not acceptable.
        WrongState: the owner has this plan already.
        PaymentDeclined: the first payment was declined.
        UnsupportedByGateway: this provider cannot do it.
        ProviderError: the provider refused or failed.
    """
    pricing = pricing or choose_pricing(plan)
    _check_wish(plan, pricing, quantity, mode)
    gateway = get_billing_gateway(pricing.account)
    _check_support(gateway, mode, promotion_code)
    params = {
        "price_id": pricing.stripe_price_id,
        "quantity": quantity,
        "promotion_code_id": _promotion_code_id(gateway, promotion_code) if mode == "direct" or promotion_code else "",
        "coupon": coupon,
        "automatic_tax": gateway_settings.automatic_tax,
        "cancel_at_period_end": not plan.auto_renew,
        "billing_cycle_anchor": billing_cycle_anchor.isoformat() if billing_cycle_anchor else None,
        "payment_method": payment_method,
        "asked_trial_days": trial_days,
    }
    kind = Kind.SUBSCRIBE
    if mode == "checkout":
        kind = Kind.CHECKOUT
        params |= {
            "success_url": success_url,
            "cancel_url": cancel_url,
            "allow_promotion_codes": gateway.supports_promotion_codes and not promotion_code and not coupon,
        }
    customer = ensure_customer(owner=owner, account=pricing.account, origin=origin)
    if payment_method:
        own_payment_method(customer, payment_method, field="payment_method")
    close_open_checkouts(customer, plan, origin)
    unpaid = _unpaid(customer, pricing, quantity) if mode == "direct" else None
    if unpaid is not None:
        # The same wish again, while its first payment is still open: go on with that one.
        found = look_up_subscription(unpaid.pk, origin)
        if not found.has_ended:
            return found
    prepare = _Preparation(plan, pricing, quantity, params, dict(metadata or {}), origin)
    request_key = scoped_request_key(idempotency_key, "subscribe", customer.pk)
    intention = BillingIntention(kind, params, prepare=prepare, request_key=request_key)
    outcome = _run(customer, intention, origin)
    return _result(outcome, origin)


class _Preparation:
    """Make the row of a new subscription under the customer's lock, if the customer may have it."""

    def __init__(
        self,
        plan: Plan,
        pricing: PlanPricing,
        quantity: int,
        params: dict[str, Any],
        metadata: dict[str, str],
        origin: Origin,
    ) -> None:
        self.plan, self.pricing, self.quantity = plan, pricing, quantity
        self.params, self.metadata, self.origin = params, metadata, origin

    def __call__(self, customer: Customer) -> Subscription:
        rows = Subscription.objects.using(payments_database()).filter(customer=customer, plan=self.plan)
        if not gateway_settings.allow_duplicate_subscriptions and rows.not_ended().exists():
            raise WrongState("There is a subscription to this plan already.", code="already_subscribed")
        asked = self.params["asked_trial_days"]
        trial_days = self.pricing.trial_days if asked is None else asked
        if trial_days and not gateway_settings.allow_repeated_trials and self._had_trial(customer):
            trial_days = 0
        self.params["trial_days"] = trial_days
        subscription = Subscription(
            customer=customer,
            plan=self.plan,
            pricing=self.pricing,
            account=self.pricing.account,
            quantity=self.quantity,
            livemode=customer.livemode,
            metadata={key: value for key, value in self.metadata.items() if key not in RESERVED_METADATA},
            cancel_at_period_end=not self.plan.auto_renew,
        )
        subscription.save(using=payments_database())
        log_subscription(subscription, SubscriptionLogEvent.CREATED, self.origin, str(self.plan))
        return subscription

    def _had_trial(self, customer: Customer) -> bool:
        """Return whether a trial of this plan was had, also if its subscription is to another plan by now."""
        tried = Subscription.objects.using(payments_database()).filter(customer=customer, trial_start__isnull=False)
        if tried.filter(plan=self.plan).exists():
            return True
        begun = BillingOperation.objects.using(payments_database()).filter(
            subscription__in=tried, kind__in=(Kind.SUBSCRIBE, Kind.CHECKOUT)
        )
        prices = {params["price_id"] for params in begun.values_list("params", flat=True)}
        return self.plan.pricing.using(payments_database()).filter(stripe_price_id__in=prices).exists()


def _run(customer: Customer, intention: BillingIntention, origin: Origin) -> Outcome:
    """Carry out the wish; a customer that the provider has deleted is made anew, once."""
    try:
        return run_billing(customer.pk, intention, origin)
    except ProviderError as error:
        if error.code != "resource_missing" or not _is_gone(customer):
            raise
        mark_customer_deleted(customer)
        again = ensure_customer(owner=customer.owner, account=customer.account, origin=origin)
        return run_billing(again.pk, intention, origin)


def _is_gone(customer: Customer) -> bool:
    gateway = get_billing_gateway(customer.account)
    try:
        return gateway.retrieve_customer(customer.customer_id or "").is_deleted
    except ProviderError as error:
        return error.code == "resource_missing"


def _result(outcome: Outcome, origin: Origin) -> Subscription:
    subscription = outcome.subscription
    assert subscription is not None  # noqa: S101 (what subscribes makes one)
    if outcome.operation.kind == Kind.CHECKOUT:
        subscription.gateway_url = outcome.answer.url if outcome.answer else ""
        return subscription
    if outcome.answer is None and subscription.has_incomplete_payment:
        # A repeat finds the work done; the secret came with the answer that was never given.
        return look_up_subscription(subscription.pk, origin)
    return subscription


def _unpaid(customer: Customer, pricing: PlanPricing, quantity: int) -> Subscription | None:
    rows = Subscription.objects.using(payments_database()).filter(customer=customer, pricing=pricing)
    return rows.filter(status=SubscriptionStatus.INCOMPLETE, quantity=quantity).first()


def _check_wish(plan: Plan, pricing: PlanPricing, quantity: int, mode: str) -> None:
    if mode not in MODES:
        raise InvalidInput(f"The mode is one of {', '.join(MODES)}.", field="mode")
    if pricing.plan_id != plan.pk:
        raise InvalidInput("This plan has no such price.", code="unknown_pricing", field="pricing_id")
    if not plan.is_active or not pricing.is_active:
        raise InvalidInput("This plan is not for sale.", code="not_for_sale", field="plan_id")
    if not isinstance(quantity, int) or isinstance(quantity, bool) or not 1 <= quantity <= MAX_QUANTITY:
        raise InvalidInput(f"The quantity is a whole number from 1 to {MAX_QUANTITY}.", field="quantity")
    if quantity != 1 and not pricing.is_per_seat:
        raise InvalidInput("This price is not per seat.", field="quantity")
    if not pricing.stripe_price_id:
        raise GatewayConfigurationError(
            f"The price {pricing.pk} of the plan {plan.slug!r} is not known to Stripe. Run manage.py sync_plans --push."
        )


def _check_support(gateway: BillingGateway, mode: str, promotion_code: str) -> None:
    if mode == "checkout" and not gateway.supports_checkout:
        raise UnsupportedByGateway('This gateway has no page that starts subscriptions. Use the mode "direct".')
    if promotion_code and not gateway.supports_promotion_codes:
        raise UnsupportedByGateway("This gateway knows no promotion codes.")


def _promotion_code_id(gateway: BillingGateway, code: str) -> str:
    if not code:
        return ""
    found = gateway.find_promotion_code(code)
    if found is None or not found.is_active:
        raise InvalidInput("There is no such promotion code.", code="unknown_promotion_code", field="promotion_code")
    return found.promotion_code_id
