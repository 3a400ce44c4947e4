"""How often a page that anybody with its address can open again asks the provider: once, until something has changed.

What has changed is written with the row: by an event, or by what its owner has asked for. Of who pays after the page
has asked, an event tells. Where the provider could not be asked, the page tries again after some seconds.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db.models import F, Q
from django.utils import timezone

from django_stripe_gateway.services.transactions import payments_database

#: Between two looks at a provider that does not answer, which holds whoever waits for it.
PAUSE = timedelta(seconds=5)


def claim_look(row: Any) -> bool:
    """Return whether a return page may ask the provider about a payment or a subscription now, and note that it does.

    Of several requests at once one may. A look that never ends was in vain.
    """
    now = timezone.now()
    is_new = Q(asked_on_return=None) | Q(asked_on_return__lt=F("modified"), asked_in_vain=False)
    is_due = is_new | Q(asked_on_return__lte=now - PAUSE, asked_in_vain=True)
    return bool(_rows(row).filter(is_due).update(asked_on_return=now, asked_in_vain=True))


def note_look(row: Any) -> None:
    """Note that the provider has answered a claimed look: what this has changed is no reason for another."""
    _rows(row).update(asked_on_return=timezone.now(), asked_in_vain=False)


def _rows(row: Any) -> Any:
    return type(row)._default_manager.using(payments_database()).filter(pk=row.pk)
