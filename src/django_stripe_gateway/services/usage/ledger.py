"""The lines of the ledger: what their quantity can be, and the keys by which a repeated call finds its own."""

from __future__ import annotations

import hashlib
from typing import Any

from django.utils.translation import gettext as _

from django_stripe_gateway.conf import gateway_settings
from django_stripe_gateway.exceptions import IdempotencyKeyReused, InvalidInput, InvalidQuantity
from django_stripe_gateway.models import UsageRecord
from django_stripe_gateway.services.usage.allowances import Allowance
from django_stripe_gateway.services.usage.entitlements import Entitlements
from django_stripe_gateway.services.usage.periods import as_stored, local_day
from django_stripe_gateway.services.usage.transactions import insert_if_absent, usage_database

# A counter holds nine million of them.
MAX_QUANTITY = 10**12


def whole_quantity(quantity: Any, least: int = 1) -> int:
    """Return ``quantity`` if it is a whole number from ``least`` to ``MAX_QUANTITY``.

    Raises:
        InvalidQuantity: it is not; no float is rounded and no bool counted.
    """
    if not isinstance(quantity, int) or isinstance(quantity, bool) or not least <= quantity <= MAX_QUANTITY:
        raise InvalidQuantity(
            _("The quantity is a whole number from %(least)d to %(most)d.") % {"least": least, "most": MAX_QUANTITY},
            field="quantity",
        )
    return quantity


def stored_key(idempotency_key: str | None) -> str | None:
    """Return a caller's key as it is stored: of one length, and case-sensitive on every database.

    Raises:
        InvalidInput: it is empty.
    """
    if idempotency_key is None:
        return None
    if not idempotency_key:
        raise InvalidInput("An idempotency key has at least one character.", field="idempotency_key")
    return hashlib.sha256(idempotency_key.encode()).hexdigest()


def new_record(
    owner: Any,
    entitlements: Entitlements,
    allowance: Allowance,
    kind: str,
    quantity: int,
    *,
    key: str | None = None,
    period_key: str = "",
) -> UsageRecord:
    """Return a line that is not stored yet.

    Args:
        key: the caller's, as ``stored_key`` returns it.
        period_key: of the period that it counts for, the allowance's by default.
    """
    return UsageRecord(
        owner_id=owner.pk,
        metric=allowance.metric,
        kind=kind,
        quantity=quantity,
        key=key,
        period_key=period_key or allowance.window.key,
        day=local_day(entitlements.now, entitlements.zone),
        created=as_stored(entitlements.now),
        awaits_meter=allowance.metric in gateway_settings.usage_meters,
    )


def add_record(record: UsageRecord) -> bool:
    """Store a line; return whether its key is new."""
    if record.key is not None:
        return insert_if_absent(record)
    record.save(using=usage_database())
    return True


def remove_record(record: UsageRecord) -> None:
    """Take back a line whose transaction has not been committed: what it says did not happen."""
    rows = UsageRecord._base_manager.using(usage_database()).filter(owner_id=record.owner_id, key=record.key)
    rows._raw_delete(usage_database())


def find_record(owner: Any, key: str | None) -> UsageRecord | None:
    """Return the line that was added under a caller's key."""
    if key is None:
        return None
    return UsageRecord.objects.using(usage_database()).filter(owner_id=owner.pk, key=key).first()


def repeated(record: UsageRecord, kind: str, metric: str, quantity: int) -> UsageRecord:
    """Return the line of an earlier call, if this call asks for the same.

    Raises:
        IdempotencyKeyReused: it asks for something else.
    """
    if (record.kind, record.metric, record.quantity) != (kind, metric, quantity):
        raise IdempotencyKeyReused(_("This idempotency key was used for something else. Use a new one."))
    return record
