"""The app's models, their querysets that hosts extend, and the values that hosts compare their columns with."""

from django_stripe_gateway.choices import (
    CaptureMethod,
    CreditNoteReason,
    CreditNoteStatus,
    FraudStatus,
    InvoiceStatus,
    LimitPeriod,
    LogSource,
    MailKind,
    MailState,
    PaymentStatus,
    PlanInterval,
    PriceUsage,
    RefundReason,
    RefundStatus,
    SubscriptionItemKind,
    SubscriptionStatus,
    UsageKind,
)
from django_stripe_gateway.models.allowances import LimitOverride, UsageGrant
from django_stripe_gateway.models.connected_accounts import ConnectedAccount
from django_stripe_gateway.models.customers import Customer
from django_stripe_gateway.models.disputes import Dispute
from django_stripe_gateway.models.gateways import PaymentGatewayConfig
from django_stripe_gateway.models.idempotency import IdempotencyKey
from django_stripe_gateway.models.invoice_refunds import CreditNote, InvoiceRefund
from django_stripe_gateway.models.invoices import Invoice
from django_stripe_gateway.models.logs import PaymentLog, SubscriptionLog
from django_stripe_gateway.models.mails import KnownCard, MailMessage
from django_stripe_gateway.models.meter_events import MeterEvent
from django_stripe_gateway.models.operations import (
    BillingOperation,
    CatalogueOperation,
    ConnectOperation,
    PaymentOperation,
)
from django_stripe_gateway.models.payment_fees import PaymentFees
from django_stripe_gateway.models.payment_querysets import PaymentQuerySet
from django_stripe_gateway.models.payments import AbstractPayment, Payment, get_payment_model
from django_stripe_gateway.models.plans import Plan, PlanLimit, PlanPricing
from django_stripe_gateway.models.provider_accounts import ProviderAccount
from django_stripe_gateway.models.refunds import Refund
from django_stripe_gateway.models.subscription_items import SubscriptionItem
from django_stripe_gateway.models.subscriptions import Subscription
from django_stripe_gateway.models.unexpected import UnexpectedPayment
from django_stripe_gateway.models.usage import UsageCounter, UsageRecord, UsageRecordQuerySet, UsageReservation
from django_stripe_gateway.models.webhook_events import WebhookEvent

__all__ = [
    "AbstractPayment",
    "BillingOperation",
    "CaptureMethod",
    "CatalogueOperation",
    "ConnectOperation",
    "ConnectedAccount",
    "CreditNote",
    "CreditNoteReason",
    "CreditNoteStatus",
    "Customer",
    "Dispute",
    "FraudStatus",
    "IdempotencyKey",
    "Invoice",
    "InvoiceRefund",
    "InvoiceStatus",
    "KnownCard",
    "LimitOverride",
    "LimitPeriod",
    "LogSource",
    "MailKind",
    "MailMessage",
    "MailState",
    "MeterEvent",
    "Payment",
    "PaymentFees",
    "PaymentGatewayConfig",
    "PaymentLog",
    "PaymentOperation",
    "PaymentQuerySet",
    "PaymentStatus",
    "Plan",
    "PlanInterval",
    "PlanLimit",
    "PlanPricing",
    "PriceUsage",
    "ProviderAccount",
    "Refund",
    "RefundReason",
    "RefundStatus",
    "Subscription",
    "SubscriptionItem",
    "SubscriptionItemKind",
    "SubscriptionLog",
    "SubscriptionStatus",
    "UnexpectedPayment",
    "UsageCounter",
    "UsageGrant",
    "UsageKind",
    "UsageRecord",
    "UsageRecordQuerySet",
    "UsageReservation",
    "WebhookEvent",
    "get_payment_model",
]
