"""What the commands about plans share."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta

from django.utils import timezone

from django_stripe_gateway.exceptions import GatewayError, OperationInProgress
from django_stripe_gateway.management.output import sentence_of
from django_stripe_gateway.models import CatalogueOperation, Plan
from django_stripe_gateway.services.catalogue.publish import push_plan
from django_stripe_gateway.services.catalogue.rows import not_offered_here, rows_of, taken_prices
from django_stripe_gateway.services.catalogue.state import read_catalogue
from django_stripe_gateway.services.catalogue.steps import CatalogueStep, steps_for
from django_stripe_gateway.services.operations.engine import lease_end
from django_stripe_gateway.services.operations.verbs import pending_operations

PAUSE_SECONDS = 0.25


def push_each(
    plans: Iterable[Plan], variant: str, write: Callable[[str], object], *, is_dry_run: bool = False
) -> Iterator[tuple[Plan, list[CatalogueStep], str]]:
    """Push the plans that differ at the provider, or say what that would do.

    Yields:
        Each plan, what was done, and what went wrong.

    Raises:
        ProviderError: the provider could not be asked what it has.
    """
    catalogue = read_catalogue(variant)
    unsettled = set(pending_operations(CatalogueOperation).values_list("plan_id", flat=True))
    for plan in plans:
        steps, failure = steps_for(plan, rows_of(plan, variant), catalogue, taken_prices()), ""
        is_due = steps or plan.pk in unsettled or not_offered_here(plan, variant)
        if is_due and not is_dry_run:
            try:
                steps = _push_when_free(plan, variant, write)
            except GatewayError as error:
                steps, failure = [], f"{plan.slug}: {sentence_of(error)}"
        for step in steps:
            write(f"{plan.slug}: Stripe: {step}")
        yield plan, steps, failure


def _push_when_free(plan: Plan, variant: str, write: Callable[[str], object]) -> list[CatalogueStep]:
    """Push a plan as soon as no other process does; one that was killed holds it until its lease has run out."""
    deadline = lease_end() + timedelta(seconds=1)
    has_said = False
    while True:
        try:
            return push_plan(plan=plan, variant=variant)
        except OperationInProgress as error:
            if timezone.now() > deadline:
                raise
            if not has_said:
                write(f"{plan.slug}: {error.detail} Waiting, until {deadline:%H:%M:%S} UTC at the latest.")
                has_said = True
            time.sleep(PAUSE_SECONDS)
