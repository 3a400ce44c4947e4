"""Settle operations whose process died, and ask the provider about what waits too long."""

from __future__ import annotations

from argparse import ArgumentParser
from collections import Counter
from datetime import timedelta
from itertools import chain
from typing import Any

from django.core.management.base import CommandError

from django_stripe_gateway.conf import gateway_settings
from django_stripe_gateway.management.descriptions import describe
from django_stripe_gateway.management.output import GatewayCommand, table
from django_stripe_gateway.services.connect.accounts import reconcile_connect_operations
from django_stripe_gateway.services.disputes import reconcile_disputes
from django_stripe_gateway.services.leaving.orphans import find_orphans, reconcile_erased
from django_stripe_gateway.services.operations.answers import forget_answers
from django_stripe_gateway.services.operations.reconcile import verify_keys
from django_stripe_gateway.services.payments.reconcile import reconcile_operations, reconcile_payments
from django_stripe_gateway.services.subscriptions.given_back_look import reconcile_invoice_refunds
from django_stripe_gateway.services.subscriptions.reconcile import (
    reconcile_billing_operations,
    reconcile_customers,
    reconcile_items,
    reconcile_subscriptions,
)

OUTCOMES = (
    *("settled", "refused", "changed", "unchanged", "in progress", "skipped", "missing", "silent", "unclear"),
    "orphaned",
)
NOTABLE = frozenset(OUTCOMES) - {"unchanged", "skipped"}


class Command(GatewayCommand):
    """Run it from cron every few minutes; running it twice at once is harmless."""

    help = describe(__module__, __doc__)

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add ``--older-than``."""
        parser.add_argument(
            "--older-than",
            type=int,
            default=60,
            metavar="MINUTES",
            help="ask the provider about what has waited this long (default: 60)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Settle, ask, and print a summary; fails if the provider stayed silent."""
        if options["older_than"] < 0:
            raise CommandError("--older-than takes minutes, 0 or more.")
        outcomes: Counter[str] = Counter()
        older_than = timedelta(minutes=options["older_than"])
        waiting = (
            reconcile_payments(older_than=older_than),
            reconcile_subscriptions(older_than=older_than),
            reconcile_customers(),
            reconcile_items(),
            reconcile_invoice_refunds(older_than=older_than),
            reconcile_disputes(older_than=older_than),
            reconcile_erased(),
            find_orphans(),
            forget_answers(),
        )
        pending = (reconcile_operations(), reconcile_billing_operations(), reconcile_connect_operations())
        for result in chain(verify_keys(), *pending, *waiting):
            outcomes[result.outcome] += 1
            if result.outcome in NOTABLE or options["verbosity"] > 1:
                self.stdout.write(f"{result.subject}: {result.outcome} {result.detail}".rstrip())
        self.stdout.write("\n".join(table(OUTCOMES, outcomes)))
        if outcomes["skipped"]:
            self.stdout.write("What is skipped is of another account or mode, or lost there: see manage.py doctor.")
        if outcomes["unclear"]:
            raise CommandError(
                "The provider's answers do not say what became of some of them. Check that the key is valid and "
                "belongs to the account and mode that they were made in, and run the command again. What the provider "
                "does not know any more, staff can give up on in the admin; manage.py doctor says what that is."
            )
        if outcomes["silent"]:
            raise CommandError("The provider did not answer for some of them. Run the command again.")
        if outcomes["orphaned"] and gateway_settings.deleted_owners != "keep":
            raise CommandError(
                "Some customers are charged on though their owners are gone. End that with close_account --customer, "
                "followed by the customer's id."
            )
