"""The phases of a subscription schedule, from an API request or from a subscription as it is."""

from __future__ import annotations

from tests.fake_stripe import discounting, item_rules
from tests.fake_stripe.errors import ApiError, invalid, missing_param
from tests.fake_stripe.periods import moment_after
from tests.fake_stripe.state import Object, Scope
from tests.fake_stripe.subscription_objects import check_quantity, items, period, price_of

_MOST = 10
_COPIED = ("billing_cycle_anchor", "collection_method", "description")
_NULL_FIELDS = (
    "application_fee_percent billing_cycle_anchor billing_thresholds collection_method default_payment_method "
    "description invoice_settings on_behalf_of transfer_data trial_end"
).split()


def build(
    scope: Scope, given: list[Object], start: int, customer: Object, billing_mode: Object, currency: str = ""
) -> list[Object]:
    """Return the phases that a request describes, one after the other from `start`; refuse what Stripe refuses.

    `currency` is that of their subscription, if there is one.
    """
    if len(given) > _MOST:
        raise invalid(f"You can only have up to {_MOST} current and future phases.", "phases")
    found: list[Object] = []
    for index, wanted in enumerate(given):
        param = f"phases[{index}]"
        begins = found[-1]["end_date"] if found else start
        if found and _moment(scope, wanted.get("start_date"), begins) != begins:
            raise invalid("The start date of a phase must be the end date of the one before.", f"{param}[start_date]")
        following = given[index + 1].get("start_date") if index + 1 < len(given) else None
        found.append(_phase(scope, wanted, begins, _moment(scope, following, None), customer, param))
        found[-1]["currency"] = currency or found[-1]["currency"]
        _check_items(scope, found[-1], billing_mode, param)
    if len({phase["currency"] for phase in found}) > 1:
        raise invalid("All prices on a subscription must have the same currency.", "phases")
    return found


def _check_items(scope: Scope, phase: Object, billing_mode: Object, param: str) -> None:
    """Refuse a phase whose items could not be a subscription's."""
    sold = [{"price": scope.objects["price"][item["price"]]} for item in phase["items"]]
    try:
        item_rules.check({"billing_mode": billing_mode, "currency": phase["currency"], "items": {"data": sold}})
    except ApiError as error:
        error.param = f"{param}[items]" + (error.param or "").removeprefix("items")
        raise


def first_start(scope: Scope, given: list[Object], current: int) -> int:
    """Return when the phases of an update begin: one of them must say when it does."""
    if not any("start_date" in phase for phase in given):
        raise invalid(
            "The subscription schedule update is missing at least one phase with a `start_date` to anchor end dates to."
        )
    return _moment(scope, given[0].get("start_date"), current) or 0


def _moment(scope: Scope, given: int | str | None, default: int | None) -> int | None:
    if given is None:
        return default
    return scope.now() if given == "now" else int(given)


def _phase(scope: Scope, wanted: Object, start: int, following: int | None, customer: Object, param: str) -> Object:
    if wanted.get("add_invoice_items"):
        raise ApiError(501, "The fake Stripe does not implement add_invoice_items of phases", type="api_error")
    sold, currency = _items(scope, wanted, param)
    end = _end(scope, wanted, start, following, sold, param)
    trial_end = end if wanted.get("trial") else _moment(scope, wanted.get("trial_end") or None, None)
    if trial_end and not start < trial_end <= end:
        raise invalid("The trial of a phase must end within the phase.", f"{param}[trial_end]")
    discounts = wanted.get("discounts") or ([{"coupon": wanted["coupon"]}] if wanted.get("coupon") else [])
    # One that cannot be used is refused now, not when the phase begins.
    discounting.discounts(scope, discounts, customer)
    if "default_payment_method" in wanted:
        scope.get("payment_method", wanted["default_payment_method"], param=param, in_url=False)
    phase = _plain(start, end, currency, sold)
    phase.update({name: wanted[name] or None for name in (*_COPIED, "default_payment_method") if name in wanted})
    phase["automatic_tax"]["enabled"] = wanted.get("automatic_tax", {}).get("enabled", False)
    phase.update(
        discounts=[_discount(item) for item in discounts],
        # An empty value stays: it takes the key from the subscription when the phase begins.
        metadata=dict(wanted.get("metadata", {})),
        proration_behavior=wanted.get("proration_behavior", "create_prorations"),
        trial_end=trial_end,
    )
    return phase


