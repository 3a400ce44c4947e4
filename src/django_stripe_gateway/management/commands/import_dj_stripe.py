"""Bring what dj-stripe's tables know: whose the customers are, and with Stripe's help all that is theirs."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from django_stripe_gateway.exceptions import GatewayError
from django_stripe_gateway.gateways.registry import get_account_reader, get_billing_gateway
from django_stripe_gateway.management.descriptions import describe
from django_stripe_gateway.management.imports import ImportCommand, read_decisions
from django_stripe_gateway.management.output import sentence_of
from django_stripe_gateway.services.imports.dj_stripe import SUBSCRIBER_METADATA, DjStripeTables
from django_stripe_gateway.services.imports.owners import Matching
from django_stripe_gateway.services.subscriptions.customers import billing_variant


class Command(ImportCommand):
    """dj-stripe need not be installed; its tables are only read, and nothing is written at Stripe."""

    help = describe(__module__, __doc__)

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the options."""
        self.add_common(parser)
        self.add_account(parser)
        parser.add_argument(
            "--database", default="default", metavar="ALIAS", help="database with dj-stripe's tables (default: default)"
        )
        parser.add_argument("--account", default="", help="id of the account, where the tables hold several: acct_…")
        parser.add_argument(
            "--offline", action="store_true", help="ask Stripe nothing: take the objects as dj-stripe has stored them"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Bring, and print what needs a look and a summary; fails if something could not be brought."""
        decided = read_decisions(options["map"]) if options["map"] else {}
        try:
            variant = options["variant"] or billing_variant()
            livemode = get_billing_gateway(variant).livemode
            tables = DjStripeTables(options["database"], livemode=livemode, account=options["account"])
            reader = tables.reader() if options["offline"] else get_account_reader(variant)
            subscribers = tables.subscribers()
        except GatewayError as error:
            raise CommandError(sentence_of(error)) from None
        matching = Matching(
            decided=subscribers | decided, decided_by="dj-stripe", metadata=SUBSCRIBER_METADATA, by_email=False
        )
        self.bring_account(reader, variant, matching, options)
