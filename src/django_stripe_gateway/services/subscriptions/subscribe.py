"""Subscribe an owner to a plan."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django_stripe_gateway.choices import BillingOperationKind, SubscriptionStatus
from django_stripe_gateway.conf import gateway_settings
from django_stripe_gateway.exceptions import (
    GatewayConfigurationError,
    InvalidInput,
    ProviderError,
    UnsupportedByGateway,
)
from django_stripe_gateway.gateways.billing import BillingGateway
from django_stripe_gateway.gateways.billing_values import SubscriptionSnapshot
from django_stripe_gateway.gateways.registry import get_billing_gateway
from django_stripe_gateway.models import Customer, Plan, PlanPricing, Subscription
from django_stripe_gateway.services.operations.engine import is_unanswered, run, scoped_request_key
from django_stripe_gateway.services.operations.verbs import Request, Verb, register
from django_stripe_gateway.services.origins import SYSTEM, Origin
from django_stripe_gateway.services.subscriptions.checkouts import close_open_checkouts
from django_stripe_gateway.services.subscriptions.customers import (
    billing_variant,
    ensure_customer,
    mark_customer_deleted,
)
from django_stripe_gateway.services.subscriptions.line import (
    CustomerClaim,
    SubscriptionVerb,
    claimed_subscription,
    customer_id,
)
from django_stripe_gateway.services.subscriptions.open_checkout import OPEN_CHECKOUT
from django_stripe_gateway.services.subscriptions.payment_methods import own_payment_method
from django_stripe_gateway.services.subscriptions.refresh import look_up_subscription
from django_stripe_gateway.services.subscriptions.start import StartVerb, check_quantity, subscription_request
from django_stripe_gateway.services.transactions import payments_database

MODES = ("direct", "checkout")


class SubscribeVerb(StartVerb[SubscriptionSnapshot], SubscriptionVerb):
    """Start a subscription at once; an open first payment is the customer's to confirm."""

    kind = BillingOperationKind.SUBSCRIBE

    def call(self, claim: CustomerClaim) -> SubscriptionSnapshot:
        """Start it."""
        snapshot: SubscriptionSnapshot = claim.gateway.create_subscription(
            subscription_request(claim), idempotency_key=claim.key
        )
        return snapshot

    def find_earlier(self, claim: CustomerClaim) -> SubscriptionSnapshot | None:
        """Return the subscription that carries our token."""
        for listed in claim.gateway.list_subscriptions(customer_id(claim)):
            if listed.metadata.get("token") == claim.seen.subscription.token:
                # The list carries no secret of the first invoice.
                found: SubscriptionSnapshot = claim.gateway.retrieve_subscription(listed.subscription_id)
                return found
        return None


SUBSCRIBE = register(SubscribeVerb())


def choose_pricing(plan: Plan, pricing_pk: int | None = None) -> PlanPricing:
    """Return the price of ``plan`` to sell at: the one named, or the first active one of the selling account.

    Raises:
        InvalidInput: the plan has no such price, or none that is sold.
    """
    rows = PlanPricing.objects.using(payments_database()).active().filter(plan=plan, variant=billing_variant())
    pricing = rows.filter(pk=pricing_pk).first() if pricing_pk is not None else rows.first()
    if pricing is None:
        raise InvalidInput(
            "This plan has no such price." if pricing_pk is not None else "This plan is not for sale.",
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
    _check_request(plan, pricing, quantity, mode)
    gateway = get_billing_gateway(pricing.variant)
    _check_support(gateway, mode, promotion_code)
    params: dict[str, Any] = {
        "plan_pk": plan.pk,
        "pricing_pk": pricing.pk,
        "metadata": dict(metadata or {}),
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
    verb: Verb[Any, Any, Any] = SUBSCRIBE
    if mode == "checkout":
        verb = OPEN_CHECKOUT
        params |= {
            "success_url": success_url,
            "cancel_url": cancel_url,
            "allow_promotion_codes": gateway.supports_promotion_codes and not promotion_code and not coupon,
        }
    customer = ensure_customer(owner=owner, variant=pricing.variant, origin=origin)
    if payment_method:
        own_payment_method(customer, payment_method, field="payment_method")
    close_open_checkouts(customer, plan, origin)
    match = {name: value for name, value in params.items() if name != "metadata"}
    request = Request(params, match, key=scoped_request_key(idempotency_key, "subscribe", customer.pk))
    unpaid = _unpaid(customer, pricing, quantity) if mode == "direct" else None
    if unpaid is not None and not is_unanswered(verb, customer.pk, request):
        # The same request again, while its first payment is still open: go on with that one.
        found = look_up_subscription(unpaid.pk, origin)
        if not found.has_ended:
            return found
    return _result(_run(verb, customer, request, origin), origin)


def _run(verb: Verb[Any, Any, Any], customer: Customer, request: Request, origin: Origin) -> CustomerClaim:
    """Run the verb; a customer that the provider has deleted is made anew, once."""
    try:
        return run(verb, customer.pk, request, origin)
    except ProviderError as error:
        if error.code != "resource_missing" or not _is_gone(customer):
            raise
        mark_customer_deleted(customer)
        again = ensure_customer(owner=customer.owner, variant=customer.variant, origin=origin)
        return run(verb, again.pk, request, origin)


def _is_gone(customer: Customer) -> bool:
    gateway = get_billing_gateway(customer.variant)
    try:
        return gateway.retrieve_customer(customer.provider_id or "").is_deleted
    except ProviderError as error:
        return error.code == "resource_missing"


def _result(claim: CustomerClaim, origin: Origin) -> Subscription:
    subscription: Subscription | None = claim.result or claimed_subscription(claim)
    assert subscription is not None  # noqa: S101 (what subscribes makes one)
    is_repeat = claim.result is None
    if is_repeat and claim.operation.kind == SUBSCRIBE.kind and subscription.has_incomplete_payment:
        # A repeat finds the work done; the secret came with the answer that was never given.
        return look_up_subscription(subscription.pk, origin)
    return subscription


def _unpaid(customer: Customer, pricing: PlanPricing, quantity: int) -> Subscription | None:
    rows = Subscription.objects.using(payments_database()).filter(customer=customer, pricing=pricing)
    return rows.filter(status=SubscriptionStatus.INCOMPLETE, quantity=quantity).first()


def _check_request(plan: Plan, pricing: PlanPricing, quantity: int, mode: str) -> None:
    if mode not in MODES:
        raise InvalidInput(f"The mode is one of {', '.join(MODES)}.", field="mode")
    if pricing.plan_id != plan.pk:
        raise InvalidInput("This plan has no such price.", code="unknown_pricing", field="pricing_id")
    if not plan.is_active or not pricing.is_active:
        raise InvalidInput("This plan is not for sale.", code="not_for_sale", field="plan_id")
    check_quantity(quantity, pricing)
    if not pricing.stripe_price_id:
        raise GatewayConfigurationError(
            f"The price {pricing.pk} of the plan {plan.slug!r} is not known to the provider. "
            "Run manage.py sync_plans --push."
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
