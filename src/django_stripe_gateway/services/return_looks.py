"""How often a page that anybody with its address can open again asks the provider: once in some seconds."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db.models import Q
from django.utils import timezone

from django_stripe_gateway.services.transactions import payments_database

ASK_AGAIN_AFTER = timedelta(seconds=5)


def claim_look(row: Any) -> bool:
    """Return whether a return page may ask the provider about a payment or a subscription now, and note that it does.

    Of several requests at once one may.
    """
    now = timezone.now()
    rows = type(row)._default_manager.using(payments_database()).filter(pk=row.pk)
    is_due = Q(asked_on_return=None) | Q(asked_on_return__lte=now - ASK_AGAIN_AFTER)
    return bool(rows.filter(is_due).update(asked_on_return=now))
