"""The list of diagnoses, and how they are run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from django_stripe_gateway.services.doctor import accounts, stuck
from django_stripe_gateway.services.doctor.findings import Diagnosis, Finding

#: In this order; a further one is a function in a module of this package, and a line here.
ALL: Sequence[Diagnosis] = (
    accounts.keys,
    accounts.foreign_rows,
    accounts.unproven_rows,
    accounts.unsold_plans,
    stuck.pending_operations,
    stuck.webhook_events,
    stuck.lost_subscriptions,
    stuck.unknown_prices,
    stuck.missing_owners,
    stuck.waiting_payments,
    stuck.meter_events,
    stuck.mails,
)


def examine(*, offline: bool = False) -> Iterator[list[Finding]]:
    """Yield what each diagnosis found; nothing is changed but that it is remembered whose a key is.

    Args:
        offline: ask no provider.
    """
    for diagnosis in ALL:
        yield list(diagnosis(offline))
