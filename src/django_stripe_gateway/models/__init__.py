"""The app's models."""

from django_stripe_gateway.models.events import WebhookEvent
from django_stripe_gateway.models.gateways import PaymentGatewayConfig
from django_stripe_gateway.models.idempotency import IdempotencyKey
from django_stripe_gateway.models.logs import PaymentLog
from django_stripe_gateway.models.operations import PaymentOperation
from django_stripe_gateway.models.payments import AbstractPayment, Payment
from django_stripe_gateway.models.refunds import Refund

__all__ = [
    "AbstractPayment",
    "IdempotencyKey",
    "Payment",
    "PaymentGatewayConfig",
    "PaymentLog",
    "PaymentOperation",
    "Refund",
    "WebhookEvent",
]
