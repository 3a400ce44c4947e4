"""Checkout Sessions and PaymentIntents of a list, with what an import keeps of them beside their state."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from django_stripe_gateway.gateways.account_reading import ListedPayment
from django_stripe_gateway.gateways.stripe.fields import (
    Object,
    metadata_of,
    moment,
    object_id,
    optional_text,
    part,
    reads,
)
from django_stripe_gateway.gateways.stripe.payment_objects import payment_snapshot, refunded_total
from django_stripe_gateway.gateways.values import PaymentSnapshot

# An intent in these has taken or holds money, or is about to; nobody has to be asked for any other again.
TAKEN = frozenset({"succeeded", "requires_capture", "processing"})


def is_taken(intent: Any, since: datetime) -> bool:
    """Return whether an intent that was made since a moment has taken money, holds it, or is about to."""
    if not isinstance(intent, Mapping) or intent.get("status") not in TAKEN:
        return False
    created = intent.get("created")
    return isinstance(created, int) and created >= int(since.timestamp())


@reads("a payment")
def session_payment(obj: Object) -> ListedPayment:
    """Return a payment that was made on a Checkout page, whose intent is expanded."""
    return _payment(obj, obj["payment_intent"], payment_snapshot(obj))


@reads("a payment")
def intent_payment(obj: Object) -> ListedPayment:
    """Return a payment that was made without a page."""
    return _payment(obj, obj, payment_snapshot(obj))


def _payment(obj: Object, intent: Object, snapshot: PaymentSnapshot) -> ListedPayment:
    charge = part(intent.get("latest_charge"))
    return ListedPayment(
        snapshot=snapshot,
        customer_id=object_id(intent.get("customer")) or object_id(obj.get("customer")),
        refunded=refunded_total(charge) if charge else Decimal(0),
        created=moment(intent.get("created")),
        description=optional_text(intent.get("description")),
        metadata={**metadata_of(intent.get("metadata")), **metadata_of(obj.get("metadata"))},
        is_manual=intent.get("capture_method") == "manual",
    )
