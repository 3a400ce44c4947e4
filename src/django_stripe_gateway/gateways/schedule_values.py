"""What crosses the interface about schedules: what a subscription will be charged later."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any


@dataclass(frozen=True, slots=True)
class PhaseItem:
    """One price that a phase sells; the names are those of a subscription's item, which it may become.

    Args:
        product_id, amount, currency, interval: known where the price came along.
        quantity: ``None`` where a meter counts.
    """

    price_id: str
    product_id: str = ""
    amount: Decimal | None = None
    currency: str = ""
    interval: str = ""
    interval_count: int = 1
    is_metered: bool = False
    quantity: int | None = 1


@dataclass(frozen=True, slots=True)
class SchedulePhase:
    """What a subscription is charged from one moment to another."""

    start: datetime
    end: datetime
    items: Sequence[PhaseItem]


@dataclass(frozen=True, slots=True)
class ScheduleSnapshot:
    """A schedule as the provider sees it.

    Args:
        status: the provider's word; ``is_running`` says whether it still moves its subscription.
        subscription_id: whose schedule it is, or was.
        later: the phases that follow the present one.
        ends: the subscription ends with the last phase, instead of going on without a schedule.
        has_payment_method: it gives its subscription a payment method, now or with a phase to come.
        present: the present phase as the provider takes it back in a change of the schedule, and ``following`` those
            after it; opaque to callers.
    """

    schedule_id: str
    status: str
    is_running: bool
    customer_id: str = ""
    subscription_id: str = ""
    livemode: bool | None = None
    phase: SchedulePhase | None = None
    later: Sequence[SchedulePhase] = ()
    ends: bool = False
    metadata: Mapping[str, str] = field(default_factory=dict)
    has_payment_method: bool = False
    present: Mapping[str, Any] = field(default_factory=dict, repr=False)
    following: Sequence[Mapping[str, Any]] = field(default=(), repr=False)

    @property
    def next_change(self) -> SchedulePhase | None:
        """The first phase to come in which other things are charged than now."""
        if not self.is_running or self.phase is None:
            return None
        now = _charged(self.phase)
        return next((phase for phase in self.later if _charged(phase) != now), None)

    @property
    def holds_nothing(self) -> bool:
        """Whether nothing becomes of the subscription by it."""
        return not self.is_running or not (self.later or self.ends)

    @property
    def is_one_change(self) -> bool:
        """Whether it only lets something else be charged from the end of the present phase on, for good.

        Such a one a customer's choice makes, here or in the provider's portal. What has more phases, or an end, is
        terms that somebody has agreed on.
        """
        return self.is_running and len(self.later) == 1 and not self.ends


@dataclass(frozen=True, slots=True)
class ScheduledChange:
    """What is charged from a moment on, in place of one price; all else of the subscription stays.

    Args:
        at: when the present period ends.
        from_price_id: the price that is charged until then.
        quantity: ``None`` keeps it.
        interval: of the new price, with ``interval_count``: its first period is the schedule's last.
        is_metered: a meter counts the new price, which has no quantity.
        renews: the subscription goes on after that period.
        with_plan: metered prices that are charged beside the new one from then on.
        metadata: kept on the schedule, so that it is known as ours.
        left_price_ids: prices that are charged no more from then on, in place of which nothing is.
    """

    at: datetime
    from_price_id: str
    price_id: str
    quantity: int | None
    interval: str
    interval_count: int = 1
    is_metered: bool = False
    renews: bool = True
    with_plan: Sequence[str] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)
    left_price_ids: Collection[str] = ()


def _charged(phase: SchedulePhase) -> list[tuple[str, int | None]]:
    return sorted(((item.price_id, item.quantity) for item in phase.items), key=str)
