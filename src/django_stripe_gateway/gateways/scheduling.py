"""What a billing gateway does that plans ahead."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from django_stripe_gateway.exceptions import UnsupportedByGateway
from django_stripe_gateway.gateways.billing_values import InvoiceSnapshot, SubscriptionChange, SubscriptionSnapshot
from django_stripe_gateway.gateways.schedule_values import ScheduledChange, ScheduleSnapshot


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

    def clear_schedule_payment_method(self, schedule: ScheduleSnapshot, *, idempotency_key: str) -> ScheduleSnapshot:
        """Let a schedule give its subscription no payment method, and be as it is otherwise."""
        raise UnsupportedByGateway("This gateway cannot plan a change ahead.")

    def preview_schedule(
        self, schedule: ScheduleSnapshot, change: ScheduledChange, *, instead: SubscriptionChange | None = None
    ) -> InvoiceSnapshot:
        """Return the invoice that would come if a schedule held one change, in place of all that it has planned.

        Args:
            instead: the same price and quantity from now on: how that is charged, and what becomes of trial and end.
        """
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
