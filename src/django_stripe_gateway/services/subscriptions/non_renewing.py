"""Let subscriptions to plans that do not renew end with the period that was paid for.

Checkout cannot be told so when its page is made. Once it has started the subscription, an operation is committed with
the event, and carried out after it; ``reconcile`` finds it if that fails.
"""

from __future__ import annotations

import logging
from dataclasses import asdict

from django.db import transaction
from django.utils import timezone

from django_stripe_gateway.choices import BillingOperationKind, OperationState
from django_stripe_gateway.exceptions import GatewayError
from django_stripe_gateway.models import BillingOperation, Subscription
from django_stripe_gateway.services.operations.engine import resume
from django_stripe_gateway.services.origins import Origin
from django_stripe_gateway.services.subscriptions.locks import lock_subscription
from django_stripe_gateway.services.transactions import money_transaction, payments_database, retry_on_deadlock

logger = logging.getLogger(__name__)


def end_with_period(subscription: Subscription, origin: Origin) -> None:
    """See to it that a locked subscription that Checkout has started ends with its period, if its plan does."""
    plan = subscription.plan
    if not subscription.checkout_id or plan is None or plan.auto_renew:
        return
    if not subscription.is_valid or subscription.is_cancelled:
        return
    operations = BillingOperation.objects.using(payments_database())
    asked = operations.filter(subscription=subscription, kind=BillingOperationKind.CANCEL)
    if asked.exclude(state=OperationState.FAILED).exists():
        return
    operation = operations.create(
        customer_id=subscription.customer_id,
        subscription=subscription,
        kind=BillingOperationKind.CANCEL,
        params={"at_period_end": True, "cancel_at_period_end": True, "origin": asdict(origin)},
        leased_until=timezone.now(),
    )
    transaction.on_commit(lambda: _carry_out(operation.pk), using=payments_database(), robust=True)


@retry_on_deadlock
def end_unended(subscription_pk: int, origin: Origin) -> None:
    """Do so for a subscription whose events have not arrived."""
    with money_transaction():
        end_with_period(lock_subscription(subscription_pk), origin)


def _carry_out(operation_pk: int) -> None:
    try:
        resume(BillingOperation, operation_pk)
    except GatewayError as error:
        logger.warning("The operation %s waits for reconcile: %s.", operation_pk, error.code)
