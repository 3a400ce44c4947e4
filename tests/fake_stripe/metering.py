"""Billing meters and what was reported to them (https://docs.stripe.com/billing/subscriptions/usage-based)."""

from __future__ import annotations

import decimal

from tests.fake_stripe.errors import ApiError, invalid
from tests.fake_stripe.periods import DAY, HOUR
from tests.fake_stripe.state import Object, Scope


def create_meter(scope: Scope, params: Object) -> Object:
    """Create a meter; active ones differ in the name of their events."""
    name = params["event_name"]
    if any(meter["event_name"] == name for meter in scope.related("billing.meter", status="active")):
        raise invalid(f"An active meter with the event name {name} already exists.", "event_name")
    now = scope.now()
    return scope.add(
        {
            "id": scope.new_id("mtr_live_" if scope.livemode else "mtr_test_"),
            "object": "billing.meter",
            "created": now,
            "customer_mapping": params.get(
                "customer_mapping", {"event_payload_key": "stripe_customer_id", "type": "by_id"}
            ),
            "default_aggregation": params["default_aggregation"],
            "display_name": params["display_name"],
            "event_name": name,
            "event_time_window": params.get("event_time_window"),
            "livemode": scope.livemode,
            "status": "active",
            "status_transitions": {"deactivated_at": None},
            "updated": now,
            "value_settings": params.get("value_settings", {"event_payload_key": "value"}),
        }
    )


def report(scope: Scope, params: Object) -> Object:
    """Keep an event; refuse one whose identifier was used in the last 24 hours."""
    now = scope.now()
    meter = next(iter(scope.related("billing.meter", event_name=params["event_name"], status="active")), None)
    if meter is None:
        raise ApiError(400, f"No active meter found for event name {params['event_name']}.", code="no_meter")
    timestamp = params.get("timestamp", now)
    if not now - 35 * DAY <= timestamp <= now + 300:
        raise invalid("The timestamp must be within the past 35 calendar days or up to 5 minutes ahead.", "timestamp")
    identifier = params.get("identifier") or scope.new_id("evt_")
    for other in scope.all("billing.meter_event"):
        if other["identifier"] == identifier and other["created"] > now - DAY:
            raise ApiError(400, f"An event already exists with identifier {identifier}.", param="identifier")
    key = meter["value_settings"]["event_payload_key"]
    try:
        decimal.Decimal(params["payload"].get(key, "1"))
    except decimal.InvalidOperation:
        raise invalid(f"The value of payload[{key}] is not a number.", f"payload[{key}]") from None
    # Stripe takes events of customers that it does not know, and says so later in an event of its own.
    return scope.add(
        {
            "id": scope.new_id("mtre_"),
            "object": "billing.meter_event",
            "created": now,
            "event_name": params["event_name"],
            "identifier": identifier,
            "livemode": scope.livemode,
            "payload": params["payload"],
            "timestamp": timestamp,
        }
    )


def total(scope: Scope, meter_id: str | None, customer: str, start: int, end: int) -> decimal.Decimal:
    """Return what a customer used from `start` to before `end`."""
    meter = scope.find("billing.meter", meter_id)
    if meter is None:
        return decimal.Decimal(0)
    key = meter["value_settings"]["event_payload_key"]
    values = [
        decimal.Decimal(event["payload"].get(key, "1"))
        for event in reversed(scope.related("billing.meter_event", event_name=meter["event_name"]))
        if event["payload"].get(meter["customer_mapping"]["event_payload_key"]) == customer
        and start <= event["timestamp"] < end
    ]
    formula = meter["default_aggregation"]["formula"]
    if formula == "count":
        return decimal.Decimal(len(values))
    return sum(values, decimal.Decimal(0)) if formula == "sum" else (values or [decimal.Decimal(0)])[-1]


def summaries(scope: Scope, meter: Object, params: Object) -> list[Object]:
    """Return what a customer used, for the whole time or each hour or day of it, newest first."""
    start, end = params["start_time"], params["end_time"]
    step = {"hour": HOUR, "day": DAY}.get(params.get("value_grouping_window", ""), max(1, end - start))
    if start % 60 or end % 60:
        raise invalid("The time must be aligned with minute boundaries.", "start_time" if start % 60 else "end_time")
    found = []
    for begin in range(start, end, step):
        until = min(begin + step, end)
        used = total(scope, meter["id"], params["customer"], begin, until)
        if used or step == end - start:
            found.append(
                {
                    "id": scope.new_id("mtrusg_"),
                    "object": "billing.meter_event_summary",
                    "aggregated_value": float(used),
                    "end_time": until,
                    "livemode": scope.livemode,
                    "meter": meter["id"],
                    "start_time": begin,
                }
            )
    return found[::-1]
