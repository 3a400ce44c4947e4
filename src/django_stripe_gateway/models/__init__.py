"""The app's models."""

from django_stripe_gateway.models.allowances import LimitOverride, UsageGrant
from django_stripe_gateway.models.customers import Customer
from django_stripe_gateway.models.gateways import PaymentGatewayConfig
from django_stripe_gateway.models.idempotency import IdempotencyKey
from django_stripe_gateway.models.invoices import Invoice
from django_stripe_gateway.models.logs import PaymentLog, SubscriptionLog
from django_stripe_gateway.models.meter_events import MeterEvent
from django_stripe_gateway.models.operations import BillingOperation, PaymentOperation
from django_stripe_gateway.models.payments import AbstractPayment, Payment, get_payment_model
from django_stripe_gateway.models.plans import Plan, PlanLimit, PlanPricing
from django_stripe_gateway.models.refunds import Refund
from django_stripe_gateway.models.subscriptions import Subscription
from django_stripe_gateway.models.usage import UsageCounter, UsageRecord, UsageReservation
from django_stripe_gateway.models.webhook_events import WebhookEvent

__all__ = [
    "AbstractPayment",
    "BillingOperation",
    "Customer",
    "IdempotencyKey",
    "Invoice",
    "LimitOverride",
    "MeterEvent",
    "Payment",
    "PaymentGatewayConfig",
    "PaymentLog",
    "PaymentOperation",
    "Plan",
    "PlanLimit",
    "PlanPricing",
    "Refund",
    "Subscription",
    "SubscriptionLog",
    "UsageCounter",
    "UsageGrant",
    "UsageRecord",
    "UsageReservation",
    "WebhookEvent",
    "get_payment_model",
]
