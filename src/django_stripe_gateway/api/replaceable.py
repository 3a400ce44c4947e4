"""Serializers that a host project can replace through ``STRIPE_GATEWAY_SERIALIZERS``.

The names are those of the classes without their ending: ``Gateway``, ``Payment``, ``Refund``, ``PaymentLog``,
``CreatePayment``, ``CapturePayment``, ``ConfirmPayment``, ``RefundPayment``, ``PaymentFilter``. A replacement is best a
subclass; what a replaced ``CreatePayment`` validates beyond the fields known here goes to the host's own payment model.
"""

from __future__ import annotations

from typing import Any

from django.utils.module_loading import import_string
from rest_framework.serializers import BaseSerializer

from django_stripe_gateway.conf import gateway_settings


def serializer_name(default: type[BaseSerializer[Any]]) -> str:
    """Return the name by which the settings replace ``default``."""
    return default.__name__.removesuffix("Serializer")


def serializer_class(default: type[BaseSerializer[Any]]) -> type[BaseSerializer[Any]]:
    """Return the host's replacement of ``default``, or ``default``."""
    path = gateway_settings.serializers.get(serializer_name(default))
    if not path:
        return default
    replacement: type[BaseSerializer[Any]] = import_string(path)
    return replacement
