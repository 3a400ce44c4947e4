"""Subscription Schedules, of both API generations, as this app's frozen values.

Each reader raises ``ProviderError`` for an object that is half-formed.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django_stripe_gateway.gateways.schedule_values import PhaseItem, SchedulePhase, ScheduleSnapshot
from django_stripe_gateway.gateways.stripe.fields import (
    Object,
    flag,
    metadata_of,
    moment,
    object_id,
    part,
    reads,
    text,
)
from django_stripe_gateway.gateways.stripe.item_objects import item_snapshot

RUNNING = frozenset({"not_started", "active"})
# What an update of a schedule takes as a phase shows it. What it adds to an invoice was added when the phase began.
PLAIN = (
    "start_date end_date trial_end proration_behavior collection_method description application_fee_percent "
    "billing_cycle_anchor metadata"
).split()
OF_INVOICES = ("custom_fields", "days_until_due", "description", "footer")
OF_PHASE_ITEM = "price_id product_id amount currency interval interval_count is_metered quantity".split()
DISCOUNTS = ("discount", "coupon", "promotion_code")


@reads("a subscription schedule")
def schedule_snapshot(obj: Object) -> ScheduleSnapshot:
    """Return the snapshot of a Subscription Schedule."""
    phases = [(_phase(phase), phase) for phase in _dicts(obj["phases"])]
    began = moment(part(obj.get("current_phase")).get("start_date"))
    present = next(((phase, raw) for phase, raw in phases if phase.start == began), None)
    later = [(phase, raw) for phase, raw in phases if began is None or phase.start > began]
    now = {} if present is None else _taken_back(present[1])
    following = [{**_taken_back(raw), **_added(raw)} for _phase_to_come, raw in later]
    owners = (now, *following, part(obj.get("default_settings")))
    return ScheduleSnapshot(
        schedule_id=text(obj["id"]),
        status=text(obj["status"]),
        is_running=obj["status"] in RUNNING,
        customer_id=object_id(obj.get("customer")),
        subscription_id=object_id(obj.get("subscription")) or object_id(obj.get("released_subscription")),
        livemode=flag(obj.get("livemode")),
        phase=None if present is None else present[0],
        later=[phase for phase, _raw in later],
        ends=obj.get("end_behavior") == "cancel",
        metadata=metadata_of(obj.get("metadata")),
        has_payment_method=any(owner.get("default_payment_method") for owner in owners),
        present=now,
        following=following,
    )


def _phase(obj: Object) -> SchedulePhase:
    items = [_item(item, obj) for item in _dicts(obj["items"])]
    return SchedulePhase(start=_moment(obj["start_date"]), end=_moment(obj["end_date"]), items=items)


def _item(obj: Object, phase: Object) -> PhaseItem:
    """Return what a phase sells; a price that has not come along is known by its id alone."""
    price = obj.get("price") or obj.get("plan")
    shown = price if isinstance(price, dict) else {"id": text(price)}
    # It is no item of a subscription yet, and has no id.
    sold = {"id": "-", "price": shown, "quantity": obj.get("quantity")}
    item = item_snapshot(sold, {"currency": phase.get("currency")})
    return PhaseItem(**{name: getattr(item, name) for name in OF_PHASE_ITEM})


def _taken_back(phase: Object) -> dict[str, Any]:
    """Return a phase as an update takes it: ids in place of objects, and nothing that is empty."""
    taken: dict[str, Any] = {name: phase.get(name) for name in PLAIN}
    taken["items"] = [
        _filled(
            price=object_id(item.get("price") or item.get("plan")),
            quantity=item.get("quantity"),
            metadata=item.get("metadata"),
            tax_rates=_ids(item.get("tax_rates")),
            discounts=_discounts(item),
            billing_thresholds=_shown(item.get("billing_thresholds")),
        )
        for item in _dicts(phase["items"])
    ]
    for name in ("default_payment_method", "on_behalf_of"):
        taken[name] = object_id(phase.get(name))
    taken["default_tax_rates"] = _ids(phase.get("default_tax_rates"))
    # Versions before the list of discounts know one coupon.
    taken["discounts"] = _discounts(phase) or ([{"coupon": object_id(phase["coupon"])}] if phase.get("coupon") else [])
    tax = part(phase.get("automatic_tax"))
    if tax.get("enabled") is True:
        taken["automatic_tax"] = _filled(enabled=True, liability=_account(tax.get("liability")))
    taken["billing_thresholds"] = _shown(phase.get("billing_thresholds"))
    settings = part(phase.get("invoice_settings"))
    taken["invoice_settings"] = _filled(
        **{name: settings.get(name) for name in OF_INVOICES},
        account_tax_ids=_ids(settings.get("account_tax_ids")),
        issuer=_account(settings.get("issuer")),
    )
    transfer = part(phase.get("transfer_data"))
    taken["transfer_data"] = _filled(
        destination=object_id(transfer.get("destination")), amount_percent=transfer.get("amount_percent")
    )
    return _filled(**taken)


def _added(phase: Object) -> dict[str, Any]:
    """Return what a phase to come will add to its first invoice, as an update takes it."""
    added = [
        _filled(
            price=object_id(item.get("price")),
            quantity=item.get("quantity"),
            tax_rates=_ids(item.get("tax_rates")),
            discounts=_discounts(item),
            discountable=item.get("discountable"),
            metadata=item.get("metadata"),
            period=_filled(**{name: _shown(part(item.get("period")).get(name)) for name in ("start", "end")}),
        )
        for item in _dicts(phase.get("add_invoice_items") or [])
    ]
    return _filled(add_invoice_items=added)


def _account(value: Any) -> dict[str, Any]:
    """Return whose invoice or tax it is, where that is not the account itself."""
    account = object_id(part(value).get("account"))
    return {"type": "account", "account": account} if account else {}


def _shown(value: Any) -> dict[str, Any]:
    return _filled(**part(value))


def _ids(found: Any) -> list[str]:
    return [object_id(one) for one in found or ()]


def _discounts(obj: Object) -> list[dict[str, str]]:
    found = [{name: object_id(one.get(name)) for name in DISCOUNTS} for one in _dicts(obj.get("discounts") or [])]
    # One that is redeemed already is named by itself: it goes on for as long as it was to last.
    return [next({name: value} for name, value in one.items() if value) for one in found if any(one.values())]


def _filled(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value not in (None, "", [], {})}


def _dicts(value: Any) -> list[Object]:
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise TypeError("a list of objects is missing")
    return value


def _moment(value: Any) -> datetime:
    found = moment(value)
    if found is None:
        raise TypeError("a moment is missing")
    return found
