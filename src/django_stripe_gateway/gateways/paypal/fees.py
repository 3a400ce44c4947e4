"""What PayPal keeps: the breakdowns of captures and refunds."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from django_stripe_gateway.exceptions import ProviderError
from django_stripe_gateway.gateways.fee_values import FeeDetail, FeesSnapshot, RefundFees
from django_stripe_gateway.gateways.paypal.money import read_amount
from django_stripe_gateway.gateways.paypal.objects import READING_ERRORS, payments_of

TAKEN = ("COMPLETED", "PARTIALLY_REFUNDED", "REFUNDED")
RATE = Decimal("1e-9")
CENT = Decimal("0.01")


def order_fees(order: Mapping[str, Any], *, with_refunds: bool) -> FeesSnapshot | None:
    """Return how an order's captures were booked; ``None`` while PayPal does not say.

    Raises:
        ProviderError: the order is half-formed.
    """
    try:
        return _fees(order, with_refunds=with_refunds)
    except READING_ERRORS as error:
        name = type(error).__name__
    raise ProviderError(f"PayPal sent fees that cannot be read ({name}).", code="malformed_object")


def _fees(order: Mapping[str, Any], *, with_refunds: bool) -> FeesSnapshot | None:
    captures = [capture for capture in payments_of(order, "captures") if capture.get("status") in TAKEN]
    parts = [capture.get("seller_receivable_breakdown") or {} for capture in captures]
    if not parts or any("net_amount" not in part for part in parts):
        return None
    gross, fee, net = Decimal(0), Decimal(0), Decimal(0)
    currency, details = "", []
    for part in parts:
        left, currency = read_amount(part["net_amount"])
        shares = [("paypal_fee", part.get("paypal_fee"))]
        shares += [("platform_fee", platform["amount"]) for platform in part.get("platform_fees") or ()]
        taken = [FeeDetail(kind, *read_amount(share)) for kind, share in shares if share]
        details += taken
        gross += read_amount(part["gross_amount"])[0]
        fee += sum((detail.amount for detail in taken), Decimal(0))
        net += left
    refunds = _refunds(order) if with_refunds else None
    received = parts[0].get("receivable_amount")
    if len(parts) == 1 and received and read_amount(received)[1] != currency:
        # The net is exchanged into the account's currency, the fee was taken before that.
        total, currency = read_amount(received)
        rate = Decimal(parts[0]["exchange_rate"]["value"]).quantize(RATE)
        fee = (fee * rate).quantize(CENT)
        return FeesSnapshot(currency, total + fee, fee, total, exchange_rate=rate, details=tuple(details))
    return FeesSnapshot(currency, gross, fee, net, details=tuple(details), refunds=refunds)


def _refunds(order: Mapping[str, Any]) -> RefundFees | None:
    fee, net = Decimal(0), Decimal(0)
    for refund in payments_of(order, "refunds"):
        if refund.get("status") in ("FAILED", "CANCELLED"):
            continue
        part = refund.get("seller_payable_breakdown") or {}
        if "net_amount" not in part:
            return None
        net -= read_amount(part["net_amount"])[0]
        fee -= read_amount(part["paypal_fee"])[0] if part.get("paypal_fee") else Decimal(0)
    return RefundFees(fee, net)
