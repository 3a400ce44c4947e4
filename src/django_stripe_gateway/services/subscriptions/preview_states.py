"""What a preview was made of: a change as it was previewed is made only while nothing has changed since.

There and back again is a change, too: each change before has its own price, and a token that outlives one could be used
again and again. So beside what a subscription is, its state has what only grows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from django.db.models import Max, Q
from django.utils import timezone

from django_stripe_gateway.choices import BillingOperationKind, OperationState, SubscriptionLogEvent
from django_stripe_gateway.exceptions import ProviderStateError, WrongState
from django_stripe_gateway.gateways.billing_values import SubscriptionSnapshot
from django_stripe_gateway.models import BillingOperation, Subscription, SubscriptionItem, SubscriptionLog
from django_stripe_gateway.services.subscriptions.line import CustomerClaim
from django_stripe_gateway.services.transactions import payments_database

# What is asked about a subscription that makes no preview of it wrong. Who is declined and pays with another card shall
# have what they were shown.
HARMLESS = (
    BillingOperationKind.PAY_INVOICE,
    BillingOperationKind.ADD_PAYMENT_METHOD,
    BillingOperationKind.SET_DEFAULT_PAYMENT_METHOD,
    BillingOperationKind.REMOVE_PAYMENT_METHOD,
    BillingOperationKind.SETUP_CHECKOUT,
    BillingOperationKind.PORTAL,
)
_STALE = "The subscription has changed since the preview. Ask for another."


def previewed_state(subscription: Subscription) -> dict[str, Any]:
    """Return what stands for a subscription as a preview finds it, and until when it can be so."""
    end = subscription.current_period_end
    rows = SubscriptionItem.objects.using(payments_database()).filter(subscription=subscription)
    return {
        "charged": _digest(sorted(rows.values_list("provider_id", "price_id", "quantity"))),
        "state": _state(subscription),
        "until": None if end is None else int(end.timestamp()),
    }


def check_previewed(subscription: Subscription, previewed: Mapping[str, Any] | None) -> None:
    """Raise ``WrongState`` ("stale_preview") if anything has changed since a preview, or its period is over.

    Args:
        previewed: what ``previewed_state`` had said then; ``None`` where there was no preview.
    """
    if previewed is None:
        return
    is_over = previewed["until"] is not None and timezone.now().timestamp() >= previewed["until"]
    if is_over or previewed != previewed_state(subscription):
        raise WrongState(_STALE, code="stale_preview")


def check_is_as_known(claim: CustomerClaim) -> SubscriptionSnapshot | None:
    """Return what the provider says of a subscription, if a change as it was previewed has one ask.

    A change of which no event has come yet, at the portal for instance, would else be taken to be older than a preview.

    Raises:
        ProviderStateError: the provider charges something else by now than is known here.
    """
    previewed = claim.params.get("previewed")
    if previewed is None or claim.params["proration_date"] is None:
        return None
    found: SubscriptionSnapshot = claim.gateway.retrieve_subscription(claim.seen.provider_id)
    items = [(item.item_id, item.price_id, 1 if item.quantity is None else item.quantity) for item in found.items]
    if previewed["charged"] != _digest(sorted(items)):
        raise ProviderStateError(_STALE, code="stale_preview")
    return found


def _state(subscription: Subscription) -> str:
    """Return its plan's price and period, and the last that was asked or heard of what it is charged."""
    starts = subscription.current_period_start
    operations = BillingOperation.objects.using(payments_database()).filter(subscription=subscription)
    made = operations.filter(state=OperationState.SUCCEEDED).exclude(kind__in=HARMLESS)
    # What was changed elsewhere is in the audit trail alone: by the names of what it has changed.
    charges = Q(message__contains="price_id") | Q(message__contains="quantity")
    heard = Q(event=SubscriptionLogEvent.ITEMS_CHANGED) | Q(charges, event=SubscriptionLogEvent.UPDATED)
    log = SubscriptionLog.objects.using(payments_database()).filter(heard, subscription=subscription)
    parts = [
        subscription.price_id,
        subscription.quantity,
        None if starts is None else int(starts.timestamp()),
        made.aggregate(last=Max("pk"))["last"],
        log.aggregate(last=Max("pk"))["last"],
    ]
    return _digest(parts)


def _digest(parts: list[Any]) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:32]
