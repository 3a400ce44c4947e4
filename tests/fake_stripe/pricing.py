"""What a quantity of a price costs: per unit or in tiers, which may be fractions of a cent."""

from __future__ import annotations

import decimal

from tests.fake_stripe.errors import ApiError, invalid, missing_param
from tests.fake_stripe.state import Object

_UNLIMITED = decimal.Decimal("Infinity")


def amount_of(price: Object, quantity: decimal.Decimal, currency: str = "") -> int:
    """Return what `quantity` pieces cost, rounded once, to the smallest unit; in the price's own currency if none."""
    price = {**price, **price["_options"].get(currency, {})}
    exact = _exact(price, _packages(price, quantity))
    return int(exact.to_integral_value(rounding=decimal.ROUND_HALF_UP))


def _packages(price: Object, quantity: decimal.Decimal) -> decimal.Decimal:
    transform = price["transform_quantity"]
    if not transform:
        return quantity
    rounding = decimal.ROUND_CEILING if transform["round"] == "up" else decimal.ROUND_FLOOR
    return (quantity / transform["divide_by"]).to_integral_value(rounding=rounding)


def _exact(price: Object, quantity: decimal.Decimal) -> decimal.Decimal:
    if price["billing_scheme"] == "per_unit":
        return decimal.Decimal(price["unit_amount_decimal"]) * quantity
    below, cost = decimal.Decimal(0), decimal.Decimal(0)
    for tier in price["_tiers"]:
        up_to = _UNLIMITED if tier["up_to"] is None else decimal.Decimal(tier["up_to"])
        each, flat = (decimal.Decimal(tier[name] or 0) for name in ("unit_amount_decimal", "flat_amount_decimal"))
        if price["tiers_mode"] == "graduated":
            if quantity > below:
                cost += each * (min(quantity, up_to) - below) + flat
        elif quantity <= up_to:
            return each * quantity + flat
        below = up_to
    return cost


def both(data: Object, name: str, inside: str) -> tuple[int | None, str | None]:
    """Return an amount as an integer, None for a fraction of the smallest unit, and as a decimal."""
    given = data.get(name, data.get(f"{name}_decimal"))
    if given is None:
        return None, None
    try:
        amount = decimal.Decimal(given)
    except decimal.InvalidOperation:
        raise invalid(f"Invalid decimal: {given}", inside % f"{name}_decimal", "parameter_invalid_string") from None
    if amount < 0:
        raise invalid("Invalid non-negative integer", inside % name, "parameter_invalid_integer")
    whole = amount == amount.to_integral_value()
    return (int(amount) if whole else None), (str(int(amount)) if whole else f"{amount.normalize():f}")


def options(data: Object, inside: str) -> dict[str, Object]:
    """Return what a price costs in other currencies than its own."""
    found = {}
    for currency, given in data.get("currency_options", {}).items():
        amount, exact = both(given, "unit_amount", inside % f"currency_options[{currency}]" + "[%s]")
        found[currency] = {"unit_amount": amount, "unit_amount_decimal": exact}
    return found


def tiers(data: Object, inside: str) -> list[Object]:
    """Return the tiers of a request; the last one has no end."""
    if "recurring" not in data:
        # The parameter is what Stripe names, too.
        raise invalid("Prices with `type=one_time` are not supported with tiered billing.", "interval")
    if "transform_quantity" in data:
        raise invalid("You may only specify one of these parameters: tiers, transform_quantity.", "transform_quantity")
    for name in ("tiers", "tiers_mode"):
        if not data.get(name):
            raise missing_param(inside % name)
    found = []
    for tier in data["tiers"]:
        flat, flat_decimal = both(tier, "flat_amount", inside)
        unit, unit_decimal = both(tier, "unit_amount", inside)
        found.append(
            {
                "flat_amount": flat,
                "flat_amount_decimal": flat_decimal,
                "unit_amount": unit,
                "unit_amount_decimal": unit_decimal,
                "up_to": None if tier["up_to"] == "inf" else int(tier["up_to"]),
            }
        )
    if found[-1]["up_to"] is not None:
        raise ApiError(400, "The last tier must have `up_to` set to `inf`.", param=inside % "tiers", stored=False)
    return found
