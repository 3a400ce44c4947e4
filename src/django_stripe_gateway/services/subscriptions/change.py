"""Change, cancel, resume, pause and unpause a subscription."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.utils import timezone

from django_stripe_gateway.choices import BillingOperationKind as Kind
from django_stripe_gateway.choices import SubscriptionStatus
from django_stripe_gateway.conf import gateway_settings
from django_stripe_gateway.exceptions import InvalidInput, UnsupportedByGateway, WrongState
from django_stripe_gateway.gateways.billing_values import InvoiceSnapshot
from django_stripe_gateway.gateways.registry import get_billing_gateway
from django_stripe_gateway.models import Customer, PlanPricing, Subscription
from django_stripe_gateway.services.operations.running import scoped_request_key
from django_stripe_gateway.services.origins import SYSTEM, Origin
from django_stripe_gateway.services.subscriptions.calls import subscription_change
from django_stripe_gateway.services.subscriptions.checkouts import close_open_checkouts
from django_stripe_gateway.services.subscriptions.operations import BillingIntention
from django_stripe_gateway.services.subscriptions.performing import run_billing
from django_stripe_gateway.services.subscriptions.subscribe import MAX_QUANTITY
from django_stripe_gateway.services.transactions import payments_database

PRORATIONS = ("create_prorations", "always_invoice", "none")
PAUSE_BEHAVIORS = ("void", "keep_as_draft", "mark_uncollectible")
CHANGEABLE = (SubscriptionStatus.ACTIVE, SubscriptionStatus.TRIALING, SubscriptionStatus.PAST_DUE)


def cancel_subscription(
    *,
    subscription: Subscription,
    at_period_end: bool = True,
    idempotency_key: str | None = None,
    origin: Origin = SYSTEM,
) -> Subscription:
    """Let a subscription end with its period, or at once; what is cancelled already stays so.

    Raises:
        WrongState: it is over, or was never started.
        ProviderError: the provider refused or failed.
    """

    def check(current: Subscription) -> None:
        if current.has_ended:
            raise WrongState("This subscription is over.")
        if at_period_end and current.status not in CHANGEABLE:
            raise WrongState(f"A subscription that is {current.status} can only be cancelled at once.")

    params = {"at_period_end": at_period_end, "cancel_at_period_end": True}
    return _run(subscription, Kind.CANCEL, params, check, idempotency_key, origin)


def resume_subscription(
    *, subscription: Subscription, idempotency_key: str | None = None, origin: Origin = SYSTEM
) -> Subscription:
    """Take back a cancellation while the period still runs.

    Raises:
        WrongState: it is over, or was not cancelled; or its plan does not renew.
        ProviderError: the provider refused or failed.
    """

    def check(current: Subscription) -> None:
        if not current.on_grace_period:
            raise WrongState("Only a cancelled subscription whose period still runs can be resumed.")
        if current.plan is not None and not current.plan.auto_renew:
            raise WrongState("This plan does not renew.")

    return _run(subscription, Kind.RESUME, {"cancel_at_period_end": False}, check, idempotency_key, origin)


def change_subscription(
    *,
    subscription: Subscription,
    pricing: PlanPricing | None = None,
    quantity: int | None = None,
    proration: str = "",
    proration_date: datetime | None = None,
    idempotency_key: str | None = None,
    origin: Origin = SYSTEM,
) -> Subscription:
    """Change price or quantity.

    Args:
        pricing: the new price, of this or another plan; ``None`` keeps it.
        quantity: ``None`` keeps it.
        proration: "create_prorations", "always_invoice" or "none"; empty for the setting.
        proration_date: the moment that a preview was made for, so that the change costs what it had said.

    Raises:
        InvalidInput: nothing would change, or the values are not acceptable.
        WrongState: it is over, or its first payment is open.
        PaymentDeclined: the payment that the change needs was declined; nothing has changed.
        ProviderError: the provider refused or failed.
    """
    if pricing is not None and pricing.plan_id != subscription.plan_id:
        close_open_checkouts(subscription.customer, pricing.plan, origin)
    params = _change_params(subscription, pricing, quantity, proration, proration_date)

    def check(current: Subscription) -> None:
        _check_changeable(current)
        if pricing is not None:
            # Again, under the lock: another request may have subscribed to that plan meanwhile.
            _check_other_plan(current, pricing)

    return _run(subscription, Kind.CHANGE, params, check, idempotency_key, origin)


def preview_change(
    *,
    subscription: Subscription,
    pricing: PlanPricing | None = None,
    quantity: int | None = None,
    proration: str = "",
    proration_date: datetime | None = None,
) -> InvoiceSnapshot:
    """Return the invoice that a change would lead to; nothing is changed. See ``change_subscription``."""
    _check_changeable(subscription)
    gateway = get_billing_gateway(subscription.account)
    if not gateway.supports_preview:
        raise UnsupportedByGateway("This gateway cannot say what a change would cost.")
    moment = proration_date or timezone.now().replace(microsecond=0)
    params = _change_params(subscription, pricing, quantity, proration, moment)
    change = subscription_change(params)
    customer_id = subscription.customer.customer_id or ""
    return gateway.preview_change(subscription.subscription_id or "", customer_id, change)


def pause_subscription(
    *,
    subscription: Subscription,
    behavior: str = "void",
    resumes_at: datetime | None = None,
    idempotency_key: str | None = None,
    origin: Origin = SYSTEM,
) -> Subscription:
    """Stop collecting money for a subscription; its status stays what it is.

    Args:
        behavior: what becomes of invoices meanwhile: "void", "keep_as_draft" or "mark_uncollectible".
        resumes_at: when the pause ends by itself.

    Raises:
        InvalidInput: an unknown behaviour, or a moment that has passed.
        WrongState: it is over, or paused already.
        UnsupportedByGateway: this provider cannot pause.
        ProviderError: the provider refused or failed.
    """
    if behavior not in PAUSE_BEHAVIORS:
        raise InvalidInput(f"The behavior is one of {', '.join(PAUSE_BEHAVIORS)}.", field="behavior")
    if resumes_at is not None and resumes_at <= timezone.now():
        raise InvalidInput("The pause must end in the future.", field="resumes_at")
    _check_supports_pause(subscription)

    def check(current: Subscription) -> None:
        _check_changeable(current)
        if current.is_paused:
            raise WrongState("This subscription is paused already.")

    params = {"behavior": behavior, "resumes_at": resumes_at.isoformat() if resumes_at else None}
    return _run(subscription, Kind.PAUSE, params, check, idempotency_key, origin)


def unpause_subscription(
    *, subscription: Subscription, idempotency_key: str | None = None, origin: Origin = SYSTEM
) -> Subscription:
    """Collect money again; see ``pause_subscription`` for what is raised."""
    _check_supports_pause(subscription)

    def check(current: Subscription) -> None:
        if current.has_ended or not current.is_paused:
            raise WrongState("This subscription is not paused.")

    return _run(subscription, Kind.UNPAUSE, {}, check, idempotency_key, origin)


def _run(
    subscription: Subscription,
    kind: str,
    params: Mapping[str, Any],
    check: Any,
    idempotency_key: str | None,
    origin: Origin,
) -> Subscription:
    def prepare(customer: Customer) -> None:
        rows = Subscription.objects.using(payments_database()).select_related("plan", "pricing")
        current = rows.get(pk=subscription.pk)
        if not current.subscription_id:
            raise WrongState("This subscription has not been started.")
        check(current)

    request_key = scoped_request_key(idempotency_key, kind, subscription.pk)
    intention = BillingIntention(
        kind, params, subscription_id=subscription.pk, prepare=prepare, request_key=request_key
    )
    changed = run_billing(subscription.customer_id, intention, origin).subscription
    assert changed is not None  # noqa: S101 (the operation is about one)
    return changed


def _check_changeable(subscription: Subscription) -> None:
    if subscription.status not in CHANGEABLE:
        raise WrongState(f"A subscription that is {subscription.status} cannot be changed.")


def _check_supports_pause(subscription: Subscription) -> None:
    if not get_billing_gateway(subscription.account).supports_pause:
        raise UnsupportedByGateway("This gateway cannot pause subscriptions.")


def _change_params(
    subscription: Subscription,
    pricing: PlanPricing | None,
    quantity: int | None,
    proration: str,
    proration_date: datetime | None,
) -> dict[str, Any]:
    proration = proration or gateway_settings.proration_behavior
    if proration not in PRORATIONS:
        raise InvalidInput(f"The proration is one of {', '.join(PRORATIONS)}.", field="proration")
    if pricing is not None:
        _check_pricing(subscription, pricing)
    seller = pricing or subscription.pricing
    if quantity is None:
        # A price that is not per seat is charged once.
        quantity = 1 if pricing is not None and not pricing.is_per_seat and subscription.quantity != 1 else None
    elif not isinstance(quantity, int) or isinstance(quantity, bool) or not 1 <= quantity <= MAX_QUANTITY:
        raise InvalidInput(f"The quantity is a whole number from 1 to {MAX_QUANTITY}.", field="quantity")
    elif quantity != 1 and seller is not None and not seller.is_per_seat:
        raise InvalidInput("This price is not per seat.", field="quantity")
    same_price = pricing is None or pricing.pk == subscription.pricing_id
    if same_price and quantity in (None, subscription.quantity):
        raise InvalidInput("This would change nothing.", code="nothing_to_change")
    return {
        "item_id": subscription.item_id,
        "price_id": None if same_price or pricing is None else pricing.stripe_price_id,
        "quantity": quantity,
        "proration": proration,
        "proration_date": proration_date.isoformat() if proration_date else None,
        "cancel_at_period_end": _ends_with_period(subscription, pricing),
    }


def _ends_with_period(subscription: Subscription, pricing: PlanPricing | None) -> bool | None:
    """Return what must become of the renewal; ``None`` where both plans renew, or neither does."""
    if pricing is None or subscription.plan is None or pricing.plan.auto_renew == subscription.plan.auto_renew:
        return None
    return not pricing.plan.auto_renew


def _check_pricing(subscription: Subscription, pricing: PlanPricing) -> None:
    if not pricing.is_active or not pricing.plan.is_active:
        raise InvalidInput("This plan is not for sale.", code="not_for_sale", field="pricing_id")
    if pricing.account != subscription.account or not pricing.stripe_price_id:
        raise InvalidInput("This plan is sold by another account.", code="unknown_pricing", field="pricing_id")
    current = subscription.pricing
    if current is not None and current.currency != pricing.currency:
        raise InvalidInput("A subscription keeps its currency.", code="other_currency", field="pricing_id")
    _check_other_plan(subscription, pricing)


def _check_other_plan(subscription: Subscription, pricing: PlanPricing) -> None:
    others = Subscription.objects.using(payments_database()).filter(
        customer_id=subscription.customer_id, plan=pricing.plan
    )
    if not gateway_settings.allow_duplicate_subscriptions and others.not_ended().exclude(pk=subscription.pk).exists():
        raise WrongState("There is a subscription to this plan already.", code="already_subscribed")
