"""Link somebody who has bought on a page of the provider's own to the owner whom they have bought for."""

from __future__ import annotations

import logging

from django.apps import apps
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from django_stripe_gateway.conf import gateway_settings
from django_stripe_gateway.gateways.billing_values import SubscriptionSnapshot
from django_stripe_gateway.models import Customer, Subscription
from django_stripe_gateway.services.accounts import columns_of
from django_stripe_gateway.services.arrivals import handle_arrivals
from django_stripe_gateway.services.origins import Origin
from django_stripe_gateway.services.subscriptions.freshness import Look, Verdict, judge
from django_stripe_gateway.services.subscriptions.identity import find_subscription_row
from django_stripe_gateway.services.subscriptions.sync import (
    add_subscription,
    apply_subscription,
    lock_subscription,
    store_invoice,
)
from django_stripe_gateway.services.transactions import payments_database

logger = logging.getLogger(__name__)


def link_buyer(owner_key: str, variant: str, customer_id: str) -> Customer | None:
    """Return the owner's customer, locked, who stands for the provider's from now on; ``None`` if nobody can.

    Whoever pays with an owner's reference need not be the owner: what they buy is the owner's, but never the card that
    they pay with. So the provider's id is kept beside the owner's own customer, of which there is one in an account.
    """
    owners = apps.get_model(gateway_settings.owner_model)._base_manager
    try:
        owner_pk = owners.filter(pk=owner_key).values_list("pk", flat=True).first()
    except (ValueError, ValidationError):
        owner_pk = None
    if owner_pk is None:
        logger.warning("The customer %s was bought for an owner who is gone.", customer_id)
        return None
    rows = Customer.objects.using(payments_database()).filter(variant=variant).of_configured_account()
    known = rows.select_for_update().filter(provider_id=customer_id).first()
    if known is not None:
        if known.owner_id != owner_pk:
            logger.warning("The customer %s is another owner's than the one bought for.", customer_id)
        return known
    row = rows.select_for_update().filter(owner_id=owner_pk).current().first()
    if row is None:
        row = Customer(variant=variant, owner_id=owner_pk, **columns_of(variant))
    if not row.is_known_as(customer_id):
        row.former_ids = [*row.former_ids, customer_id]
    try:
        with transaction.atomic(using=payments_database()):
            row.save(using=payments_database())
    except IntegrityError:
        # A request of the owner's was faster.
        return link_buyer(owner_key, variant, customer_id)
    handle_arrivals(customer_id)
    return row


def take_in_subscription(customer: Customer, look: Look[SubscriptionSnapshot], origin: Origin) -> Subscription | None:
    """Store what a locked customer has bought, unless it is known, and return it; ``None`` if it is somebody else's.

    Raises:
        SnapshotMismatch: it contradicts the customer.
    """
    snapshot = look.answer
    if not customer.is_known_as(snapshot.customer_id):
        return None
    pk = find_subscription_row([customer.variant], snapshot.subscription_id)
    if pk is not None:
        # Its own events say the rest.
        return lock_subscription(pk)
    subscription = lock_subscription(add_subscription(customer, snapshot, origin).pk)
    subscription.customer = customer
    if judge(subscription, look=look) is Verdict.WRITE:
        apply_subscription(subscription, snapshot, origin)
        if snapshot.latest_invoice is not None:
            store_invoice(subscription, snapshot.latest_invoice, origin, looked_at=look.began)
    return subscription
