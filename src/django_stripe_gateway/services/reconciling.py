"""Settle what was left open: operations whose process died, and payments whose news never came."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from payments import get_payment_model

from django_stripe_gateway.exceptions import GatewayError, OperationInProgress, ProviderUnavailable
from django_stripe_gateway.gateways.registry import is_supported_variant
from django_stripe_gateway.models import PaymentOperation
from django_stripe_gateway.services.origins import SYSTEM, Origin
from django_stripe_gateway.services.returns import complete_return
from django_stripe_gateway.services.running import resume_operation
from django_stripe_gateway.services.transactions import payments_database


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What became of one row: ``outcome`` is "settled", "refused", "silent", "changed" or "unchanged"."""

    subject: str
    outcome: str
    detail: str = ""


def reconcile_operations(origin: Origin = SYSTEM) -> Iterator[Reconciled]:
    """Take over every operation whose process died, and yield what became of it."""
    abandoned = PaymentOperation.objects.using(payments_database()).abandoned().order_by("pk")
    for pk, kind in list(abandoned.values_list("pk", "kind")):
        subject = f"operation {pk} ({kind})"
        try:
            resume_operation(pk, origin)
        except (ProviderUnavailable, OperationInProgress) as error:
            yield Reconciled(subject, "silent", error.detail)
        except GatewayError as error:
            yield Reconciled(subject, "refused", error.detail)
        else:
            yield Reconciled(subject, "settled")


def reconcile_payments(older_than: timedelta, origin: Origin = SYSTEM) -> Iterator[Reconciled]:
    """Ask the provider about every payment that has waited longer than ``older_than``, and yield what it said."""
    payments = get_payment_model()._default_manager.using(payments_database())
    stale = payments.stale(older_than).exclude(transaction_id="").order_by("pk")
    for payment in stale.iterator(chunk_size=500):
        if not is_supported_variant(payment.variant):
            continue
        subject = f"payment {payment.pk}"
        try:
            current = complete_return(payment=payment, origin=origin)
        except GatewayError as error:
            yield Reconciled(subject, "silent", error.detail)
        else:
            changed = current.status != payment.status
            yield Reconciled(subject, "changed" if changed else "unchanged", f"{payment.status} → {current.status}")
