"""Look at the provider and write what it says, unless something newer has been written meanwhile."""

from __future__ import annotations

import logging

from django_stripe_gateway.choices import SubscriptionLogEvent
from django_stripe_gateway.exceptions import OperationInProgress
from django_stripe_gateway.gateways.billing_values import SubscriptionSnapshot
from django_stripe_gateway.gateways.registry import get_billing_gateway
from django_stripe_gateway.models import Customer, Subscription
from django_stripe_gateway.services.origins import SYSTEM, Origin
from django_stripe_gateway.services.snapshots import SnapshotMismatch
from django_stripe_gateway.services.subscriptions.audit import log_subscription
from django_stripe_gateway.services.subscriptions.freshness import Look, Verdict, begin_look, judge
from django_stripe_gateway.services.subscriptions.invoice_storing import store_invoice
from django_stripe_gateway.services.subscriptions.locks import lock_customer, lock_subscription
from django_stripe_gateway.services.subscriptions.sync import apply_subscription
from django_stripe_gateway.services.transactions import money_transaction, payments_database, retry_on_deadlock

logger = logging.getLogger(__name__)

MAX_LOOKS = 5


def sync_subscription(*, subscription: Subscription, origin: Origin = SYSTEM) -> Subscription:
    """Ask the provider how a subscription stands, and bring it up to date with its latest invoice.

    Returns:
        The subscription, with the ``client_secret`` of a payment that its customer still has to make; unchanged if the
        provider does not know it yet.

    Raises:
        ProviderError: the provider refused or failed.
        OperationInProgress: it changes faster than we can look.
    """
    return look_up_subscription(subscription.pk, origin) if subscription.provider_id else subscription


def look_up_subscription(subscription_pk: int, origin: Origin = SYSTEM) -> Subscription:
    """Bring one of our subscriptions to what the provider says now, and return it.

    Args:
        subscription_pk: of our row, which the provider knows.

    Raises:
        GatewayError: the provider could not be asked.
        OperationInProgress: news keeps coming in faster than we can look.
    """
    rows = Subscription.objects.using(payments_database()).select_related("customer")
    asked = None
    for _look in range(MAX_LOOKS):
        subscription = rows.get(pk=subscription_pk)
        known, began = begin_look(subscription)
        asked = asked or began
        gateway = get_billing_gateway(subscription.variant)
        answer = gateway.retrieve_subscription(subscription.provider_id or "")
        if write_look(subscription_pk, Look(known, began, answer, asked), origin):
            subscription = rows.select_related("plan", "pricing").get(pk=subscription_pk)
            subscription.client_secret = answer.client_secret
            subscription.client_secret_kind = answer.client_secret_kind
            return subscription
    raise OperationInProgress("This subscription changes too quickly. Try again.", retry_after=1)


@retry_on_deadlock
def write_look(subscription_pk: int, look: Look[SubscriptionSnapshot], origin: Origin) -> bool:
    """Write what the provider answered; see ``take_look``."""
    rows = Subscription.objects.using(payments_database())
    with money_transaction():
        customer = lock_customer(rows.values_list("customer_id", flat=True).get(pk=subscription_pk))
        return take_look(customer, subscription_pk, look, origin)


def take_look(customer: Customer, subscription_pk: int, look: Look[SubscriptionSnapshot], origin: Origin) -> bool:
    """Write what the provider answered, with the latest invoice that came along; the caller holds the customer's lock.

    Returns:
        Whether the row is now at least as new as the answer; if not, somebody has to look again.
    """
    subscription = lock_subscription(subscription_pk)
    verdict = judge(subscription, look=look, is_over=subscription.has_ended)
    if verdict is not Verdict.WRITE:
        return verdict is Verdict.KEEP
    try:
        apply_subscription(subscription, look.answer, origin)
        if look.answer.latest_invoice is not None:
            store_invoice(customer, look.answer.latest_invoice, origin, looked_at=look.began, subscription=subscription)
    except SnapshotMismatch as mismatch:
        logger.error("The provider's answer contradicts subscription %s: %s.", subscription_pk, mismatch)
        log_subscription(subscription, SubscriptionLogEvent.MISMATCH, origin, str(mismatch))
    return True
