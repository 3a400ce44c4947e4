"""Bring the payments of a model of django-payments' into this app's; no provider is asked unless you say so."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.core.management.base import CommandError
from django.db import router

from django_stripe_gateway.exceptions import GatewayError
from django_stripe_gateway.management.descriptions import describe
from django_stripe_gateway.management.imports import ImportCommand
from django_stripe_gateway.models import get_payment_model
from django_stripe_gateway.services.imports.django_payments import (
    KIND,
    Columns,
    import_payments,
    open_table,
)
from django_stripe_gateway.services.imports.results import Imported
from django_stripe_gateway.services.imports.tables import ForeignTable
from django_stripe_gateway.services.imports.verify import KIND as VERIFIED
from django_stripe_gateway.services.imports.verify import verify_rows


class Command(ImportCommand):
    """Killed or run twice, it brings each payment once."""

    help = describe(__module__, __doc__)

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the options."""
        self.add_common(parser)
        parser.add_argument("--table", default="", help="the table of your model of payments")
        parser.add_argument("--model", default="", metavar="APP.MODEL", help="your model instead, if it is installed")
        parser.add_argument("--database", default="", metavar="ALIAS", help="database with the table")
        parser.add_argument("--owner-column", default="", metavar="NAME", help="column with the key of who pays")
        parser.add_argument("--order-column", default="", metavar="NAME", help="column with the order's number")
        parser.add_argument(
            "--partial-captures",
            action="store_true",
            help="what is missing from the total of a confirmed payment was never taken (default: was given back)",
        )
        parser.add_argument("--verify", action="store_true", help="ask the providers, and list what differs there")

    def handle(self, *args: Any, **options: Any) -> None:
        """Bring, and print what needs a look and a summary; fails if something could not be brought."""
        columns = Columns(options["owner_column"], options["order_column"], options["partial_captures"])
        name, database = chosen_table(options)
        try:
            table = open_table(database, name, columns)
        except GatewayError as error:
            raise CommandError(error.detail) from None
        results = self.results(table, columns, options)
        self.report(results, options, [KIND, VERIFIED] if options["verify"] else [KIND])

    def results(self, table: ForeignTable, columns: Columns, options: dict[str, Any]) -> Iterator[Imported]:
        """Bring the payments, and then ask about each, if that is wanted."""
        yield from import_payments(table, columns, variant=options["variant"], dry_run=options["dry_run"])
        if options["verify"]:
            yield from verify_rows(table, variant=options["variant"])


def chosen_table(options: dict[str, Any]) -> tuple[str, str]:
    """Return the table's name and its database.

    Raises:
        CommandError: none or two were named, or this app's own.
    """
    if bool(options["table"]) == bool(options["model"]):
        raise CommandError("Choose one of --table and --model.")
    own = get_payment_model()
    name, database = options["table"], options["database"] or "default"
    if options["model"]:
        try:
            model = apps.get_model(options["model"])
        except (LookupError, ValueError) as error:
            raise CommandError(str(error)) from None
        name, database = model._meta.db_table, options["database"] or router.db_for_read(model)
    if name == own._meta.db_table and database == router.db_for_write(own):
        raise CommandError(f"{name} is the table of PAYMENT_MODEL itself.")
    return name, database
