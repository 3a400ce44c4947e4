"""Ask for a customer's payment methods."""

from __future__ import annotations

import re
from collections.abc import Sequence

from django_stripe_gateway.exceptions import InvalidInput, ProviderError
from django_stripe_gateway.gateways.billing_values import PaymentMethodSnapshot, SetupSnapshot
from django_stripe_gateway.gateways.registry import get_billing_gateway
from django_stripe_gateway.models import Customer

OBJECT_ID = re.compile(r"[A-Za-z0-9_]{1,255}")


def list_payment_methods(*, customer: Customer | None) -> Sequence[PaymentMethodSnapshot]:
    """Return what a customer can be charged on, asked of the provider; nothing for whoever is no customer yet.

    Raises:
        ProviderError: the provider refused or failed.
    """
    if customer is None or not customer.exists_at_provider:
        return []
    return get_billing_gateway(customer.variant).list_payment_methods(customer.provider_id or "")


def retrieve_setup(*, customer: Customer, setup_id: str) -> SetupSnapshot:
    """Return a SetupIntent that was made for ``customer``, with its client secret."""
    return get_billing_gateway(customer.variant).retrieve_setup(setup_id)


def own_payment_method(
    customer: Customer, payment_method_id: str, *, field: str = "payment_method_id"
) -> PaymentMethodSnapshot:
    """Return one of the customer's payment methods.

    Args:
        field: where the caller has named it, for the error.

    Raises:
        InvalidInput: it is somebody else's, or nobody's.
    """
    unknown = InvalidInput("There is no such payment method.", code="unknown_payment_method", field=field)
    # Anything else, such as "..", would be another address at the provider.
    if not OBJECT_ID.fullmatch(payment_method_id):
        raise unknown
    try:
        found = get_billing_gateway(customer.variant).retrieve_payment_method(payment_method_id)
    except ProviderError as error:
        if error.code != "resource_missing":
            raise
        found = None
    if found is None or not customer.exists_at_provider or found.customer_id != customer.provider_id:
        raise unknown
    return found
