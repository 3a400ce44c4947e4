"""Stands in for the model that readers keep their orders in."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any


class Orders:
    """The manager, with as much of Django's as the examples use."""

    def __init__(self) -> None:
        self.rows: list[Any] = []

    def add(self, **fields: Any) -> Any:
        """Place an order that nobody has paid."""
        order = SimpleNamespace(**{"is_paid": False, "fulfilled": None, "save": lambda **kwargs: None} | fields)
        self.rows.append(order)
        return order

    def select_for_update(self) -> Orders:
        """Lock nothing."""
        return self

    def filter(self, **wanted: Any) -> Any:
        """Return the orders whose fields are these."""
        found = [row for row in self.rows if all(getattr(row, key) == value for key, value in wanted.items())]
        return SimpleNamespace(first=lambda: next(iter(found), None))


def order_model() -> Any:
    """Return a model without orders."""
    return type("Order", (), {"objects": Orders()})
