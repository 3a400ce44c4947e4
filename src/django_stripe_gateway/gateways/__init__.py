"""How providers are called: plain values in, frozen results out.

What a host's own gateway, and the distribution of another provider, is written with: the interfaces ``Gateway``,
``BillingGateway``, ``MeterGateway`` and ``AccountReader``, the values that cross them, and ``Provider``, which one call
of ``register_provider`` makes known.
"""

from django_stripe_gateway.accounts import Account
from django_stripe_gateway.gateways.account_reading import AccountReader, ListedPayment, Unreadable
from django_stripe_gateway.gateways.base import Gateway
from django_stripe_gateway.gateways.billing import BillingGateway
from django_stripe_gateway.gateways.billing_values import (
    BillingCheckoutSnapshot,
    CustomerRequest,
    CustomerSnapshot,
    InvoiceLine,
    InvoiceSnapshot,
    ItemChange,
    ItemRequest,
    PaymentMethodSnapshot,
    SetupCheckoutRequest,
    SetupSnapshot,
    SubscriptionChange,
    SubscriptionCheckoutRequest,
    SubscriptionItemSnapshot,
    SubscriptionRequest,
    SubscriptionSnapshot,
)
from django_stripe_gateway.gateways.catalogue_values import PriceRequest, PriceSnapshot, ProductRequest, ProductSnapshot
from django_stripe_gateway.gateways.fee_values import FeeDetail, FeesSnapshot, RefundFees
from django_stripe_gateway.gateways.metering import Meter, MeterEventRequest, MeterGateway
from django_stripe_gateway.gateways.provider import Provider, ProviderChecks
from django_stripe_gateway.gateways.registry import (
    get_billing_gateway,
    get_gateway,
    get_meters,
    is_supported_variant,
    register_provider,
)
from django_stripe_gateway.gateways.schedule_values import PhaseItem, ScheduledChange, SchedulePhase, ScheduleSnapshot
from django_stripe_gateway.gateways.subscription_values import PromotionCodeSnapshot
from django_stripe_gateway.gateways.values import (
    Breakdown,
    DisputeSnapshot,
    Failure,
    LineItem,
    PaidWith,
    PaymentRef,
    PaymentRequest,
    PaymentSnapshot,
    ProviderStatus,
    RefundSnapshot,
    TransferTerms,
)

__all__ = [
    "Account",
    "AccountReader",
    "BillingCheckoutSnapshot",
    "BillingGateway",
    "Breakdown",
    "CustomerRequest",
    "CustomerSnapshot",
    "DisputeSnapshot",
    "Failure",
    "FeeDetail",
    "FeesSnapshot",
    "Gateway",
    "InvoiceLine",
    "InvoiceSnapshot",
    "ItemChange",
    "ItemRequest",
    "LineItem",
    "ListedPayment",
    "Meter",
    "MeterEventRequest",
    "MeterGateway",
    "PaidWith",
    "PaymentMethodSnapshot",
    "PaymentRef",
    "PaymentRequest",
    "PaymentSnapshot",
    "PhaseItem",
    "PriceRequest",
    "PriceSnapshot",
    "ProductRequest",
    "ProductSnapshot",
    "PromotionCodeSnapshot",
    "Provider",
    "ProviderChecks",
    "ProviderStatus",
    "RefundFees",
    "RefundSnapshot",
    "SchedulePhase",
    "ScheduleSnapshot",
    "ScheduledChange",
    "SetupCheckoutRequest",
    "SetupSnapshot",
    "SubscriptionChange",
    "SubscriptionCheckoutRequest",
    "SubscriptionItemSnapshot",
    "SubscriptionRequest",
    "SubscriptionSnapshot",
    "TransferTerms",
    "Unreadable",
    "get_billing_gateway",
    "get_gateway",
    "get_meters",
    "is_supported_variant",
    "register_provider",
]
