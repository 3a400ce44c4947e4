"""Settle what was left open: operations whose process died."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from django.utils import timezone

from django_stripe_gateway.conf import gateway_settings
from django_stripe_gateway.exceptions import (
    AccountContradicted,
    GatewayError,
    OperationInProgress,
    OtherAccount,
    ProviderUnavailable,
)
from django_stripe_gateway.models.operations import AbstractOperation
from django_stripe_gateway.services.accounts import learn_account
from django_stripe_gateway.services.operations.engine import resume
from django_stripe_gateway.services.operations.verbs import pending_operations, verb_of
from django_stripe_gateway.services.origins import SYSTEM, Origin

#: The provider did not answer; with any other code it did, and the outcome is not in what it said.
SILENT = frozenset({"provider_unavailable", "provider_timeout"})


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What became of one row.

    ``outcome`` is "settled", "refused", "in progress" (its process may still be waiting), "silent" (no answer) or
    "unclear" (an answer without the outcome) for an operation, and "changed", "unchanged", "silent", "unclear" or
    "missing" (the provider knows no such object) for a row; "skipped" for what another account has.
    """

    subject: str
    outcome: str
    detail: str = ""


def verify_keys() -> Iterator[Reconciled]:
    """Ask, once for each key, whose it is, and yield the variants of which the settings say something else."""
    for variant in gateway_settings.variants:
        try:
            learn_account(variant)
        except AccountContradicted as error:
            yield Reconciled(f"variant {variant}", "unclear", error.detail)
        except GatewayError:
            # Whatever is asked next says so.
            continue


def settle_pending(table: type[AbstractOperation], origin: Origin = SYSTEM) -> Iterator[Reconciled]:
    """Claim every operation of a table whose process died, and yield what became of it."""
    now = timezone.now()
    for operation in list(pending_operations(table).order_by("pk").defer("params", "error")):
        verb = verb_of(operation)
        about = f"{operation.kind} of {verb.noun} {getattr(operation, f'{verb.subject_field}_id')}"
        subject = f"operation {operation.pk} ({about})"
        if operation.is_leased(now):
            yield Reconciled(subject, "in progress", f"until {operation.leased_until:%Y-%m-%d %H:%M:%S %Z}".strip())
            continue
        try:
            resume(table, operation.pk, origin)
        except OtherAccount as error:
            yield Reconciled(subject, "skipped", error.detail)
        except OperationInProgress as error:
            yield Reconciled(subject, "in progress", error.detail)
        except GatewayError as error:
            is_open = pending_operations(table).filter(pk=operation.pk).exists()
            yield Reconciled(subject, failure_of(error) if is_open else "refused", error.detail)
        else:
            yield Reconciled(subject, "settled")


def failure_of(error: GatewayError) -> str:
    """Return the outcome that an error of the provider stands for."""
    return "silent" if isinstance(error, ProviderUnavailable) and error.code in SILENT else "unclear"
