"""Compare plans and prices with what Stripe has, and bring one side to the other."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Sequence
from typing import Any

from django.core.management.base import CommandError

from django_stripe_gateway.exceptions import GatewayError
from django_stripe_gateway.gateways.registry import get_billing_gateway
from django_stripe_gateway.management.catalogue import push_each
from django_stripe_gateway.management.descriptions import describe
from django_stripe_gateway.management.output import GatewayCommand, as_table, sentence_of, table
from django_stripe_gateway.models import Plan
from django_stripe_gateway.services.accounts import made_in
from django_stripe_gateway.services.catalogue.drift import Drift, find_drift
from django_stripe_gateway.services.catalogue.pull import pull_catalogue
from django_stripe_gateway.services.catalogue.rows import not_offered_here, rows_of
from django_stripe_gateway.services.subscriptions.customers import billing_variant
from django_stripe_gateway.services.transactions import payments_database

HEADER = ("plan", "price or product", "at Stripe", "difference")
SUMMARY = ("plans", "prices", "changed", "failed", "differences")


class Command(GatewayCommand):
    """Without --pull or --push it only reports. With --push our rows win, with --pull Stripe does."""

    help = describe(__module__, __doc__)

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the options."""
        parser.add_argument("--pull", action="store_true", help="take over what Stripe has; new products become plans")
        parser.add_argument("--push", action="store_true", help="bring Stripe in line with what is here")
        parser.add_argument("--check", action="store_true", help="exit code 1 if the two differ in the end")
        parser.add_argument(
            "--variant", default="", help="payment variant to compare with (default: the one for subscriptions)"
        )
        parser.add_argument("--dry-run", action="store_true", help="say what would be done, and change nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        """Compare, pull or push, and print a summary."""
        if options["pull"] and options["push"]:
            raise CommandError("Choose one of --pull and --push.")
        counts = dict.fromkeys(SUMMARY, 0)
        failed: list[str] = []
        try:
            variant = options["variant"] or billing_variant()
            get_billing_gateway(variant)
            made_in(variant)
            self.report_foreign(variant, is_pushed=options["push"])
            if options["pull"]:
                counts["changed"] = self.pull(variant, is_dry_run=options["dry_run"])
            elif options["push"]:
                counts["changed"], failed = self.push(variant, is_dry_run=options["dry_run"])
            found = find_drift(variant=variant)
        except GatewayError as error:
            raise CommandError(sentence_of(error)) from None
        self.report(found)
        plans = Plan.objects.using(payments_database())
        counts["plans"] = plans.count()
        counts["prices"] = sum(len(rows_of(plan, variant)) for plan in plans.all())
        counts["failed"], counts["differences"] = len(failed), len(found)
        self.stdout.write("\n".join(table(SUMMARY, counts)))
        if options["dry_run"]:
            self.stdout.write("Nothing was changed (--dry-run).")
        if failed:
            raise CommandError("\n".join([*failed, "Run the command again to carry on."]))
        if found and options["check"]:
            raise CommandError("Plans here and at Stripe differ. Run sync_plans with --pull or --push.")

    def report_foreign(self, variant: str, *, is_pushed: bool) -> None:
        """Say which prices the account has not, because they were made in another one, or another mode."""
        plans = Plan.objects.using(payments_database()).all()
        count = sum(len(not_offered_here(plan, variant)) for plan in plans)
        if count:
            what = "Prices of another account or mode, not on sale in this one"
            remedy = "they are made anew." if is_pushed else "--push makes them anew."
            self.stdout.write(f"{what}: {count}; {remedy}")

    def pull(self, variant: str, *, is_dry_run: bool) -> int:
        """Take over what Stripe has; return how many plans that changes."""
        pulled = pull_catalogue(variant=variant, dry_run=is_dry_run)
        for plan in pulled:
            for change in plan.changes:
                self.stdout.write(f"{plan.plan.slug}: {change}")
        return len(pulled)

    def push(self, variant: str, *, is_dry_run: bool) -> tuple[int, list[str]]:
        """Bring Stripe in line with what is here; return how many plans that changes, and what went wrong."""
        plans = Plan.objects.using(payments_database()).order_by("position", "pk")
        results = list(push_each(plans, variant, self.stdout.write, is_dry_run=is_dry_run))
        changed = sum(bool(steps) for _plan, steps, _failure in results)
        failed = [failure for _plan, _steps, failure in results if failure]
        return changed, failed

    def report(self, found: Sequence[Drift]) -> None:
        """Print the differences."""
        if found:
            rows = [(drift.plan or "-", drift.subject, drift.object_id or "-", drift.problem) for drift in found]
            self.stdout.write(as_table(HEADER, rows))
        else:
            self.stdout.write("Plans here and at Stripe are the same.")
