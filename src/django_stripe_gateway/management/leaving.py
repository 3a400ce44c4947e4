"""What the commands about accounts that leave share: whom they mean, and how they name it."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Mapping
from typing import Any

from django.apps import apps
from django.core.exceptions import ValidationError
from django.core.management.base import CommandError

from django_stripe_gateway.conf import gateway_settings
from django_stripe_gateway.models import Customer
from django_stripe_gateway.services.transactions import payments_database


def add_whom(parser: ArgumentParser) -> None:
    """Add the owner's key and ``--customer``."""
    parser.add_argument(
        "owner", nargs="?", metavar="OWNER", help="the owner's primary key (of STRIPE_GATEWAY_OWNER_MODEL)"
    )
    parser.add_argument(
        "--customer", metavar="cus_…", help="in place of an owner who is gone: the provider's id of the customer"
    )


def whom(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return whom the options name, as the services take it.

    Raises:
        CommandError: nobody is named, or two are, or there is no such owner or customer.
    """
    key, customer_id = options["owner"], options["customer"]
    if bool(key) == bool(customer_id):
        raise CommandError(
            "Name the owner by primary key, or, of an owner who is gone, --customer and the customer's id."
        )
    if customer_id:
        found = list(Customer.objects.using(payments_database()).filter(provider_id=customer_id)[:2])
        if len(found) != 1:
            raise CommandError(f"There is no customer {customer_id}, or several accounts have one of this id.")
        return {"customer": found[0]}
    model = apps.get_model(gateway_settings.owner_model)
    try:
        return {"owner": model._base_manager.get(pk=key)}
    except (model.DoesNotExist, ValueError, ValidationError):
        hint = "Of one who is gone, name the customer: --customer cus_…"
        raise CommandError(f"There is no {model._meta.verbose_name} {key}. {hint}") from None
