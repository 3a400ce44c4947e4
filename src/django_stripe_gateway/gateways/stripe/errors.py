"""Turn the SDK's answers and exceptions into this app's: plain values, codes and request ids, and nothing private."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from django_stripe_gateway.exceptions import (
    GatewayConfigurationError,
    GatewayError,
    InvalidAmount,
    InvalidInput,
    PaymentDeclined,
    ProviderError,
    ProviderStateError,
    ProviderUnavailable,
)
from django_stripe_gateway.gateways.messages import readable_message
from django_stripe_gateway.gateways.sessions import connection_failure
from django_stripe_gateway.gateways.stripe.fields import object_id

if TYPE_CHECKING:
    from stripe import StripeError

logger = logging.getLogger(__name__)

# https://docs.stripe.com/error-codes: refusals that only mean "not in this state".
STATE_CODES = frozenset(
    {
        "capture_charge_authorization_expired",
        "capture_unauthorized_payment",
        "charge_already_captured",
        "charge_already_refunded",
        "charge_disputed",
        "charge_expired_for_capture",
        "charge_not_refundable",
        "customer_max_subscriptions",
        "intent_invalid_state",
        "invoice_already_paid",
        "invoice_not_editable",
        "invoice_upcoming_none",
        "payment_intent_unexpected_state",
        "refund_disputed_payment",
    }
)
# Of a capture or refund: more than is left. Of a new payment: more than Stripe charges at all.
AMOUNT_TOO_LARGE = "amount_too_large"
# Stripe did nothing and says that the same request may be sent again.
BUSY_CODES = frozenset({"lock_timeout", "rate_limit"})
REQUEST_TIMEOUT = 408
MISSING = "resource_missing"
# A seller's account that is none of this platform's, or not any more.
ACCOUNT_INVALID = "account_invalid"
# The item of a subscription that a change names: "items[0][id]", in a preview "subscription_details[items][0][id]".
ITEM_PARAM = re.compile(r"\bitems\]?\[\d+\]\[id\]\Z")
# What localstripe says, without a code, of an object that it does not know.
LOCALSTRIPE_MISSING = "Not Found"
# Stripe's and localstripe's sentences about a customer with nothing to charge; neither has a code of its own for it.
NO_PAYMENT_METHOD = ("no attached payment source", "has no payment method")
# What the customer entered, by the field that it was entered in.
INPUT_CODES = {
    "coupon_applies_to_nothing": "promotion_code",
    "coupon_expired": "promotion_code",
    "customer_tax_location_invalid": "address",
    "email_invalid": "email",
}
AMOUNT_CODES = frozenset({"amount_too_large", "amount_too_small"})
# Stripe has no code for prices that do not go together: of one subscription in classic billing mode, of one customer;
# nor for one that was archived, with its product or without, since its page was shown.
PRICE_SENTENCES = {
    "must have the same interval": "other_interval",
    "cannot combine currencies": "other_currency",
    "does not match the customer currency": "other_currency",
    "doesn't match the expected currency": "other_currency",
    "price specified is inactive": "not_for_sale",
    "its product is not active": "not_for_sale",
}
# What lowers a price: "discounts[0][promotion_code]", "coupon", "subscription_data[coupon]". Of a code that is for
# first orders, for others, for other products or for larger amounts Stripe says so in a sentence alone.
DISCOUNT_PARAM = re.compile(r"\bdiscounts\b|\bcoupon\b|\bpromotion_code\b")
REFUSED_DISCOUNT = "cannot be redeemed"
# When a Checkout Session closes; Stripe has no code for a moment that does not fit.
CLOSING_PARAM = "expires_at"
# Of an invoice, an intent, and of a subscription.
METHOD_PARAMS = ("payment_method", "default_payment_method")


def unreadable(code: str = "malformed_object", **kwargs: Any) -> ProviderUnavailable:
    """Return the error for an answer that does not say what happened."""
    return ProviderUnavailable("Stripe's answer could not be read. Try again.", code=code, **kwargs)


def translate(error: StripeError, *, about_state: bool = False) -> GatewayError:
    """Return this app's exception for ``error``; for ``about_state`` see ``calls.ask``."""
    import stripe  # noqa: PLC0415

    status = error.http_status or 0
    request_id = error.request_id or ""
    if isinstance(error, stripe.APIConnectionError):
        return connection_failure(error.__cause__ or error.__context__, "Stripe", "STRIPE_GATEWAY_API_BASE")
    # Stripe's own sentences about keys repeat a part of the key.
    details = _details(error)
    code = str((details or {}).get("code") or error.code or "")
    if code == ACCOUNT_INVALID:
        return GatewayConfigurationError(
            "The connected account does not exist, or has taken the platform's rights away.",
            code=ACCOUNT_INVALID,
            request_id=request_id,
        )
    if isinstance(error, stripe.PermissionError):
        forbidden = GatewayConfigurationError(
            "The API key has no permission for this request. Give it to the restricted key in Stripe's Dashboard, or "
            "set another key in STRIPE_GATEWAY_API_KEY.",
            code="provider_authentication",
            request_id=request_id,
        )
        forbidden.lacks_permission = True
        return forbidden
    if isinstance(error, stripe.AuthenticationError):
        return GatewayConfigurationError(
            "Stripe does not accept the API key. Check STRIPE_GATEWAY_API_KEY.",
            code="provider_authentication",
            request_id=request_id,
        )
    if isinstance(error, stripe.RateLimitError) or code in BUSY_CODES:
        busy = ProviderUnavailable("Stripe is receiving too many requests. Try again.", request_id=request_id)
        busy.retry_after = _seconds_of(error.headers)
        return busy
    if isinstance(error, stripe.IdempotencyError) or code == "idempotency_key_in_use":
        return ProviderUnavailable(
            "Stripe is still working on this request. Try again.", request_id=request_id, replayable=status == 409
        )
    if status >= 500:
        return ProviderUnavailable("Stripe failed. Try again.", request_id=request_id, replayable=False)
    if status < 400 or status == REQUEST_TIMEOUT:
        # Something between Stripe and us answered; the same key still brings Stripe's own answer.
        return unreadable(request_id=request_id)
    if details is None:
        logger.error(
            "A request to Stripe was refused with HTTP status %s, but not by Stripe. Check STRIPE_GATEWAY_API_BASE and "
            "what stands between this server and Stripe.",
            status,
        )
        # Who answered does not know what Stripe did with an earlier try of the SDK's.
        return ProviderUnavailable(
            f"The request was refused with HTTP status {status}, but not by Stripe.",
            code="provider_error",
            request_id=request_id,
        )
    refusal = _refusal(details, code, request_id, status, about_state=about_state)
    if isinstance(refusal, ProviderError) and details.get("param") == CLOSING_PARAM:
        refusal.provider_time = _time_of(error.headers)
    return refusal


