"""What becomes of a subscription later: schedules, the values that cross the interface, and what a gateway does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar

from django_stripe_gateway.exceptions import UnsupportedByGateway
from django_stripe_gateway.gateways.billing_values import SubscriptionItemSnapshot, SubscriptionSnapshot


@dataclass(frozen=True, slots=True)
class SchedulePhase:
    """What a subscription is charged from one moment to another; its items have prices and quantities only."""

    start: datetime
    end: datetime
    items: Sequence[SubscriptionItemSnapshot]


@dataclass(frozen=True, slots=True)
class ScheduleSnapshot:
    """A schedule as the provider sees it.

    Args:
        status: the provider's word; ``is_running`` says whether it still moves its subscription.
        subscription_id: whose schedule it is, or was.
        later: the phases that follow the present one.
        ends: the subscription ends with the last phase, instead of going on without a schedule.
        present: the present phase as the provider takes it back in a change of the schedule; opaque to callers.
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
    present: Mapping[str, Any] = field(default_factory=dict, repr=False)

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
        metadata: kept on the schedule, so that it is known as ours.
    """

    at: datetime
    from_price_id: str
    price_id: str
    quantity: int | None
    interval: str
    interval_count: int = 1
    is_metered: bool = False
    renews: bool = True
    metadata: Mapping[str, str] = field(default_factory=dict)


class ScheduleGateway:
    """The part of a billing gateway that plans ahead. By default it cannot."""

    #: Something can be set to be charged from the next period on.
    supports_schedules: ClassVar[bool] = False

    def start_schedule(self, subscription_id: str, *, idempotency_key: str) -> ScheduleSnapshot:
        """Give a subscription a schedule in which nothing changes; it can have one only."""
        raise UnsupportedByGateway("This gateway cannot plan a change ahead.")

    def schedule_change(
        self, schedule: ScheduleSnapshot, change: ScheduledChange, *, idempotency_key: str
    ) -> SubscriptionSnapshot:
        """Let a schedule hold one change, in place of all that it has planned; the subscription's answer has it."""
        raise UnsupportedByGateway("This gateway cannot plan a change ahead.")

    def retrieve_schedule(self, schedule_id: str) -> ScheduleSnapshot:
        """Ask where a schedule stands."""
        raise UnsupportedByGateway("This gateway cannot plan a change ahead.")

    def release_schedule(self, schedule_id: str, *, idempotency_key: str) -> ScheduleSnapshot:
        """Let a subscription go on as it is, without its schedule; an end that is set already stays."""
        raise UnsupportedByGateway("This gateway cannot plan a change ahead.")

    def read_schedule(self, obj: Mapping[str, Any]) -> ScheduleSnapshot:
        """Return the snapshot of an event's object, of whichever API generation."""
        raise UnsupportedByGateway("This gateway cannot plan a change ahead.")


def _charged(phase: SchedulePhase) -> list[tuple[str, int | None]]:
    return sorted(((item.price_id, item.quantity) for item in phase.items), key=str)
