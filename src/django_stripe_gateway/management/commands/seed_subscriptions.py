"""Make plans to subscribe to, here and at Stripe: a day pass, a monthly plan and a free one, or those of a file."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from django_stripe_gateway.choices import PriceUsage
from django_stripe_gateway.exceptions import GatewayError
from django_stripe_gateway.gateways.registry import get_billing_gateway
from django_stripe_gateway.management.catalogue import push_each
from django_stripe_gateway.management.descriptions import describe
from django_stripe_gateway.management.output import GatewayCommand, as_table, sentence_of
from django_stripe_gateway.models import Plan
from django_stripe_gateway.services.catalogue.entries import PlanEntry, standard_entries
from django_stripe_gateway.services.catalogue.files import read_catalogue_file
from django_stripe_gateway.services.catalogue.rows import rows_of
from django_stripe_gateway.services.catalogue.seed import SeededPlan, preview_entry, store_entry
from django_stripe_gateway.services.catalogue.state import read_catalogue
from django_stripe_gateway.services.subscriptions.customers import billing_variant
from django_stripe_gateway.services.transactions import payments_database

HEADER = ("plan", "price", "renews", "default", "limits", "product", "price at Stripe")


class Command(GatewayCommand):
    """Run it again with other amounts: prices are replaced, and subscriptions that have the old ones keep them."""

    help = describe(__module__, __doc__)

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the options."""
        for name, amount, meaning in (
            ("day_pass", "5", "Day Pass, for a day"),
            ("premium", "200", "Premium, for a month"),
            ("free", "0", "Free, the default plan"),
        ):
            parser.add_argument(
                f"--{name}_amount", default=amount, metavar="AMOUNT", help=f"{meaning} (default: {amount})"
            )
        parser.add_argument("--currency", default="USD", help="of amounts that name none (default: USD)")
        parser.add_argument(
            "--variant", default="", help="payment variant that sells them (default: the one for subscriptions)"
        )
        parser.add_argument("--from-file", default="", metavar="FILE", help="plans of your own, in YAML or JSON")
        parser.add_argument("--dry-run", action="store_true", help="say what would be done, and change nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        """Store the plans, push them, and print a summary; fails if some of them were not pushed."""
        try:
            entries = self.entries(options)
            variant = options["variant"] or billing_variant()
            get_billing_gateway(variant)
            if options["dry_run"]:
                self.preview(entries, variant)
                return
        except GatewayError as error:
            raise CommandError(sentence_of(error)) from None
        stored = {entry.slug: self.store(entry, variant) for entry in entries}
        failed = self.push(stored, variant)
        self.stdout.write(as_table(HEADER, summary(entries, variant)))
        if failed:
            raise CommandError("\n".join([*failed, "The plans are stored. Run the command again to push them."]))

    def entries(self, options: dict[str, Any]) -> Sequence[PlanEntry]:
        """Return the plans to make."""
        if options["from_file"]:
            return read_catalogue_file(path=Path(options["from_file"]), currency=options["currency"])
        amounts = {}
        for name in ("day_pass_amount", "premium_amount", "free_amount"):
            try:
                amounts[name] = Decimal(str(options[name]))
            except InvalidOperation:
                raise CommandError(f"--{name} takes an amount, such as 9.99, not {options[name]!r}.") from None
        return standard_entries(currency=options["currency"], **amounts)

    def store(self, entry: PlanEntry, variant: str) -> SeededPlan:
        """Write the rows of one plan."""
        seeded = store_entry(entry=entry, variant=variant)
        for change in seeded.changes:
            self.stdout.write(f"{entry.slug}: {change}")
        return seeded

    def push(self, stored: Mapping[str, SeededPlan], variant: str) -> list[str]:
        """Push the plans; return what went wrong."""
        failed = []
        try:
            plans = [seeded.plan for seeded in stored.values()]
            for plan, steps, failure in push_each(plans, variant, self.stdout.write):
                if failure:
                    failed.append(failure)
                elif not steps and not stored[plan.slug].changes:
                    self.stdout.write(f"{plan.slug}: unchanged")
        except GatewayError as error:
            failed.append(sentence_of(error))
        return failed

    def preview(self, entries: Sequence[PlanEntry], variant: str) -> None:
        """Print what would be done."""
        is_metered = any(price.usage_type == PriceUsage.METERED for entry in entries for price in entry.prices)
        catalogue = read_catalogue(variant, with_meters=is_metered)
        for entry in entries:
            seeded = preview_entry(entry=entry, variant=variant)
            lines = [*seeded.changes, *(f"Stripe: {step}" for step in seeded.planned_steps(catalogue))]
            for line in lines or ["unchanged"]:
                self.stdout.write(f"{entry.slug}: {line}")
        self.stdout.write("Nothing was changed (--dry-run).")


def summary(entries: Sequence[PlanEntry], variant: str) -> list[tuple[object, ...]]:
    """Return the table's rows: a plan's prices that are on sale."""
    plans = Plan.objects.using(payments_database()).filter(slug__in=[entry.slug for entry in entries])
    lines: list[tuple[object, ...]] = []
    for plan in plans.prefetch_related("limits"):
        limits = ", ".join(str(limit) for limit in plan.limits.all()) or "-"
        facts = (yes_no(plan.auto_renew), yes_no(plan.is_default), limits)
        for row in rows_of(plan, variant):
            if row.is_active:
                lines.append((plan.slug, row, *facts, row.stripe_product_id or "-", row.stripe_price_id or "-"))
    return lines


def yes_no(flag: bool) -> str:
    """Return a flag for people."""
    return "yes" if flag else "no"
