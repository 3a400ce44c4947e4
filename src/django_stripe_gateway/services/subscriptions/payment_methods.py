"""A customer's payment methods, and the provider's page to manage what is paid."""

from __future__ import annotations

import re
from collections.abc import Sequence

from django_stripe_gateway.choices import BillingOperationKind as Kind
from django_stripe_gateway.exceptions import InvalidInput, ProviderError, UnsupportedByGateway
from django_stripe_gateway.gateways.billing_values import PaymentMethodSnapshot, SetupSnapshot
from django_stripe_gateway.gateways.registry import get_billing_gateway
from django_stripe_gateway.models import Customer
from django_stripe_gateway.services.origins import SYSTEM, Origin
from django_stripe_gateway.services.subscriptions.operations import BillingIntention
from django_stripe_gateway.services.subscriptions.performing import run_billing

OBJECT_ID = re.compile(r"[A-Za-z0-9_]{1,255}")


def list_payment_methods(*, customer: Customer | None) -> Sequence[PaymentMethodSnapshot]:
    """Return what a customer can be charged on, asked of the provider; nothing for whoever is no customer yet.

    Raises:
        ProviderError: the provider refused or failed.
    """
    if customer is None or not customer.exists_at_provider:
        return []
    return get_billing_gateway(customer.account).list_payment_methods(customer.customer_id or "")


def add_payment_method(*, customer: Customer, origin: Origin = SYSTEM) -> SetupSnapshot:
    """Return a SetupIntent, whose client secret lets the customer add a payment method in the browser.

    Raises:
        ProviderError: the provider refused or failed.
    """
    setup: SetupSnapshot = run_billing(customer.pk, BillingIntention(Kind.ADD_PAYMENT_METHOD), origin).answer
    return setup


def retrieve_setup(*, customer: Customer, setup_id: str) -> SetupSnapshot:
    """Return a SetupIntent that was made for ``customer``, with its client secret."""
    return get_billing_gateway(customer.account).retrieve_setup(setup_id)


def set_default_payment_method(*, customer: Customer, payment_method_id: str, origin: Origin = SYSTEM) -> Customer:
    """Charge one of the customer's payment methods from now on.

    Raises:
        InvalidInput: it is not the customer's.
        ProviderError: the provider refused or failed.
    """
    own_payment_method(customer, payment_method_id)
    params = {"payment_method_id": payment_method_id}
    return run_billing(customer.pk, BillingIntention(Kind.SET_DEFAULT_PAYMENT_METHOD, params), origin).customer


def remove_payment_method(*, customer: Customer, payment_method_id: str, origin: Origin = SYSTEM) -> None:
    """Take a payment method from a customer.

    Raises:
        InvalidInput: it is not the customer's.
        ProviderError: the provider refused or failed.
    """
    own_payment_method(customer, payment_method_id)
    params = {"payment_method_id": payment_method_id}
    run_billing(customer.pk, BillingIntention(Kind.REMOVE_PAYMENT_METHOD, params), origin)


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
        found = get_billing_gateway(customer.account).retrieve_payment_method(payment_method_id)
    except ProviderError as error:
        if error.code != "resource_missing":
            raise
        found = None
    if found is None or not customer.exists_at_provider or found.customer_id != customer.customer_id:
        raise unknown
    return found


def portal_url(*, customer: Customer, return_url: str, origin: Origin = SYSTEM) -> str:
    """Return the address of the provider's page where the customer manages what they pay.

    Raises:
        UnsupportedByGateway: the provider has none.
        ProviderError: the provider refused or failed.
    """
    if not get_billing_gateway(customer.account).supports_portal:
        raise UnsupportedByGateway("This gateway has no page where customers manage what they pay.")
    url: str = run_billing(customer.pk, BillingIntention(Kind.PORTAL, {"return_url": return_url}), origin).answer
    return url
