"""Build prices, and show them as the plans that they are to older API versions."""

from __future__ import annotations

from typing import Any

from tests.fake_stripe import money, pricing
from tests.fake_stripe.errors import ApiError, invalid, missing_param, no_such
from tests.fake_stripe.state import Object, Scope


def price(scope: Scope, product: str, data: Object, param: str = "", **fields: Any) -> Object:
    """Return a new price from `unit_amount` or `unit_amount_decimal`, `currency` and `recurring`; not yet kept.

    What it costs in other currencies, by `currency_options`, is kept and not shown: nobody here expands that.
    """
    inside = f"{param}[%s]" if param else "%s"
    currency = data["currency"].lower()
    money.check_currency(currency, inside % "currency")
    scheme = data.get("billing_scheme", "per_unit")
    tiers = pricing.tiers(data, inside) if scheme == "tiered" else None
    amount, exact = (None, None) if tiers else unit_amount(data, inside)
    if amount is not None:
        money.check_amount(amount, currency, inside % "unit_amount", minimum=False)
    recurring = None
    if "recurring" in data:
        given = data["recurring"]
        recurring = {
            "interval": given["interval"],
            "interval_count": given.get("interval_count", 1),
            "meter": given.get("meter"),
            "trial_period_days": given.get("trial_period_days"),
            "usage_type": given.get("usage_type", "licensed"),
        }
        _check_interval(recurring, inside % "recurring[interval_count]")
        if recurring["meter"] and scope.find("billing.meter", recurring["meter"]) is None:
            raise no_such("meter", recurring["meter"], param=inside % "recurring[meter]", in_url=False)
    return {
        "id": scope.new_id("price_"),
        "object": "price",
        "active": True,
        "billing_scheme": scheme,
        "created": scope.now(),
        "currency": currency,
        "custom_unit_amount": None,
        "livemode": scope.livemode,
        "lookup_key": None,
        "metadata": {},
        "nickname": None,
        "product": product,
        "recurring": recurring,
        "tax_behavior": "unspecified",
        "tiers_mode": data.get("tiers_mode"),
        "transform_quantity": data.get("transform_quantity"),
        "type": "recurring" if recurring else "one_time",
        "unit_amount": amount,
        "unit_amount_decimal": exact,
        "_options": pricing.options(data, inside),
        "_tiers": tiers,
        **fields,
    }


_MOST = {"day": 1095, "week": 156, "month": 36, "year": 3}


def _check_interval(recurring: Object, param: str) -> None:
    if not 1 <= recurring["interval_count"] <= _MOST[recurring["interval"]]:
        raise invalid("You cannot have a recurring interval of more than three years.", param)


def unit_amount(data: Object, inside: str) -> tuple[int | None, str | None]:
    """Return the amount of one piece in `data`, as `pricing.both` does.

    `inside` makes a parameter's name of a field's.
    """
    amount, exact = pricing.both(data, "unit_amount", inside)
    if exact is None:
        raise missing_param(inside % "unit_amount")
    return amount, exact


def plan_of(found: Object) -> Object:
    """Return a recurring price as the plan that it is to older API versions."""
    recurring = found["recurring"]
    same = ("id", "active", "billing_scheme", "created", "currency", "livemode", "nickname", "product", "tiers_mode")
    return {
        **{name: found[name] for name in same},
        "object": "plan",
        "amount": found["unit_amount"],
        "amount_decimal": found["unit_amount_decimal"],
        "interval": recurring["interval"],
        "interval_count": recurring["interval_count"],
        "metadata": dict(found["metadata"]),
        "meter": recurring["meter"],
        "transform_usage": None,
        "trial_period_days": recurring["trial_period_days"],
        "usage_type": recurring["usage_type"],
    }


def not_available(price: Object, param: str) -> ApiError:
    """Return the refusal of a price whose product was archived."""
    message = f"Price `{price['id']}` is not available to be purchased because its product is not active."
    return ApiError(400, message, param=param, stored=False)
