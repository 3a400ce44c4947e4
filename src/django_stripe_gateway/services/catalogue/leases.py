"""One process at a time pushes a plan: leased on the plan's row, under a key that is committed before the first call.

A push that was killed stays leased until the provider's answer cannot come any more. The next one takes its key over,
looks what there is at the provider, and repeats what is missing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone

from django_stripe_gateway.conf import gateway_settings
from django_stripe_gateway.exceptions import (
    GatewayConfigurationError,
    GatewayError,
    OperationInProgress,
    ProviderUnavailable,
)
from django_stripe_gateway.models import Plan
from django_stripe_gateway.models.operations import new_idempotency_key
from django_stripe_gateway.models.plans import PlanQuerySet
from django_stripe_gateway.services.transactions import money_transaction, payments_database, retry_on_deadlock

# What the SDK may wait between its attempts, and we before and after.
MARGIN_SECONDS = 10


@dataclass(frozen=True, slots=True)
class PlanLease:
    """What a process holds while it pushes a plan.

    Args:
        key: that every creation carries, also when another process repeats it.
        until: when the lease ends, which tells its holders apart.
    """

    plan_pk: int
    key: str
    until: datetime


def plan_lease_end() -> datetime:
    """Return until when a process that makes one call now may still be waiting for its answer."""
    per_call = gateway_settings.timeout * (gateway_settings.max_network_retries + 1)
    return timezone.now() + timedelta(seconds=per_call + MARGIN_SECONDS)


def lock_plan(plan_pk: int) -> Plan:
    """Return the plan, its row locked until the transaction ends."""
    return Plan.objects.using(payments_database()).select_for_update().get(pk=plan_pk)


@retry_on_deadlock
def lease_plan(plan_pk: int) -> PlanLease:
    """Commit that this process pushes a plan.

    Raises:
        OperationInProgress: another one does.
    """
    with money_transaction():
        plan = lock_plan(plan_pk)
        if plan.push_leased_until is not None and plan.push_leased_until > timezone.now():
            raise OperationInProgress(
                f"Another process is telling Stripe about the plan {plan.slug}. Try again in a moment.", retry_after=1
            )
        plan.push_key = plan.push_key or new_idempotency_key()
        plan.push_leased_until = plan_lease_end()
        plan.save(using=payments_database(), update_fields=["push_key", "push_leased_until"])
        return PlanLease(plan_pk, plan.push_key, plan.push_leased_until)


@retry_on_deadlock
def renew_lease(lease: PlanLease) -> PlanLease:
    """Commit that this process goes on.

    Raises:
        OperationInProgress: it was too slow, and another one has taken over.
    """
    renewed = PlanLease(lease.plan_pk, lease.key, plan_lease_end())
    with money_transaction():
        check_lease(lease)
        _held(lease).update(push_leased_until=renewed.until)
    return renewed


def check_lease(lease: PlanLease) -> Plan:
    """Return the plan, locked, whose lease this process holds.

    Raises:
        OperationInProgress: it was too slow, and another one has taken over.
    """
    plan = lock_plan(lease.plan_pk)
    if plan.push_leased_until != lease.until:
        raise OperationInProgress(f"Another process has taken over the plan {plan.slug}.", retry_after=1)
    return plan


@retry_on_deadlock
def end_lease(lease: PlanLease, error: BaseException | None) -> None:
    """Let the next push begin.

    What is not known to be done is repeated under the same key, unless the provider has stored a failure under it.
    """
    key = lease.key if error is not None and _may_still_act(error) else ""
    with money_transaction():
        _held(lease).update(push_key=key, push_leased_until=None)


def _may_still_act(error: BaseException) -> bool:
    if isinstance(error, ProviderUnavailable):
        return error.replayable
    if isinstance(error, GatewayConfigurationError):
        return error.may_have_acted
    return not isinstance(error, GatewayError)


def _held(lease: PlanLease) -> PlanQuerySet:
    return Plan.objects.using(payments_database()).filter(pk=lease.plan_pk, push_leased_until=lease.until)
