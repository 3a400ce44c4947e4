"""What each kind of billing operation asks of the provider; a repeat sends the same bytes under the same key."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django_stripe_gateway.gateways.billing import BillingGateway
from django_stripe_gateway.gateways.billing_values import (
    BillingCheckoutSnapshot,
    CustomerRequest,
    CustomerSnapshot,
    PaymentMethodSnapshot,
    SetupSnapshot,
    SubscriptionChange,
    SubscriptionCheckoutRequest,
    SubscriptionRequest,
    SubscriptionSnapshot,
)
from django_stripe_gateway.models import Subscription
from django_stripe_gateway.services.operations.performing import look_up
from django_stripe_gateway.services.subscriptions.operations import BillingBegun


def customer_request(params: Mapping[str, Any]) -> CustomerRequest:
    """Return who is billed, as an operation has kept it."""
    return CustomerRequest(email=params["email"], name=params["name"], metadata=params["metadata"])


def create_customer(gateway: BillingGateway, begun: BillingBegun, subscription: None) -> CustomerSnapshot:
    """Make the customer; in development also give it a card that works."""
    key = begun.operation.idempotency_key
    customer = gateway.create_customer(customer_request(begun.operation.params), idempotency_key=key)
    test_card = gateway.test_payment_method
    if not test_card or customer.default_payment_method:
        return customer
    method = gateway.attach_payment_method(test_card, customer.customer_id, idempotency_key=f"{key}-attach")
    return gateway.set_default_payment_method(
        customer.customer_id, method.payment_method_id, idempotency_key=f"{key}-default"
    )


def update_customer(gateway: BillingGateway, begun: BillingBegun, subscription: None) -> CustomerSnapshot:
    """Tell the provider the owner's new details."""
    request = customer_request(begun.operation.params)
    return gateway.update_customer(_customer_id(begun), request, idempotency_key=begun.operation.idempotency_key)


def subscription_request(begun: BillingBegun, subscription: Subscription) -> SubscriptionRequest:
    """Return what starts a subscription, as its operation has kept it."""
    params = begun.operation.params
    anchor = params.get("billing_cycle_anchor")
    return SubscriptionRequest(
        customer_id=_customer_id(begun),
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


def subscribe(gateway: BillingGateway, begun: BillingBegun, subscription: Subscription) -> SubscriptionSnapshot:
    """Start the subscription, unless an earlier attempt has."""
    if not begun.is_first_attempt:
        made = look_up(lambda: gateway.list_subscriptions(_customer_id(begun)))
        for snapshot in made:
            if snapshot.metadata.get("token") == subscription.token:
                # The list carries no secret of the first invoice.
                return look_up(lambda: gateway.retrieve_subscription(snapshot.subscription_id))  # noqa: B023
    request = subscription_request(begun, subscription)
    return gateway.create_subscription(request, idempotency_key=begun.operation.idempotency_key)


def open_checkout(gateway: BillingGateway, begun: BillingBegun, subscription: Subscription) -> BillingCheckoutSnapshot:
    """Make the page that starts the subscription."""
    params = begun.operation.params
    request = SubscriptionCheckoutRequest(
        subscription=subscription_request(begun, subscription),
        success_url=params["success_url"],
        cancel_url=params["cancel_url"],
        allow_promotion_codes=params["allow_promotion_codes"],
    )
    return gateway.create_subscription_checkout(request, idempotency_key=begun.operation.idempotency_key)


def subscription_change(params: Mapping[str, Any]) -> SubscriptionChange:
    """Return what changes, as an operation has kept it."""
    date = params.get("proration_date")
    return SubscriptionChange(
        item_id=params.get("item_id", ""),
        price_id=params.get("price_id"),
        quantity=params.get("quantity"),
        proration=params.get("proration", "create_prorations"),
        proration_date=datetime.fromisoformat(date) if date else None,
        cancel_at_period_end=params.get("cancel_at_period_end"),
    )


def change(gateway: BillingGateway, begun: BillingBegun, subscription: Subscription) -> SubscriptionSnapshot:
    """Change price, quantity or what happens at the period's end."""
    return gateway.change_subscription(
        _subscription_id(subscription),
        subscription_change(begun.operation.params),
        idempotency_key=begun.operation.idempotency_key,
    )


def cancel(gateway: BillingGateway, begun: BillingBegun, subscription: Subscription) -> SubscriptionSnapshot:
    """Let the subscription end with its period, or at once."""
    if begun.operation.params["at_period_end"]:
        return change(gateway, begun, subscription)
    subscription_id = _subscription_id(subscription)
    if not begun.is_first_attempt:
        found = look_up(lambda: gateway.retrieve_subscription(subscription_id))
        if found.ended_at is not None:
            return found
    return gateway.cancel_subscription(subscription_id, idempotency_key=begun.operation.idempotency_key)


resume = change


def pause(gateway: BillingGateway, begun: BillingBegun, subscription: Subscription) -> SubscriptionSnapshot:
    """Stop collecting money."""
    params = begun.operation.params
    resumes_at = params["resumes_at"]
    return gateway.pause_subscription(
        _subscription_id(subscription),
        behavior=params["behavior"],
        resumes_at=datetime.fromisoformat(resumes_at) if resumes_at else None,
        idempotency_key=begun.operation.idempotency_key,
    )


def unpause(gateway: BillingGateway, begun: BillingBegun, subscription: Subscription) -> SubscriptionSnapshot:
    """Collect money again."""
    subscription_id = _subscription_id(subscription)
    return gateway.unpause_subscription(subscription_id, idempotency_key=begun.operation.idempotency_key)


def add_payment_method(gateway: BillingGateway, begun: BillingBegun, subscription: None) -> SetupSnapshot:
    """Let the customer add a payment method in the browser."""
    return gateway.create_setup(_customer_id(begun), idempotency_key=begun.operation.idempotency_key)


def set_default_payment_method(gateway: BillingGateway, begun: BillingBegun, subscription: None) -> CustomerSnapshot:
    """Charge another payment method from now on."""
    return gateway.set_default_payment_method(
        _customer_id(begun),
        begun.operation.params["payment_method_id"],
        idempotency_key=begun.operation.idempotency_key,
    )


def remove_payment_method(gateway: BillingGateway, begun: BillingBegun, subscription: None) -> PaymentMethodSnapshot:
    """Take a payment method from its customer."""
    method_id = begun.operation.params["payment_method_id"]
    return gateway.detach_payment_method(method_id, idempotency_key=begun.operation.idempotency_key)


def open_portal(gateway: BillingGateway, begun: BillingBegun, subscription: None) -> str:
    """Return the address of the page where the customer manages what they pay."""
    return_url = begun.operation.params["return_url"]
    return gateway.create_portal_url(_customer_id(begun), return_url, idempotency_key=begun.operation.idempotency_key)


def _customer_id(begun: BillingBegun) -> str:
    return begun.customer.customer_id or ""


def _subscription_id(subscription: Subscription) -> str:
    return subscription.subscription_id or ""
