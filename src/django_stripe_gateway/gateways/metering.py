"""The interface of meters, which count at the provider what customers use, and the values that cross it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

# For how long a provider certainly knows an identifier that it has seen, less what clocks may differ by, and how old an
# event may be: what is asked of every provider with meters.
IDENTIFIER_HOURS = 23
MAX_AGE_DAYS = 34


@dataclass(frozen=True, slots=True)
class MeterEventRequest:
    """Use of one customer.

    Args:
        event_name: names the meter.
        identifier: the provider counts an event with a known one once.
    """

    event_name: str
    customer_id: str
    value: int
    identifier: str
    occurred: datetime


@dataclass(frozen=True, slots=True)
class Meter:
    """A meter, with the names under which it looks for customer and value."""

    meter_id: str
    event_name: str
    customer_key: str
    value_key: str


class MeterGateway(ABC):
    """The meters of one account; for what is raised everywhere see ``BillingGateway``."""

    @abstractmethod
    def send_event(self, request: MeterEventRequest, meter: Meter, *, idempotency_key: str) -> bool:
        """Report use; return whether the provider had counted this event before."""

    @abstractmethod
    def create_meter(self, event_name: str, name: str, *, idempotency_key: str) -> Meter:
        """Make a meter that adds up the values of its events; one account has one active meter for an event's name.

        Args:
            name: of the meter, for people.
        """

    @abstractmethod
    def list_meters(self) -> Mapping[str, Meter]:
        """Return the active meters by the name of their events."""

    @abstractmethod
    def default_meter(self, event_name: str) -> Meter:
        """Return a meter that does not exist (any more), with the provider's default names: it says so itself."""

    @abstractmethod
    def total(self, meter_id: str, customer_id: str, since: datetime, until: datetime) -> Decimal:
        """Return what a meter has counted for a customer from ``since`` to before ``until``, both whole minutes."""