def _items(scope: Scope, wanted: Object, param: str) -> tuple[list[Object], str]:
    if not wanted.get("items"):
        raise missing_param(f"{param}[items]")
    sold, prices = [], []
    for index, item in enumerate(wanted["items"]):
        inside = f"{param}[items][{index}]"
        if "price_data" in item:
            raise ApiError(501, "The fake Stripe does not implement price_data of phases", type="api_error")
        price = price_of(scope, item, inside)
        quantity = check_quantity(price, item.get("quantity"), inside)
        sold.append(_item(price, quantity, item.get("metadata", {})))
        prices.append(price)
    return sold, prices[0]["currency"]


def _end(scope: Scope, wanted: Object, start: int, following: int | None, sold: list[Object], param: str) -> int:
    """Return when a phase ends: as it says, with the beginning of the next, or after one cycle of its prices."""
    says = [name for name in ("end_date", "duration", "iterations") if name in wanted]
    if len(says) > 1:
        raise invalid(f"You may only specify one of these parameters: {', '.join(says)}.", f"{param}[{says[0]}]")
    end = _moment(scope, wanted.get("end_date"), following)
    if "duration" in wanted:
        length = wanted["duration"]
        end = moment_after(start, length["interval"], length.get("interval_count", 1))
    elif "iterations" in wanted or end is None:
        cycle = scope.objects["price"][sold[0]["price"]]["recurring"]
        end = moment_after(start, cycle["interval"], cycle["interval_count"], wanted.get("iterations", 1))
    if end < start or (end == start and wanted.get("end_date") != "now"):
        raise invalid("The end date of a phase must be after its start date.", f"{param}[end_date]")
    return end


def _discount(given: Object) -> Object:
    return {name: given.get(name) for name in ("coupon", "discount", "promotion_code")}


def _item(price: Object, quantity: int | None, metadata: dict[str, str]) -> Object:
    item: Object = {
        "billing_thresholds": None,
        "discounts": [],
        "metadata": dict(metadata),
        "plan": price["id"],
        "price": price["id"],
        "tax_rates": [],
    }
    return item if quantity is None else {**item, "quantity": quantity}


def _plain(start: int, end: int, currency: str, sold: list[Object]) -> Object:
    return {
        **dict.fromkeys(_NULL_FIELDS),
        "add_invoice_items": [],
        "automatic_tax": {"disabled_reason": None, "enabled": False, "liability": None},
        "currency": currency,
        "default_tax_rates": [],
        "discounts": [],
        "end_date": end,
        "items": sold,
        "metadata": {},
        "proration_behavior": "create_prorations",
        "start_date": start,
    }


def sold_by(subscription: Object) -> list[Object]:
    """Return a subscription's items as those of a phase."""
    return [_item(item["price"], item.get("quantity"), item["metadata"]) for item in items(subscription)]


def discounts_of(subscription: Object) -> list[Object]:
    """Return a subscription's discounts as those of a phase."""
    return [_discount({"discount": identifier}) for identifier in subscription["discounts"]]


def of_subscription(subscription: Object) -> Object:
    """Return a phase that is a subscription's current period."""
    phase = _plain(*period(subscription), subscription["currency"], sold_by(subscription))
    phase["automatic_tax"]["enabled"] = subscription["automatic_tax"]["enabled"]
    phase["end_date"] = subscription["cancel_at"] or phase["end_date"]
    phase["discounts"] = discounts_of(subscription)
    phase["trial_end"] = subscription["trial_end"] if subscription["status"] == "trialing" else None
    return phase
