"""Settle what was left open: operations whose process died, and payments and refunds whose news never came."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db.models import Exists, OuterRef, Q
from django.utils import timezone
from payments import get_payment_model

from django_stripe_gateway.choices import PaymentStatus
from django_stripe_gateway.exceptions import GatewayError, OperationInProgress, ProviderUnavailable
from django_stripe_gateway.gateways.registry import is_supported_variant
from django_stripe_gateway.models import PaymentOperation, Refund
from django_stripe_gateway.models.operations import OperationQuerySet
from django_stripe_gateway.services.operations.running import resume_operation
from django_stripe_gateway.services.origins import SYSTEM, Origin
from django_stripe_gateway.services.payments.refresh import sync_payment
from django_stripe_gateway.services.payments.returns import complete_return
from django_stripe_gateway.services.transactions import payments_database
from django_stripe_gateway.transitions import PAYABLE

#: The provider did not answer; with any other code it did, and what it said does not tell the outcome.
SILENT = frozenset({"provider_unavailable", "provider_timeout"})


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What became of one row.

    ``outcome`` is "settled", "refused", "in progress" (its process may still be waiting), "silent" (no answer) or
    "unclear" (an answer that does not tell) for an operation, and "changed", "unchanged", "silent" or "unclear" for a
    payment.
    """

    subject: str
    outcome: str
    detail: str = ""


def reconcile_operations(*, origin: Origin = SYSTEM) -> Iterator[Reconciled]:
    """Take over every operation whose process died, and yield what became of it.

    Nothing is done before the result is iterated over. An error of the provider is an outcome, and never raised.
    """
    pending = PaymentOperation.objects.using(payments_database()).pending()
    return settle_pending(
        pending, lambda found: f"{found.kind} of payment {found.payment_id}", resume_operation, origin
    )


def settle_pending(
    pending: OperationQuerySet[Any],
    describe: Callable[[Any], str],
    resume: Callable[[int, Origin], None],
    origin: Origin,
) -> Iterator[Reconciled]:
    """Take over pending operations of one kind of table; see ``reconcile_operations``."""
    now = timezone.now()
    for operation in list(pending.order_by("pk").defer("params", "error")):
        subject = f"operation {operation.pk} ({describe(operation)})"
        if operation.is_leased(now):
            yield Reconciled(subject, "in progress", f"until {operation.leased_until:%Y-%m-%d %H:%M:%S %Z}".strip())
            continue
        try:
            resume(operation.pk, origin)
        except OperationInProgress as error:
            yield Reconciled(subject, "in progress", error.detail)
        except GatewayError as error:
            is_open = pending.filter(pk=operation.pk).exists()
            yield Reconciled(subject, failure_of(error) if is_open else "refused", error.detail)
        else:
            yield Reconciled(subject, "settled")


def reconcile_payments(*, older_than: timedelta, origin: Origin = SYSTEM) -> Iterator[Reconciled]:
    """Ask the provider about every payment that waits longer than ``older_than``, and yield what it said.

    Waiting are payments that nobody has paid, authorisations that nobody has captured, and refunds under way.
    Nothing is asked before the result is iterated over. An error of the provider is an outcome, and never raised.

    Args:
        older_than: time since the payment was created; how long an event may take before it counts as lost.
    """
    for payment in _waiting(older_than).iterator(chunk_size=500):
        if not is_supported_variant(payment.variant):
            continue
        subject = f"payment {payment.pk}"
        before = (payment.status, payment.refunded_amount)
        try:
            if payment.is_payable:
                current = complete_return(payment=payment, origin=origin)
            else:
                current = sync_payment(payment=payment, with_refunds=payment.is_confirmed, origin=origin)
        except GatewayError as error:
            yield Reconciled(subject, failure_of(error), error.detail)
        else:
            is_changed = (current.status, current.refunded_amount) != before
            detail = f"{payment.status} → {current.status}"
            yield Reconciled(subject, "changed" if is_changed else "unchanged", detail)


def _waiting(older_than: timedelta) -> Any:
    payments = get_payment_model()._default_manager.using(payments_database())
    refunds = Refund.objects.under_way().filter(payment=OuterRef("pk"))
    waits = Q(status__in=[*PAYABLE, PaymentStatus.PREAUTH]) | Q(Exists(refunds), status=PaymentStatus.CONFIRMED)
    return payments.filter(waits, created__lt=timezone.now() - older_than).exclude(transaction_id="").order_by("pk")


def failure_of(error: GatewayError) -> str:
    """Return the outcome that an error of the provider stands for."""
    return "silent" if isinstance(error, ProviderUnavailable) and error.code in SILENT else "unclear"
