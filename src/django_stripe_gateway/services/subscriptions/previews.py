"""What a change would cost: asked of the provider, which changes nothing."""

from __future__ import annotations

from collections.abc import Callable

from django_stripe_gateway.exceptions import ProviderStateError, WrongState
from django_stripe_gateway.gateways.billing import BillingGateway
from django_stripe_gateway.gateways.billing_values import InvoiceSnapshot
from django_stripe_gateway.models import Subscription
from django_stripe_gateway.services.accounts import billing_gateway_of
from django_stripe_gateway.services.origins import SYSTEM
from django_stripe_gateway.services.subscriptions.sync import look_up_subscription


def preview(subscription: Subscription, ask: Callable[[BillingGateway], InvoiceSnapshot]) -> InvoiceSnapshot:
    """Return the invoice that a change would lead to.

    Args:
        ask: asks the gateway of the subscription.

    Raises:
        WrongState: the provider's subscription does not allow it; ours is as it is there by then.
        ProviderError: the provider refused or failed.
    """
    try:
        return ask(billing_gateway_of(subscription))
    except ProviderStateError as error:
        look_up_subscription(subscription.pk, SYSTEM)
        raise WrongState(error.detail, code=error.code, request_id=error.request_id) from error
