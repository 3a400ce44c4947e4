"""Turn PayPal's refusals and lost connections into this app's exceptions: codes and debug ids, nothing private.

Sources: https://developer.paypal.com/api/rest/reference/orders/v2/errors/ and the errors of Payments v2 beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django_stripe_gateway.exceptions import (
    GatewayConfigurationError,
    GatewayError,
    PaymentDeclined,
    ProviderError,
    ProviderStateError,
    ProviderUnavailable,
)
from django_stripe_gateway.gateways.messages import readable_message

# The buyer, or what they pay with: they may go back to PayPal and choose something else.
DECLINES = frozenset(
    """
    CARD_CLOSED CARD_EXPIRED COMPLIANCE_VIOLATION INSTRUMENT_DECLINED MAX_NUMBER_OF_PAYMENT_ATTEMPTS_EXCEEDED
    PAYER_ACCOUNT_LOCKED_OR_CLOSED PAYER_ACCOUNT_RESTRICTED PAYER_ACTION_REQUIRED PAYER_CANNOT_PAY
    REDIRECT_PAYER_FOR_ALTERNATE_FUNDING TRANSACTION_BLOCKED_BY_PAYEE TRANSACTION_LIMIT_EXCEEDED TRANSACTION_REFUSED
    """.split()
)
ALREADY_DONE = frozenset({"ORDER_ALREADY_CAPTURED", "ORDER_ALREADY_AUTHORIZED", "ORDER_COMPLETED_OR_VOIDED"})
NOT_FOUND = "resource_not_found"
# The object is not in a state that allows it.
STATES = ALREADY_DONE | frozenset(
    """
    AUTHORIZATION_ALREADY_CAPTURED AUTHORIZATION_ALREADY_COMPLETED AUTHORIZATION_DENIED AUTHORIZATION_EXPIRED
    AUTHORIZATION_VOIDED AUTH_CAPTURE_CURRENCY_MISMATCH CANNOT_BE_VOIDED CAPTURE_DISPUTED_PARTIAL_REFUND_NOT_ALLOWED
    CAPTURE_FULLY_REFUNDED MAX_CAPTURE_AMOUNT_EXCEEDED MAX_CAPTURE_COUNT_EXCEEDED MAX_NUMBER_OF_REFUNDS_EXCEEDED
    ORDER_EXPIRED ORDER_NOT_APPROVED PARTIAL_REFUND_NOT_ALLOWED PENDING_CAPTURE PREVIOUSLY_CAPTURED PREVIOUSLY_VOIDED
    REFUND_AMOUNT_EXCEEDED REFUND_CAPTURE_CURRENCY_MISMATCH REFUND_NOT_ALLOWED REFUND_NOT_PERMITTED_DUE_TO_CHARGEBACK
    REFUND_TIME_LIMIT_EXCEEDED
    """.split()
)


def translate(status: int, answer: Any, debug_id: str) -> GatewayError:
    """Return this app's exception for a refusal.

    Args:
        answer: the body as JSON, ``None`` if it was none.
        debug_id: PayPal's id of the request, of which its support asks for.
    """
    body: Mapping[str, Any] = answer if isinstance(answer, Mapping) else {}
    request_id = _text(body.get("debug_id")) or debug_id
    issue, message = _issue(body)
    if status == 429:
        return ProviderUnavailable("PayPal is receiving too many requests. Try again.", request_id=request_id)
    if status == 409:
        return ProviderUnavailable("PayPal is still working on this request. Try again.", request_id=request_id)
    if status >= 500:
        # The same id brings what became of the request: https://developer.paypal.com/reference/guidelines/idempotency
        return ProviderUnavailable("PayPal failed. Try again.", request_id=request_id)
    if status < 400 or status == 408:
        return unreadable(request_id=request_id)
    if status == 401 or body.get("error") == "invalid_client":
        return GatewayConfigurationError(
            "PayPal does not accept the credentials. Check STRIPE_GATEWAY_PAYPAL_CLIENT_ID, "
            "STRIPE_GATEWAY_PAYPAL_CLIENT_SECRET, and whether STRIPE_GATEWAY_PAYPAL_SANDBOX fits them.",
            code="provider_authentication",
            request_id=request_id,
        )
    if status == 403:
        return GatewayConfigurationError(
            "PayPal does not allow this to the app whose credentials are used. Check its features and permissions.",
            code="provider_authentication",
            request_id=request_id,
        )
    if not issue:
        return ProviderError(
            f"The request was refused with HTTP status {status}, but not by PayPal. Check "
            "STRIPE_GATEWAY_PAYPAL_API_BASE and what stands between this server and PayPal.",
            request_id=request_id,
        )
    if status == 404:
        missing = ProviderError(message or "PayPal knows no such object.", code=NOT_FOUND, request_id=request_id)
        missing.is_missing = True
        return missing
    return _refusal(issue, message, request_id)


def unreadable(code: str = "malformed_object", **kwargs: Any) -> ProviderUnavailable:
    """Return the error for an answer that does not say what happened."""
    return ProviderUnavailable("PayPal's answer could not be read. Try again.", code=code, **kwargs)


def _refusal(issue: str, message: str, request_id: str) -> GatewayError:
    code = issue.lower()
    if issue in DECLINES:
        return PaymentDeclined(
            message or "PayPal declined the payment.", code=code, request_id=request_id, decline_code=code
        )
    message = message or "PayPal refused the request."
    if issue in STATES:
        return ProviderStateError(message, code=code, request_id=request_id)
    return ProviderError(message, code=code, request_id=request_id)


def _issue(body: Mapping[str, Any]) -> tuple[str, str]:
    """Return the code and the sentence of the first detail, or of the error as a whole."""
    details = body.get("details")
    first = details[0] if isinstance(details, list) and details else None
    if isinstance(first, Mapping) and _text(first.get("issue")):
        return _text(first["issue"]), readable_message(first.get("description") or body.get("message"))
    return _text(body.get("name") or body.get("error")), readable_message(body.get("message"))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
