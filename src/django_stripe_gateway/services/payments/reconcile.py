"""Bring what waits too long to what its provider says: payments and refunds whose events never came."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from django_stripe_gateway.choices import PaymentStatus
from django_stripe_gateway.conf import is_seller_variant
from django_stripe_gateway.exceptions import GatewayError
from django_stripe_gateway.gateways.entries import why_unknown
from django_stripe_gateway.gateways.registry import is_supported_variant
from django_stripe_gateway.models import PaymentOperation, Refund, get_payment_model
from django_stripe_gateway.services.batches import in_batches
from django_stripe_gateway.services.connect.direct import has_left
from django_stripe_gateway.services.operations.reconcile import Reconciled, failure_of, settle_pending
from django_stripe_gateway.services.origins import SYSTEM, Origin
from django_stripe_gateway.services.payments.refresh import sync_payment
from django_stripe_gateway.services.payments.returns import complete_return
from django_stripe_gateway.services.transactions import payments_database
from django_stripe_gateway.transitions import PAYABLE


def reconcile_operations(*, origin: Origin = SYSTEM) -> Iterator[Reconciled]:
    """Claim every operation about a payment whose process died, and yield what became of it.

    Nothing is done before the result is iterated over. An error of the provider is an outcome, and never raised.
    """
    return settle_pending(PaymentOperation, origin)


def reconcile_payments(*, older_than: timedelta, origin: Origin = SYSTEM) -> Iterator[Reconciled]:
    """Ask the provider about every payment that waits longer than ``older_than``, and yield what it said.

    Waiting are payments that nobody has paid, authorisations that nobody has captured, and refunds under way.
    Nothing is asked before the result is iterated over. An error of the provider is an outcome, and never raised.

    Args:
        older_than: time since the payment was created; how long an event may take before it counts as lost.
    """
    gone: set[str] = set()
    for payment in in_batches(_waiting(older_than)):
        if payment.variant in gone:
            continue
        if not is_supported_variant(payment.variant):
            if is_seller_variant(payment.variant):
                gone.add(payment.variant)
                yield Reconciled(f"payments of {payment.variant}", "skipped", why_unknown(payment.variant))
            continue
        subject = f"payment {payment.pk}"
        if not payment.is_of_configured_account:
            yield Reconciled(subject, "skipped", "of another account")
            continue
        before = (payment.status, payment.refunded_amount)
        try:
            if payment.is_payable:
                current = complete_return(payment=payment, origin=origin)
            else:
                current = sync_payment(payment=payment, with_refunds=payment.is_confirmed, origin=origin)
        except GatewayError as error:
            if has_left(payment.variant, error):
                gone.add(payment.variant)
                yield Reconciled(f"payments of {payment.variant}", "refused", why_unknown(payment.variant))
            else:
                yield Reconciled(subject, failure_of(error), error.detail)
        else:
            is_changed = (current.status, current.refunded_amount) != before
            detail = f"{payment.status} -> {current.status}"
            yield Reconciled(subject, "changed" if is_changed else "unchanged", detail)


def _waiting(older_than: timedelta) -> Any:
    payments = get_payment_model()._default_manager.using(payments_database())
    refunds = Refund.objects.under_way().filter(payment=OuterRef("pk"))
    waits = Q(status__in=[*PAYABLE, PaymentStatus.PREAUTH]) | Q(Exists(refunds), status=PaymentStatus.CONFIRMED)
    return payments.filter(waits, created__lt=timezone.now() - older_than).exclude(transaction_id="")
