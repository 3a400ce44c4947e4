"""Compare what was sent with what the provider's meters have counted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db.models import Sum

from django_stripe_gateway.choices import MeterEventState
from django_stripe_gateway.gateways.metering import Meter
from django_stripe_gateway.gateways.registry import get_meters
from django_stripe_gateway.models import MeterEvent
from django_stripe_gateway.services.usage.transactions import usage_database


@dataclass(frozen=True, slots=True)
class Compared:
    """What both sides say about one customer and meter; ``counted`` is ``None`` where the provider has no such meter.

    ``open`` is what was not confirmed: pending, refused or unclear.
    """

    customer_id: str
    event_name: str
    sent: int
    open: int
    counted: Decimal | None

    @property
    def agrees(self) -> bool:
        """Whether the provider has counted what was sent, and nothing is open."""
        return self.counted == self.sent and not self.open


def compare_usage(since: datetime, until: datetime) -> Iterator[Compared]:
    """Yield every customer and meter with use from ``since`` to before ``until``, both whole minutes.

    Raises:
        GatewayError: the provider cannot be asked.
    """
    rows = MeterEvent.objects.using(usage_database()).filter(occurred__gte=since, occurred__lt=until)
    keys = ("customer__variant", "customer__provider_id", "event_name")
    totals: dict[tuple[str, str, str], dict[bool, int]] = {}
    for *key, state, total in rows.order_by(*keys).values_list(*keys, "state").annotate(Sum("value")):
        found = totals.setdefault((key[0], key[1], key[2]), {True: 0, False: 0})
        found[state == MeterEventState.SENT] += int(total)
    meters: dict[str, Mapping[str, Meter]] = {}
    for (variant, customer_id, event_name), total in totals.items():
        gateway = get_meters(variant)
        if variant not in meters:
            meters[variant] = gateway.list_meters()
        meter = meters[variant].get(event_name)
        counted = gateway.total(meter.meter_id, customer_id, since, until) if meter else None
        yield Compared(customer_id, event_name, total[True], total[False], counted)
