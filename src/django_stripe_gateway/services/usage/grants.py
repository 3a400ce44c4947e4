"""Draw on units that were given once, and put back what was not needed."""

from __future__ import annotations

from typing import Any

from django.utils import timezone

from django_stripe_gateway.models import UsageCounter, UsageGrant
from django_stripe_gateway.services.usage.transactions import usage_database


def draw_grants(owner_id: Any, metric: str, quantity: int) -> bool:
    """Take ``quantity`` out of the owner's grants, the one that expires first at first; nothing if it is not enough."""
    grants = list(_grants(owner_id, metric).select_for_update().order_by("pk"))
    if sum(grant.quantity - grant.drawn for grant in grants) < quantity:
        return False
    # Without an expiry last; rows are locked in the order of their keys, and used in this one.
    for grant in sorted(grants, key=_lasts):
        part = min(quantity, grant.quantity - grant.drawn)
        quantity -= part
        if part:
            grant.drawn += part
            grant.save(using=usage_database(), update_fields=["drawn"])
    return True


def put_back_grants(counter: UsageCounter, base: int | None) -> None:
    """Return to their grants the units that the locked ``counter`` has drawn and does not need beside ``base``.

    What came out of a grant that has expired since stays in the counter, for the rest of its period: put back it would
    be lost, although it is shown as what remains.
    """
    needed = 0 if base is None else max(0, counter.used + counter.reserved - base)
    spare = counter.extra - needed
    if spare <= 0:
        return
    rows = UsageGrant.objects.using(usage_database())
    drawn = rows.filter(owner_id=counter.owner_id, metric=counter.metric, drawn__gt=0)
    drawn = drawn.exclude(expires__lte=timezone.now())
    for grant in sorted(drawn.select_for_update().order_by("pk"), key=_lasts, reverse=True):
        part = min(spare, grant.drawn)
        spare -= part
        counter.extra -= part
        if part:
            grant.drawn -= part
            grant.save(using=usage_database(), update_fields=["drawn"])


def _lasts(grant: UsageGrant) -> tuple[bool, float, int]:
    return grant.expires is None, grant.expires.timestamp() if grant.expires else 0.0, grant.pk


def _grants(owner_id: Any, metric: str) -> Any:
    return UsageGrant.objects.using(usage_database()).available().filter(owner_id=owner_id, metric=metric)
