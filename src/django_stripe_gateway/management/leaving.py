"""What the commands about accounts that leave share: whom they mean, and how they name it."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Mapping
from typing import Any

from django.apps import apps
from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.core.management.base import CommandError

from django_stripe_gateway.conf import gateway_settings
from django_stripe_gateway.models import Customer
from django_stripe_gateway.services.batches import in_batches
from django_stripe_gateway.services.transactions import payments_database

NOBODY = (
    "Name the owner by primary key, or, of an owner who is gone, --customer and the customer's id, --email and the "
    "billing address, or both."
)


def add_whom(parser: ArgumentParser) -> None:
    """Add the owner's key, and the options in its place."""
    parser.add_argument(
        "owner", nargs="?", metavar="OWNER", help="the owner's primary key (of STRIPE_GATEWAY_OWNER_MODEL)"
    )
    parser.add_argument("--owner", dest="owner_key", metavar="KEY", help="the same, where users do not own")
    parser.add_argument("--user", metavar="KEY", help="a user's primary key, where something else owns")
    parser.add_argument(
        "--customer",
        metavar="cus_…",
        help="in place of an owner who is gone: the provider's id of the customer, be it a former one",
    )
    parser.add_argument("--variant", help="the variant of --customer, if several have one of this id")
    parser.add_argument(
        "--email", metavar="ADDRESS", help="of an owner who is gone: the billing address of one-off payments"
    )


def whom(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return whom the options name, as the services take it.

    Raises:
        CommandError: nobody is named, or two are, or there is no such owner or customer.
    """
    keys = [options["owner"], options["owner_key"], options["user"]]
    named = [key for key in keys if key]
    is_gone = bool(options["customer"] or options["email"])
    if len(named) + is_gone != 1 or (options["variant"] and not options["customer"]):
        raise CommandError(NOBODY)
    if is_gone:
        found = {"customer": _customer(options["customer"], options["variant"])} if options["customer"] else {}
        return found | ({"email": options["email"]} if options["email"] else {})
    owners, users = apps.get_model(gateway_settings.owner_model), get_user_model()
    if options["owner"] and owners is not users:
        # The same number is somebody among both.
        names = owners._meta.verbose_name, users._meta.verbose_name
        raise CommandError("Say whose key this is: --owner of a {}, or --user of a {}.".format(*names))
    model = users if options["user"] else owners
    try:
        return {"owner": model._base_manager.get(pk=named[0])}
    except (model.DoesNotExist, ValueError, ValidationError):
        hint = "Of one who is gone, name the customer: --customer cus_…"
        raise CommandError(f"There is no {model._meta.verbose_name} {named[0]}. {hint}") from None


def _customer(customer_id: str, variant: str | None) -> Customer:
    rows = Customer.objects.using(payments_database())
    if variant:
        rows = rows.filter(variant=variant)
    found = list(rows.filter(provider_id=customer_id)[:2])
    if not found:
        # Not every database can look into a list; few have been deleted and made anew.
        renewed = rows.exclude(former_ids=[])
        found = [row for row in in_batches(renewed) if row.is_known_as(customer_id)]
    if not found:
        raise CommandError(f"There is no customer {customer_id}.")
    if len(found) > 1:
        variants = ", ".join(sorted({row.variant for row in found}))
        raise CommandError(f"Several accounts have a customer {customer_id}. Name one with --variant: {variants}.")
    return found[0]
