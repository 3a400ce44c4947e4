"""How often a page that anybody with its address can open again asks the provider: once, until something has changed.

What has changed is written with the row: by an event, or by what its owner has asked for. Of who pays after the page has
asked, and of what it could not ask, an event tells.
"""

from __future__ import annotations

from typing import Any

from django.db.models import F, Q
from django.utils import timezone

from django_stripe_gateway.services.transactions import payments_database


def claim_look(row: Any) -> bool:
    """Return whether a return page may ask the provider about a payment or a subscription now, and note that it does.

    Of several requests at once one may.
    """
    rows = type(row)._default_manager.using(payments_database()).filter(pk=row.pk)
    is_due = Q(asked_on_return=None) | Q(asked_on_return__lt=F("modified"))
    return bool(rows.filter(is_due).update(asked_on_return=timezone.now()))


def note_look(row: Any) -> None:
    """Note that a claimed look is over: what it has changed itself is no reason for another."""
    rows = type(row)._default_manager.using(payments_database()).filter(pk=row.pk)
    rows.update(asked_on_return=timezone.now())
