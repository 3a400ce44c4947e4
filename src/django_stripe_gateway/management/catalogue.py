"""What the commands about plans share."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta

from django.utils import timezone

from django_stripe_gateway.exceptions import GatewayError, OperationInProgress
from django_stripe_gateway.models import Plan
from django_stripe_gateway.services.billing.catalogue import push_plan
from django_stripe_gateway.services.billing.catalogue_steps import CatalogueStep
from django_stripe_gateway.services.operations import lease_end

PAUSE_SECONDS = 0.25


def push_when_free(plan: Plan, account: str, tell: Callable[[str], object]) -> list[CatalogueStep]:
    """Push a plan, as soon as no other process does; one that was killed holds it until its lease has run out."""
    deadline = lease_end() + timedelta(seconds=1)
    is_told = False
    while True:
        try:
            return push_plan(plan=plan, account=account)
        except OperationInProgress as error:
            if timezone.now() > deadline:
                raise
            if not is_told:
                tell(f"{plan.slug}: {error.detail} Waiting, until {deadline:%H:%M:%S} UTC at the latest.")
                is_told = True
            time.sleep(PAUSE_SECONDS)


def sentence_of(error: GatewayError) -> str:
    """Return an error's sentence with the provider's id of the request."""
    return f"{error.detail} (Stripe's request id: {error.request_id})" if error.request_id else error.detail
