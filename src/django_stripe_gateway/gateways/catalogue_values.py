"""What crosses the interface about what is sold: products and their prices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any


@dataclass(frozen=True, slots=True)
class ProductRequest:
    """What a customer buys; an update leaves the default price as it is unless one is given."""

    name: str
    description: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    default_price_id: str = ""
    further: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PriceRequest:
    """What it costs; ``amount`` is in the currency's units for each ``interval_count`` intervals.

    Args:
        amount: of one unit, finer than the currency where the use is measured.
        usage_type: "licensed" is multiplied by a quantity, "metered" by what the meter ``meter_id`` has counted.
        lookup_key: another name of the price; an account has one price of this name.
        transfer_lookup_key: take that name from the price that has it.
    """

    product_id: str
    amount: Decimal
    currency: str
    interval: str
    interval_count: int = 1
    nickname: str = ""
    usage_type: str = "licensed"
    meter_id: str = ""
    lookup_key: str = ""
    transfer_lookup_key: bool = False
    metadata: Mapping[str, str] = field(default_factory=dict)
    further: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ProductSnapshot:
    """A product as its provider sees it."""

    product_id: str
    name: str
    is_active: bool = True
    description: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    default_price_id: str = ""


@dataclass(frozen=True, slots=True)
class PriceSnapshot:
    """A price (or a legacy plan).

    Args:
        amount: of one unit, finer than the currency for what is metered; ``None`` where there is no single one.
        usage_type: "licensed" or "metered"; ``meter_id`` what counts then, if anything does.
    """

    price_id: str
    product_id: str
    currency: str
    amount: Decimal | None
    interval: str = ""
    interval_count: int = 1
    is_active: bool = True
    metadata: Mapping[str, str] = field(default_factory=dict)
    usage_type: str = "licensed"
    meter_id: str = ""
    lookup_key: str = ""
