"""Columns that several models share."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.db import models
from django.db.models.expressions import BaseExpression

from django_stripe_gateway.choices import CaptureMethod
from django_stripe_gateway.conf import gateway_settings, split_variant
from django_stripe_gateway.money import DECIMAL_PLACES, MAX_DIGITS, UNIT_DECIMAL_PLACES, UNIT_MAX_DIGITS


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


class AuthorizedField(MoneyField):
    """What was authorised; a row stored with more captured than that gets what was captured.

    Whoever takes money at once, as most providers of django-payments do, never says what was authorised.
    """

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:
        """Raise it to what was captured, in bulk_create() too."""
        value = super().pre_save(model_instance, add)
        captured = getattr(model_instance, "captured_amount", None)
        if isinstance(captured, BaseExpression) or isinstance(value, BaseExpression) or captured is None:
            return value
        known, taken = (self.to_python(amount) or ZERO for amount in (value, captured))
        if taken > known:
            value = taken
            setattr(model_instance, self.attname, value)
        return value


class UnitAmountField(MoneyField):
    """What one unit costs, which may be finer than the currency where a use is measured."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("max_digits", UNIT_MAX_DIGITS)
        kwargs.setdefault("decimal_places", UNIT_DECIMAL_PLACES)
        super().__init__(*args, **kwargs)


class CaptureMethodField(models.CharField):  # type: ignore[type-arg]
    """When the money is taken; a row stored without it gets what its variant's ``capture`` option says."""

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:
        """Fill in the variant's capture method, in bulk_create() too."""
        value = super().pre_save(model_instance, add)
        if not value:
            platform = split_variant(getattr(model_instance, "variant", ""))[0]
            _provider, options = gateway_settings.variants.get(platform, ("", {}))
            is_manual = (options or {}).get("capture") is False
            value = CaptureMethod.MANUAL if is_manual else CaptureMethod.AUTOMATIC
            setattr(model_instance, self.attname, value)
        return value

    def deconstruct(self) -> Any:
        """Appear in migrations as the plain field, so that they do not depend on this class."""
        name, _path, args, kwargs = super().deconstruct()
        return name, "django.db.models.CharField", args, kwargs


ZERO = Decimal(0)
