"""Whether the database holds what must be true of payments' money."""

from __future__ import annotations

from typing import Any

from django.core.checks import CheckMessage
from django.core.exceptions import ImproperlyConfigured

from django_stripe_gateway.checks.messages import warning
from django_stripe_gateway.models import get_payment_model


def check_money_constraint(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Warn where a host's payment model has a ``Meta`` of its own that has lost the constraint."""
    try:
        model = get_payment_model()
    except (ImproperlyConfigured, LookupError, TypeError, ValueError):
        # Another check says so.
        return []
    table = next((one for one in model.__mro__ if _has_column(one)), model)
    options = table._meta
    name = f"{options.app_label.lower()}_{table.__name__.lower()}_money"
    if any(constraint.name == name for constraint in options.constraints):
        return []
    return [
        warning(
            "040",
            f"{options.label} has lost the constraint {name} of AbstractPayment: the database would not notice more "
            "refunded than captured, or more captured than authorised.",
            "Let its Meta extend AbstractPayment.Meta, add constraints of your own to those that it has, and "
            "run makemigrations.",
        )
    ]


def _has_column(model: Any) -> bool:
    """Return whether the column stands in the model's own table: of a subclass with a table of its own it does not."""
    options = getattr(model, "_meta", None)
    return options is not None and any(field.name == "captured_amount" for field in options.local_fields)
