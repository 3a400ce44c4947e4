"""Products, prices, customers and what belongs to them, of both API generations, as this app's frozen values.

Each reader raises ``ProviderError`` for an object that is half-formed.
"""

from __future__ import annotations

from decimal import Decimal

from django_stripe_gateway.exceptions import InvalidInput
from django_stripe_gateway.gateways.billing_values import (
    BillingCheckoutSnapshot,
    CustomerSnapshot,
    PaymentMethodSnapshot,
    SetupSnapshot,
)
from django_stripe_gateway.gateways.catalogue_values import PriceSnapshot, ProductSnapshot
from django_stripe_gateway.gateways.stripe.fields import (
    Object,
    amount_of,
    count_of,
    flag,
    metadata_of,
    object_id,
    optional_text,
    part,
    reads,
    text,
)
from django_stripe_gateway.gateways.subscription_values import PromotionCodeSnapshot
from django_stripe_gateway.money import from_minor_decimal


@reads("a product")
def product_snapshot(obj: Object) -> ProductSnapshot:
    """Return the snapshot of a Product."""
    return ProductSnapshot(
        product_id=text(obj["id"]),
        name=optional_text(obj.get("name")),
        is_active=_is_active(obj),
        description=optional_text(obj.get("description")),
        metadata=metadata_of(obj.get("metadata")),
        default_price_id=object_id(obj.get("default_price")),
    )


@reads("a price")
def price_snapshot(obj: Object) -> PriceSnapshot:
    """Return the snapshot of a Price, or of a Plan, which is what it was called before."""
    currency = text(obj["currency"])
    recurring = part(obj.get("recurring")) or obj
    usage_type = optional_text(recurring.get("usage_type")) or "licensed"
    return PriceSnapshot(
        price_id=text(obj["id"]),
        product_id=object_id(obj.get("product")),
        currency=currency.upper(),
        amount=unit_amount(obj, currency, is_metered=usage_type == "metered"),
        interval=optional_text(recurring.get("interval")),
        interval_count=count_of(recurring.get("interval_count"), 1),
        is_active=_is_active(obj),
        metadata=metadata_of(obj.get("metadata")),
        usage_type=usage_type,
        meter_id=object_id(recurring.get("meter")),
        lookup_key=optional_text(obj.get("lookup_key")),
    )


def unit_amount(obj: Object, currency: str, *, is_metered: bool) -> Decimal | None:
    """Return what one unit costs, ``None`` where a row could not say so."""
    if obj.get("billing_scheme") == "tiered" or obj.get("transform_quantity"):
        return None
    amount = obj.get("unit_amount", obj.get("amount"))
    exact = obj.get("unit_amount_decimal", obj.get("amount_decimal"))
    try:
        if amount is not None:
            return amount_of(amount, currency)
        return from_minor_decimal(text(exact), currency) if is_metered and exact is not None else None
    except (InvalidInput, ValueError):
        # In a currency that is not charged here, or too fine.
        return None


def _is_active(obj: Object) -> bool:
    # localstripe keeps what an update sent as the text it was sent in.
    return obj.get("active") not in (False, "false", "False")


@reads("a promotion code")
def promotion_code_snapshot(obj: Object) -> PromotionCodeSnapshot:
    """Return the snapshot of a PromotionCode; before 2025-09-30.clover it embedded its coupon."""
    coupon = part(obj.get("promotion")).get("coupon") or obj.get("coupon")
    return PromotionCodeSnapshot(
        promotion_code_id=text(obj["id"]),
        code=text(obj["code"]),
        is_active=_is_active(obj),
        coupon_id=object_id(coupon),
    )


@reads("a customer")
def customer_snapshot(obj: Object) -> CustomerSnapshot:
    """Return the snapshot of a Customer, or of what is left of a deleted one."""
    return CustomerSnapshot(
        customer_id=text(obj["id"]),
        is_deleted=obj.get("deleted") is True,
        livemode=flag(obj.get("livemode")),
        email=optional_text(obj.get("email")),
        name=optional_text(obj.get("name")),
        default_payment_method=charged_by_default(obj),
        metadata=metadata_of(obj.get("metadata")),
    )


def charged_by_default(obj: Object) -> str:
    """Return the id of what a Customer is charged on, empty if there is nothing."""
    # localstripe and old integrations know sources.
    return object_id(part(obj.get("invoice_settings")).get("default_payment_method") or obj.get("default_source"))


@reads("a payment method")
def payment_method_snapshot(obj: Object) -> PaymentMethodSnapshot:
    """Return the snapshot of a PaymentMethod: what may be shown of it."""
    kind = text(obj["type"])
    details = part(obj.get(kind))
    month, year = details.get("exp_month"), details.get("exp_year")
    return PaymentMethodSnapshot(
        payment_method_id=text(obj["id"]),
        kind=kind,
        brand=optional_text(details.get("brand") or details.get("bank_name")),
        last4=optional_text(details.get("last4")),
        exp_month=None if month is None else count_of(month, 0),
        exp_year=None if year is None else count_of(year, 0),
        customer_id=object_id(obj.get("customer")),
    )


@reads("a SetupIntent")
def setup_snapshot(obj: Object) -> SetupSnapshot:
    """Return the snapshot of a SetupIntent."""
    return SetupSnapshot(
        setup_id=text(obj["id"]),
        status=text(obj["status"]),
        client_secret=optional_text(obj.get("client_secret")),
        payment_method_id=object_id(obj.get("payment_method")),
        metadata=metadata_of(obj.get("metadata")),
    )


@reads("a Checkout Session")
def billing_checkout_snapshot(obj: Object) -> BillingCheckoutSnapshot:
    """Return the snapshot of a Checkout Session in subscription or setup mode."""
    return BillingCheckoutSnapshot(
        session_id=text(obj["id"]),
        status=text(obj["status"]),
        url=optional_text(obj.get("url")),
        subscription_id=object_id(obj.get("subscription")),
        customer_id=object_id(obj.get("customer")),
        metadata=metadata_of(obj.get("metadata")),
        client_secret=optional_text(obj.get("client_secret")) if obj["status"] == "open" else "",
    )


@reads("a page")
def page_url(obj: Object) -> str:
    """Return the address of a page that was made for a customer."""
    return text(obj["url"])
