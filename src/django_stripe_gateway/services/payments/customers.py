"""Whose customer a one-off payment is at its provider, and that nobody pays with what is another's.

It is the customer that subscriptions have, too: one for each owner and account.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.apps import apps
from django.db.models import Model

from django_stripe_gateway.conf import gateway_settings
from django_stripe_gateway.exceptions import (
    GatewayConfigurationError,
    InvalidInput,
    ProviderError,
    UnsupportedByGateway,
)
from django_stripe_gateway.gateways.base import Gateway
from django_stripe_gateway.gateways.registry import get_billing_gateway, get_gateway
from django_stripe_gateway.models import AbstractPayment, Customer
from django_stripe_gateway.services.origins import Origin
from django_stripe_gateway.services.subscriptions.customers import ensure_customer
from django_stripe_gateway.services.subscriptions.payment_methods import OBJECT_ID
from django_stripe_gateway.services.transactions import payments_database

ALWAYS, NEVER = "always", "never"


def billed_owner(owner: Any) -> Any:
    """Return an owner of payments if it is what the account's customers stand for, ``None`` if it is not."""
    if owner is None:
        return None
    is_billed = isinstance(owner, apps.get_model(gateway_settings.owner_model)) or not isinstance(owner, Model)
    return owner if is_billed and getattr(owner, "pk", None) is not None else None


def customer_owner_of(payment: AbstractPayment) -> Any:
    """Return who is billed for a payment: whose customer it was made for, or its owner."""
    if not payment.provider_customer_id:
        return billed_owner(payment.owner)
    rows = Customer.objects.using(payments_database()).filter(variant=payment.variant).select_related("owner")
    known = next((row for row in rows.filter(provider_id=payment.provider_customer_id)), None)
    return known.owner if known is not None else billed_owner(payment.owner)


def may_need_customer(asked: Mapping[str, Any]) -> bool:
    """Return whether a payment that is asked for may be a customer's, so that it matters who is billed."""
    if asked.get("save_payment_method") or asked.get("payment_method"):
        return True
    return gateway_settings.payment_customers == ALWAYS or gateway_settings.checkout_offers_to_save


def known_customer(owner: Any, variant: str) -> Customer | None:
    """Return the customer that an owner is in the account of a variant, ``None`` if the provider has none of them."""
    if owner is None:
        return None
    rows = Customer.objects.using(payments_database()).filter(owner_id=owner.pk, variant=variant).current()
    found = rows.first()
    return found if found is not None and found.exists_at_provider else None


def customer_to_pay(
    *, variant: str, owner: Any, payment_method: str, save_payment_method: bool, origin: Origin
) -> Customer | None:
    """Return whose payment it is at the provider, made there if that is needed; ``None`` for nobody's.

    Args:
        owner: who is billed, ``None`` for a guest.
        payment_method: what is paid with, if it is named: the owner's own, or one that nobody has saved.

    Raises:
        InvalidInput: it is another's, or unknown; or there is nobody to save it for.
        UnsupportedByGateway: nothing is saved here.
        ProviderError: the provider refused or failed.
    """
    gateway = get_gateway(variant)
    if save_payment_method:
        _check_may_save(gateway, owner)
    if not gateway.supports_customers:
        return None
    # On the provider's page its customer says what they pay with.
    named = "" if gateway.supports_redirect else payment_method
    saved = owner_of_method(variant, owner, named) if named else None
    if saved is not None or owner is None:
        return saved
    is_wanted = save_payment_method or offers_to_save(gateway) or gateway_settings.payment_customers == ALWAYS
    return ensure_customer(owner=owner, variant=variant, origin=origin) if is_wanted else None


def offers_to_save(gateway: Gateway) -> bool:
    """Return whether the provider's page asks its customer whether the card may be kept."""
    is_possible = gateway.supports_customers and gateway.supports_redirect
    return is_possible and gateway_settings.checkout_offers_to_save and gateway_settings.payment_customers != NEVER


def owner_of_method(variant: str, owner: Any, payment_method: str, *, field: str = "payment_method") -> Customer | None:
    """Return the customer who has saved a payment method, which is the owner's own; ``None`` if nobody has.

    Raises:
        InvalidInput: it is another's, or unknown, which is one and the same to whoever asks.
        ProviderError: the provider refused or failed.
    """
    unknown = _unknown_method(field)
    # Anything else, such as "..", would be another address at the provider.
    if not OBJECT_ID.fullmatch(payment_method):
        raise unknown
    try:
        found = get_billing_gateway(variant).retrieve_payment_method(payment_method)
    except GatewayConfigurationError as error:
        if not error.lacks_permission:
            raise
        # A restricted key that has never needed it: the provider itself lets nobody pay with what another has saved.
        return None
    except ProviderError as error:
        if not error.is_missing:
            raise
        raise unknown from None
    if not found.customer_id:
        return None
    own = known_customer(owner, variant)
    if own is None or own.provider_id != found.customer_id:
        raise unknown
    return own


def check_confirming(
    payment: AbstractPayment, gateway: Gateway, payment_method: str, customer_owner: Any = ...
) -> Customer | None:
    """Return the customer who has saved what a payment is to be confirmed with; see ``owner_of_method``.

    Args:
        customer_owner: see ``confirm_payment``.
    """
    if not payment_method or not gateway.supports_customers or not gateway.supports_confirm:
        return None
    customer_id = payment.provider_customer_id
    if customer_owner is not ...:
        owner = customer_owner or billed_owner(payment.owner)
    elif customer_id:
        rows = Customer.objects.using(payments_database()).filter(variant=payment.variant)
        customer = rows.filter(provider_id=customer_id).select_related("owner").first()
        owner = customer.owner if customer is not None else None
    else:
        owner = billed_owner(payment.owner)
    saved = owner_of_method(payment.variant, owner, payment_method)
    if saved is not None and customer_id not in ("", saved.provider_id):
        # The payment is somebody else's at the provider, which would refuse it.
        raise _unknown_method("payment_method")
    return saved


def _unknown_method(field: str) -> InvalidInput:
    return InvalidInput("There is no such payment method.", code="unknown_payment_method", field=field)


def _check_may_save(gateway: Gateway, owner: Any) -> None:
    if not gateway.supports_customers:
        raise UnsupportedByGateway("This gateway saves nothing that is paid with.", field="save_payment_method")
    if gateway_settings.payment_customers == NEVER:
        raise UnsupportedByGateway("Nothing that is paid with is saved here.", field="save_payment_method")
    if owner is None:
        raise InvalidInput("There is nobody to save it for.", code="no_owner", field="save_payment_method")
