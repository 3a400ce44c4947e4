"""The admin. Subclass ``PaymentAdmin`` (or mix in ``PaymentAdminMixin``) for a payment model of your own."""

from __future__ import annotations

from django_stripe_gateway.admin.base.registration import register_payment_admin
from django_stripe_gateway.admin.connected_accounts import ConnectedAccountAdmin
from django_stripe_gateway.admin.customers import CustomerAdmin
from django_stripe_gateway.admin.gateways import PaymentGatewayConfigAdmin
from django_stripe_gateway.admin.given_back import CreditNoteAdmin, DisputeAdmin, DisputeInline, InvoiceRefundAdmin
from django_stripe_gateway.admin.invoices import InvoiceAdmin
from django_stripe_gateway.admin.logs import PaymentLogAdmin, PaymentLogInline
from django_stripe_gateway.admin.mails import MailMessageAdmin
from django_stripe_gateway.admin.operations import (
    BillingOperationAdmin,
    CatalogueOperationAdmin,
    ConnectOperationAdmin,
    OperationInline,
    PaymentOperationAdmin,
)
from django_stripe_gateway.admin.payments import PaymentAdmin, PaymentAdminMixin
from django_stripe_gateway.admin.plans import PlanAdmin, PlanLimitInline, PlanPricingInline
from django_stripe_gateway.admin.refunds import RefundAdmin, RefundInline
from django_stripe_gateway.admin.subscriptions import SubscriptionAdmin
from django_stripe_gateway.admin.unexpected import UnexpectedPaymentAdmin
from django_stripe_gateway.admin.usage import (
    LimitOverrideAdmin,
    MeterEventAdmin,
    UsageCounterAdmin,
    UsageGrantAdmin,
    UsageRecordAdmin,
    UsageReservationAdmin,
)
from django_stripe_gateway.admin.webhook_events import WebhookEventAdmin

__all__ = [
    "BillingOperationAdmin",
    "CatalogueOperationAdmin",
    "ConnectOperationAdmin",
    "ConnectedAccountAdmin",
    "CreditNoteAdmin",
    "CustomerAdmin",
    "DisputeAdmin",
    "DisputeInline",
    "InvoiceAdmin",
    "InvoiceRefundAdmin",
    "LimitOverrideAdmin",
    "MailMessageAdmin",
    "MeterEventAdmin",
    "OperationInline",
    "PaymentAdmin",
    "PaymentAdminMixin",
    "PaymentGatewayConfigAdmin",
    "PaymentLogAdmin",
    "PaymentLogInline",
    "PaymentOperationAdmin",
    "PlanAdmin",
    "PlanLimitInline",
    "PlanPricingInline",
    "RefundAdmin",
    "RefundInline",
    "SubscriptionAdmin",
    "UnexpectedPaymentAdmin",
    "UsageCounterAdmin",
    "UsageGrantAdmin",
    "UsageRecordAdmin",
    "UsageReservationAdmin",
    "WebhookEventAdmin",
]

# Last, because a host's admin module that it imports subclasses what stands above.
register_payment_admin(PaymentAdmin)
