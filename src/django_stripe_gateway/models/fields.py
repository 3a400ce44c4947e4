"""Columns that several models share."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.db import models

from django_stripe_gateway.money import DECIMAL_PLACES, MAX_DIGITS


class MoneyField(models.DecimalField):  # type: ignore[type-arg]
    """An amount in any currency that Stripe charges.

    Fifteen digits are also what SQLite keeps exactly.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("max_digits", MAX_DIGITS)
        kwargs.setdefault("decimal_places", DECIMAL_PLACES)
        super().__init__(*args, **kwargs)

    def deconstruct(self) -> Any:
        """Appear in migrations as the plain field, so that they do not depend on this class."""
        name, _path, args, kwargs = super().deconstruct()
        return name, "django.db.models.DecimalField", args, kwargs


ZERO = Decimal(0)
