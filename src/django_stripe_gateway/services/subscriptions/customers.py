"""Customers: found or made once for each owner and variant, and kept in step with the owner's details."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from django_stripe_gateway import signals
from django_stripe_gateway.adapter import get_adapter, wrong_answer
from django_stripe_gateway.conf import gateway_settings
from django_stripe_gateway.exceptions import GatewayConfigurationError
from django_stripe_gateway.gateways.registry import billing_variants, get_billing_gateway
from django_stripe_gateway.models import Customer
from django_stripe_gateway.services.audit import send_on_commit
from django_stripe_gateway.services.operations.engine import run
from django_stripe_gateway.services.operations.verbs import Request
from django_stripe_gateway.services.origins import SYSTEM, Origin
from django_stripe_gateway.services.subscriptions.create_customer import CREATE_CUSTOMER
from django_stripe_gateway.services.subscriptions.locks import lock_customer
from django_stripe_gateway.services.subscriptions.update_customer import UPDATE_CUSTOMER
from django_stripe_gateway.services.transactions import money_transaction, payments_database, retry_on_deadlock

NAME_LENGTH = 256


def billing_variant() -> str:
    """Return the payment variant whose account sells subscriptions.

    Raises:
        GatewayConfigurationError: there is no variant whose provider bills subscriptions.
    """
    if gateway_settings.billing_variant:
        return gateway_settings.billing_variant
    variant = next(billing_variants(), None)
    if variant is None:
        raise GatewayConfigurationError("Subscriptions need a variant that bills them. Add one to PAYMENT_VARIANTS.")
    return variant


def customer_row(owner: Any, variant: str) -> Customer:
    """Return the row of an owner and a variant, made if there is none; nothing is asked of the provider."""
    rows = Customer.objects.using(payments_database())
    row = rows.filter(owner_id=owner.pk, variant=variant).first()
    if row is not None:
        return row
    livemode = get_billing_gateway(variant).livemode
    try:
        with transaction.atomic(using=payments_database()):
            return rows.create(owner_id=owner.pk, variant=variant, livemode=livemode)
    except IntegrityError:
        # Another request of the same owner was faster.
        return rows.get(owner_id=owner.pk, variant=variant)


def ensure_customer(*, owner: Any, variant: str = "", origin: Origin = SYSTEM) -> Customer:
    """Return the customer of an owner, made at the provider if need be, with the owner's present details.

    Args:
        owner: instance of ``STRIPE_GATEWAY_OWNER_MODEL``.
        variant: payment variant, empty for the one that sells subscriptions.

    Raises:
        OperationInProgress: another request is about to make it.
        ProviderError: the provider refused or failed.
    """
    customer = customer_row(owner, variant or billing_variant())
    details = owner_details(owner)
    if not customer.exists_at_provider:
        params = {**details, "digest": details_digest(details)}
        made: Customer = run(CREATE_CUSTOMER, customer.pk, Request(params=params, match=params), origin).subject
        return made
    return update_customer(customer=customer, origin=origin) if _has_other_details(customer, details) else customer


def update_customer(*, customer: Customer, origin: Origin = SYSTEM) -> Customer:
    """Tell the provider the owner's details if they have changed; see ``ensure_customer`` for what is raised."""
    if customer.owner is None or not customer.exists_at_provider:
        return customer
    details = owner_details(customer.owner)
    if not _has_other_details(customer, details):
        # Saved, but with nothing that the provider is told of.
        seen = Customer.objects.using(payments_database()).filter(pk=customer.pk)
        seen.filter(details_changed=customer.details_changed).update(details_changed=None)
        return customer
    params = {**details, "digest": details_digest(details)}
    updated: Customer = run(UPDATE_CUSTOMER, customer.pk, Request(params=params, match=params), origin).subject
    return updated


def owner_details(owner: Any) -> dict[str, Any]:
    """Return what the provider is told of an owner: name, e-mail address and our id.

    Raises:
        GatewayConfigurationError: the host's adapter answers no dictionary.
    """
    details: Any = get_adapter().customer_details(owner)
    if not isinstance(details, Mapping):
        raise wrong_answer("customer_details", "must return a dictionary of name and email")
    return {
        "name": str(details.get("name") or "")[:NAME_LENGTH],
        "email": str(details.get("email") or ""),
        "metadata": {"owner_id": str(owner.pk)},
    }


def details_digest(details: Mapping[str, Any]) -> str:
    """Return a digest of an owner's details, by which a change is seen without keeping them."""
    return hashlib.sha256(json.dumps(details, sort_keys=True).encode()).hexdigest()


def _has_other_details(customer: Customer, details: Mapping[str, Any]) -> bool:
    return customer.details_digest != details_digest(details)


@retry_on_deadlock
def mark_customer_deleted(customer: Customer) -> None:
    """Note that the provider has deleted a customer, unless another one has been made since ``customer`` was read."""
    with money_transaction():
        current = lock_customer(customer.pk)
        if current.provider_id == customer.provider_id:
            note_deletion(current)


def note_deletion(customer: Customer) -> None:
    """Note on a locked customer that the provider has deleted it, and tell receivers."""
    if customer.deleted is not None:
        return
    customer.deleted = timezone.now()
    customer.default_payment_method = ""
    customer.save(using=payments_database(), update_fields=["deleted", "default_payment_method", "modified"])
    send_on_commit(signals.customer_deleted, Customer, customer=customer)
