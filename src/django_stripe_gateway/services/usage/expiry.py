"""Let go of reservations that nobody used in time."""

from __future__ import annotations

from django.utils import timezone

from django_stripe_gateway.choices import ReservationState
from django_stripe_gateway.models import UsageCounter, UsageReservation
from django_stripe_gateway.services.usage.grants import put_back_grants
from django_stripe_gateway.services.usage.transactions import usage_database


def expire_reservations_of(counter: UsageCounter, base: int | None) -> None:
    """Free the units of the locked ``counter`` whose reservations have expired; the caller saves the counter.

    It happens when somebody needs the units, and with each new reservation. Until then they are only counted as free.
    """
    now = timezone.now()
    rows = UsageReservation.objects.using(usage_database())
    held = rows.filter(counter=counter, state=ReservationState.HELD, expires__lte=now)
    expired = dict(held.values_list("pk", "quantity"))
    if not expired:
        return
    rows.filter(pk__in=expired).update(state=ReservationState.EXPIRED, modified=now)
    counter.reserved -= sum(expired.values())
    put_back_grants(counter, base)
