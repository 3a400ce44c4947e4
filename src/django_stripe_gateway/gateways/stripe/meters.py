"""Tell Stripe's Billing Meters what was used, and ask what they have counted."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django_stripe_gateway.exceptions import ProviderError, UnsupportedByGateway
from django_stripe_gateway.gateways.stripe.accounts import stripe_account
from django_stripe_gateway.gateways.stripe.calls import StripeAccountCalls, key_options, seconds
from django_stripe_gateway.gateways.stripe.errors import ask
from django_stripe_gateway.gateways.stripe.fields import Object

# For how long Stripe certainly knows an identifier that it has seen, less what clocks may differ by:
# https://docs.stripe.com/api/billing/meter-event/create
IDENTIFIER_HOURS = 23
# How old an event may be.
MAX_AGE_DAYS = 34
# What Stripe says to an identifier that it knows; there is no code for it.
KNOWN_IDENTIFIER = "already exists with identifier"


@dataclass(frozen=True, slots=True)
class MeterEventRequest:
    """Use of one customer.

    Args:
        event_name: names the meter.
        identifier: Stripe counts an event with a known one once.
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


class StripeMeters(StripeAccountCalls):
    """The meters of one account."""

    def send_event(self, request: MeterEventRequest, meter: Meter, *, idempotency_key: str) -> bool:
        """Report use; return whether Stripe had counted this event before.

        Raises:
            GatewayError: see ``BillingGateway``.
        """
        params = {
            "event_name": request.event_name,
            "payload": {meter.customer_key: request.customer_id, meter.value_key: str(request.value)},
            "identifier": request.identifier,
            "timestamp": seconds(request.occurred),
        }
        options = key_options(idempotency_key)
        try:
            ask(lambda: self.v1.billing.meter_events.create(params=params, options=options), lambda event: event)
        except ProviderError as error:
            if KNOWN_IDENTIFIER in error.detail:
                return True
            raise
        return False

    def list_meters(self) -> dict[str, Meter]:
        """Return the active meters by the name of their events."""
        self._require_stripe()
        meters = self._list(lambda params: self.v1.billing.meters.list(params=params), _meter, status="active")
        return {meter.event_name: meter for meter in meters}

    def total(self, meter_id: str, customer_id: str, since: datetime, until: datetime) -> Decimal:
        """Return what a meter has counted for a customer from ``since`` to before ``until``, both whole minutes."""
        totals = self._list(
            lambda params: self.v1.billing.meters.event_summaries.list(meter_id, params=params),
            _total,
            customer=customer_id,
            start_time=seconds(since),
            end_time=seconds(until),
        )
        return sum(totals, Decimal(0))

    def _require_stripe(self) -> None:
        if self.account.is_localstripe:
            raise UnsupportedByGateway("localstripe has no Billing Meters.")


def get_meters(variant: str) -> StripeMeters:
    """Return the meters of the account behind ``variant``.

    Raises:
        GatewayConfigurationError: it is no Stripe variant.
    """
    return StripeMeters(stripe_account(variant))


def _meter(obj: Object) -> Meter:
    return Meter(
        meter_id=str(obj["id"]),
        event_name=str(obj["event_name"]),
        customer_key=str(obj["customer_mapping"]["event_payload_key"]),
        value_key=str(obj["value_settings"]["event_payload_key"]),
    )


def _total(obj: Object) -> Decimal:
    value: Any = obj["aggregated_value"]
    return Decimal(str(value))
