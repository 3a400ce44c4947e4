"""What a change would cost: asked of the provider, which changes nothing."""

from __future__ import annotations

from django_stripe_gateway.exceptions import ProviderStateError, WrongState
from django_stripe_gateway.gateways.billing_values import InvoiceSnapshot, SubscriptionChange
from django_stripe_gateway.gateways.registry import get_billing_gateway
from django_stripe_gateway.models import Subscription
from django_stripe_gateway.services.origins import SYSTEM
from django_stripe_gateway.services.subscriptions.sync import look_up_subscription


def preview(subscription: Subscription, change: SubscriptionChange) -> InvoiceSnapshot:
    """Return the invoice that a change would lead to.

    Raises:
        WrongState: the provider's subscription does not allow it; ours is as it is there by then.
        ProviderError: the provider refused or failed.
    """
    gateway = get_billing_gateway(subscription.variant)
    try:
        return gateway.preview_change(subscription.provider_id or "", subscription.customer.provider_id or "", change)
    except ProviderStateError as error:
        look_up_subscription(subscription.pk, SYSTEM)
        raise WrongState(error.detail, code=error.code, request_id=error.request_id) from error
