"""Subscriptions that their provider does not know any more: its test data was deleted, or its store began anew.

Stripe keeps what has ended, so that it always answers about what it has made. One "no such subscription" is no proof,
for an answer can be older than what it is about, and nobody may lose what they pay for by that. It is believed when it
is repeated an hour later, or when the customer is gone as well: then the subscription is *lost*. It entitles nobody and
stands in nobody's way, until somebody asks again and is told otherwise. It is never believed of what is known to be of
one account while nobody knows whose the key is.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta

from django.utils import timezone

from django_stripe_gateway.choices import BillingOperationKind, OperationState, SubscriptionLogEvent
from django_stripe_gateway.exceptions import ProviderError, UnknownAtProvider
from django_stripe_gateway.gateways.billing_values import SubscriptionSnapshot
from django_stripe_gateway.models import BillingOperation, Customer, Subscription
from django_stripe_gateway.services.accounts import billing_gateway_of, is_perhaps_elsewhere, learn_account
from django_stripe_gateway.services.audit import write_log
from django_stripe_gateway.services.origins import Origin
from django_stripe_gateway.services.subscriptions.grace import with_what_is_owed
from django_stripe_gateway.services.transactions import money_transaction, payments_database, retry_on_deadlock

# Between two answers that make it certain.
APART = timedelta(hours=1)
# What was made since then may be too new to be seen everywhere.
SETTLES = timedelta(minutes=10)
SENTENCE = "The payment provider does not know this subscription: it was deleted there, or is of another account."

logger = logging.getLogger(__name__)


def ask_about(subscription: Subscription, origin: Origin) -> SubscriptionSnapshot:
    """Return what the provider says of a subscription; note it if it knows no such one.

    Raises:
        UnknownAtProvider: it knows no such subscription.
        OtherAccount: it is of another account than the one that would be asked.
        AccountContradicted: the key is of another account than the settings say.
        ProviderError: it refused or failed.
    """
    gateway = billing_gateway_of(subscription)
    try:
        found = gateway.retrieve_subscription(subscription.provider_id or "")
    except ProviderError as error:
        if not error.is_missing:
            raise
        # Whoever has the key of another account is told the same of everything.
        learn_account(subscription.variant)
        note_missing(subscription, origin)
        raise UnknownAtProvider(SENTENCE, request_id=error.request_id) from error
    return with_what_is_owed(gateway, subscription, found)


def note_missing(subscription: Subscription, origin: Origin) -> bool:
    """Note that the provider has said that it knows no such subscription, and return whether that is certain."""
    is_certain = _is_certain(subscription)
    _write_missing(subscription.pk, origin, is_certain=is_certain)
    return is_certain or subscription.lost is not None


def _is_certain(subscription: Subscription) -> bool:
    """Return whether something else says, too, that the provider has lost a subscription."""
    if is_perhaps_elsewhere(subscription):
        return False
    now = timezone.now()
    if subscription.missing_since is not None and now - subscription.missing_since >= APART:
        return True
    is_settled = now - subscription.created >= SETTLES
    return is_settled and (_was_replaced(subscription) or _is_unknown(subscription.customer))


def find_lost(customer: Customer, origin: Origin, look: Callable[[int, Origin], Subscription]) -> bool:
    """Ask about what a customer has, because it stands in the way of something, and return whether any of it is lost.

    Args:
        look: brings a subscription to what the provider says.
    """
    rows = Subscription.objects.using(payments_database()).filter(customer=customer, provider_id__isnull=False)
    standing = list(rows.reachable().not_ended().values_list("pk", flat=True))
    for pk in standing:
        with suppress(UnknownAtProvider):
            look(pk, origin)
    return rows.filter(pk__in=standing, lost__isnull=False).exists()


def _was_replaced(subscription: Subscription) -> bool:
    """Return whether its customer was made anew since: the one that it was of is gone."""
    made = BillingOperation.objects.using(payments_database()).filter(customer_id=subscription.customer_id)
    made = made.filter(kind=BillingOperationKind.CREATE_CUSTOMER, state=OperationState.SUCCEEDED)
    return made.filter(created__gt=subscription.created).exists()


def _is_unknown(customer: Customer) -> bool:
    if not customer.exists_at_provider:
        return bool(customer.provider_id)
    try:
        return billing_gateway_of(customer).retrieve_customer(customer.provider_id or "").is_deleted
    except ProviderError as error:
        return error.is_missing


@retry_on_deadlock
def _write_missing(subscription_pk: int, origin: Origin, *, is_certain: bool) -> None:
    now = timezone.now()
    with money_transaction():
        current = Subscription.objects.using(payments_database()).select_for_update().get(pk=subscription_pk)
        current.missing_since = current.missing_since or now
        if is_certain and current.lost is None and not current.has_ended:
            current.lost = now
            detail = "unknown at the provider: it entitles nobody from now on"
            write_log(current, SubscriptionLogEvent.MISSING, origin, detail)
            logger.error("The provider does not know subscription %s any more.", current.pk)
        current.save(using=payments_database(), update_fields=["missing_since", "lost", "modified"])


def note_found(subscription: Subscription, origin: Origin) -> None:
    """Note on a locked subscription that the provider knows it after all."""
    if subscription.missing_since is None:
        return
    if subscription.lost is not None:
        write_log(subscription, SubscriptionLogEvent.MISSING, origin, "known at the provider again")
    subscription.missing_since = subscription.lost = None
    subscription.save(using=payments_database(), update_fields=["missing_since", "lost", "modified"])
