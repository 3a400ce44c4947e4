"""Bring what a running Stripe account holds: customers, subscriptions, invoices, payments and what was given back."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from django_stripe_gateway.exceptions import GatewayError
from django_stripe_gateway.gateways.registry import get_account_reader
from django_stripe_gateway.management.descriptions import describe
from django_stripe_gateway.management.imports import ImportCommand, chosen_matching
from django_stripe_gateway.management.output import sentence_of
from django_stripe_gateway.services.subscriptions.customers import billing_variant


class Command(ImportCommand):
    """It writes nothing at Stripe; killed or run twice, it brings each object once."""

    help = describe(__module__, __doc__)

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the options."""
        self.add_common(parser)
        self.add_account(parser)
        parser.add_argument(
            "--owner-metadata",
            default="",
            metavar="KEY",
            help="a key of the customers' metadata that holds the owner's key, beside our own owner_id",
        )
        parser.add_argument(
            "--no-email", action="store_true", help="match nobody by an e-mail address, however unique it is"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Bring, and print what needs a look and a summary; fails if something could not be brought."""
        matching = chosen_matching(options)
        try:
            variant = options["variant"] or billing_variant()
            reader = get_account_reader(variant)
        except GatewayError as error:
            raise CommandError(sentence_of(error)) from None
        self.bring_account(reader, variant, matching, options)
