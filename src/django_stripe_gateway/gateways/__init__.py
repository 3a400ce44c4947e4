"""How providers are called: plain values in, frozen results out."""

from django_stripe_gateway.gateways.base import (
    DisputeSnapshot,
    Failure,
    Gateway,
    LineItem,
    PaymentRef,
    PaymentRequest,
    PaymentSnapshot,
    ProviderStatus,
    RefundSnapshot,
)
from django_stripe_gateway.gateways.registry import get_gateway

__all__ = [
    "DisputeSnapshot",
    "Failure",
    "Gateway",
    "LineItem",
    "PaymentRef",
    "PaymentRequest",
    "PaymentSnapshot",
    "ProviderStatus",
    "RefundSnapshot",
    "get_gateway",
]
