"""Tell Stripe's Billing Meters what was used, and ask what they have counted."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from django_stripe_gateway.exceptions import ProviderError, UnsupportedByGateway
from django_stripe_gateway.gateways.metering import Meter, MeterEventRequest, MeterGateway
from django_stripe_gateway.gateways.stripe.calls import StripeAccountCalls, ask, seconds
from django_stripe_gateway.gateways.stripe.fields import Object

# What Stripe says to an identifier that it knows; there is no code for it.
KNOWN_IDENTIFIER = "already exists with identifier"


class StripeMeters(StripeAccountCalls, MeterGateway):
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
        try:
            ask(self.v1.billing.meter_events.create, dict, params=params, key=idempotency_key)
        except ProviderError as error:
            if KNOWN_IDENTIFIER in error.detail:
                return True
            raise
        return False

    def create_meter(self, event_name: str, name: str, *, idempotency_key: str) -> Meter:
        """Make a meter that adds up the values of its events, with the names that Stripe gives by default."""
        self._require_stripe()
        params = {"display_name": name, "event_name": event_name, "default_aggregation": {"formula": "sum"}}
        return self._send(self.v1.billing.meters.create, _meter, idempotency_key, params=params)

    def list_meters(self) -> dict[str, Meter]:
        """Return the active meters by the name of their events."""
        self._require_stripe()
        meters = self._list(lambda params: self.v1.billing.meters.list(params=params), _meter, status="active")
        return {meter.event_name: meter for meter in meters}

    def default_meter(self, event_name: str) -> Meter:
        """Return a meter with the names that Stripe gives by default."""
        return Meter("", event_name, customer_key="stripe_customer_id", value_key="value")

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