def _refusal(
    details: Mapping[str, Any], code: str, request_id: str, status: int, *, about_state: bool
) -> ProviderError | PaymentDeclined | InvalidInput:
    message = readable_message(details.get("message"))
    # localstripe calls its declines invalid requests.
    if details.get("type") == "card_error" or code == "card_declined":
        declined = PaymentDeclined(
            message or "The card was declined.",
            code=code or "card_declined",
            request_id=request_id,
            decline_code=str(details.get("decline_code") or code or "card_declined"),
        )
        declined.intent_id = object_id(details.get("payment_intent"))
        return declined
    message = message or "Stripe refused the request."
    if not about_state and code in AMOUNT_CODES:
        return InvalidAmount(message, code=code, field="amount", request_id=request_id)
    if any(sentence in message for sentence in NO_PAYMENT_METHOD):
        return PaymentDeclined(
            "The customer has no payment method. Add one first.", code="payment_method_missing", request_id=request_id
        )
    if code in INPUT_CODES:
        return InvalidInput(message, code=code, field=INPUT_CODES[code], request_id=request_id)
    for sentence, of_price in PRICE_SENTENCES.items():
        if sentence in message:
            return InvalidInput(message, code=of_price, field="pricing_id", request_id=request_id)
    if REFUSED_DISCOUNT in message or DISCOUNT_PARAM.search(str(details.get("param") or "")):
        # Stripe's "resource_missing" is about no object of ours that others must hear of.
        if code in ("", MISSING):
            return InvalidInput(message, code="promotion_code_refused", field="promotion_code", request_id=request_id)
        return InvalidInput(message, code=code, field="promotion_code", request_id=request_id)
    if details.get("param") in METHOD_PARAMS:
        return InvalidInput(message, code=code, field="payment_method", request_id=request_id)
    if code == MISSING and ITEM_PARAM.search(str(details.get("param"))):
        # It was replaced or removed at Stripe meanwhile.
        sentence = "The subscription is charged something else by now. Ask again."
        return ProviderStateError(sentence, code="other_items", request_id=request_id)
    if code in STATE_CODES or (about_state and code in ("", AMOUNT_TOO_LARGE)):
        return ProviderStateError(message, code=code, request_id=request_id)
    refused = ProviderError(message, code=code, request_id=request_id)
    # localstripe sends no code. A 404 alone says as much of an address that is wrong.
    refused.is_missing = code == MISSING or (status == 404 and message == LOCALSTRIPE_MISSING)
    return refused


def _seconds_of(headers: Any) -> float:
    """Return for how long Retry-After asks to wait, 0 where it does not say in seconds."""
    said = _header(headers, "retry-after")
    return float(said) if said.isdecimal() else 0


def _time_of(headers: Any) -> datetime | None:
    """Return the moment at which an answer was given, by the clock of who gave it."""
    try:
        return parsedate_to_datetime(_header(headers, "date"))
    except ValueError:
        return None


def _header(headers: Any, wanted: str) -> str:
    return str(next((value for name, value in dict(headers or {}).items() if str(name).lower() == wanted), ""))


def _details(error: StripeError) -> Mapping[str, Any] | None:
    """Return the ``error`` object of Stripe's answer; ``None`` if that was none of Stripe's."""
    body = error.json_body
    details = body.get("error") if isinstance(body, Mapping) else None
    return details if isinstance(details, Mapping) else None
