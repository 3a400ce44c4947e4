"""Turn the SDK's answers and exceptions into this app's: plain values, codes and request ids, and nothing private."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from django_stripe_gateway.exceptions import (
    GatewayConfigurationError,
    GatewayError,
    InvalidAmount,
    InvalidInput,
    PaymentDeclined,
    ProviderError,
    ProviderStateError,
    ProviderTimeout,
    ProviderUnavailable,
)
from django_stripe_gateway.gateways.stripe.client import http_attempts
from django_stripe_gateway.gateways.stripe.messages import readable_message
from django_stripe_gateway.gateways.stripe.payment_objects import object_id, plain

if TYPE_CHECKING:
    from stripe import StripeError

logger = logging.getLogger(__name__)

Value = TypeVar("Value")

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
        "intent_invalid_state",
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
# Stripe's and localstripe's sentences about a customer with nothing to charge; neither has a code of its own for it.
NO_PAYMENT_METHOD = ("no attached payment source", "has no payment method")
# What the customer entered, by the field that it was entered in.
INPUT_CODES = {
    "coupon_expired": "promotion_code",
    "customer_tax_location_invalid": "address",
    "email_invalid": "email",
}
AMOUNT_CODES = frozenset({"amount_too_large", "amount_too_small"})


def ask(call: Callable[[], Any], read: Callable[[Mapping[str, Any]], Value], *, about_state: bool = False) -> Value:
    """Make one call of the SDK and return what ``read`` makes of the answer.

    Args:
        about_state: the request names nothing but an object of ours and an amount, so that a refusal for which Stripe
            has no code ("Refund amount is greater than unrefunded amount") is about the object's state.

    Raises:
        GatewayError: see ``translate``. ``ProviderUnavailable`` also for an answer that cannot be read: it came after
            Stripe may have acted. The SDK's exception is not chained: it holds the request, and the key's last digits.
    """
    import stripe  # noqa: PLC0415

    failure: GatewayError
    http_attempts.set(0)
    try:
        return read(plain(call()))
    except stripe.StripeError as error:
        failure = translate(error, about_state=about_state)
        if isinstance(failure, GatewayConfigurationError):
            failure.may_have_acted = http_attempts.get() > 1
    except ProviderError as error:
        failure = unreadable(error.code)
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        # What the SDK itself trips over when the answer is JSON but nothing of Stripe's.
        logger.warning("Stripe's answer could not be read: %s.", type(error).__name__)
        failure = unreadable()
    raise failure


def unreadable(code: str = "malformed_object", **kwargs: Any) -> ProviderUnavailable:
    """Return the error for an answer from which nobody can tell what happened."""
    return ProviderUnavailable("Stripe's answer could not be read. Try again.", code=code, **kwargs)


def translate(error: StripeError, *, about_state: bool = False) -> GatewayError:
    """Return this app's exception for ``error``; for ``about_state`` see ``ask``."""
    import stripe  # noqa: PLC0415

    status = error.http_status or 0
    request_id = error.request_id or ""
    if isinstance(error, stripe.APIConnectionError):
        return _connection_failure(error)
    # Stripe's own sentences about keys repeat a part of the key.
    if isinstance(error, stripe.PermissionError):
        return GatewayConfigurationError(
            "The API key has no permission for this request. Give it to the restricted key in Stripe's Dashboard, or "
            "set another key in STRIPE_GATEWAY_API_KEY.",
            code="provider_authentication",
            request_id=request_id,
        )
    if isinstance(error, stripe.AuthenticationError):
        return GatewayConfigurationError(
            "Stripe does not accept the API key. Check STRIPE_GATEWAY_API_KEY.",
            code="provider_authentication",
            request_id=request_id,
        )
    details = _details(error)
    code = str((details or {}).get("code") or error.code or "")
    if isinstance(error, stripe.RateLimitError) or code in BUSY_CODES:
        return ProviderUnavailable("Stripe is receiving too many requests. Try again.", request_id=request_id)
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
        # Who answered cannot tell what Stripe did with an earlier try of the SDK's.
        return ProviderUnavailable(
            f"The request was refused with HTTP status {status}, but not by Stripe.",
            code="provider_error",
            request_id=request_id,
        )
    return _refusal(details, code, request_id, status, about_state=about_state)


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
    if details.get("param") == "payment_method":
        return InvalidInput(message, code=code, field="payment_method", request_id=request_id)
    if code in STATE_CODES or (about_state and code in ("", AMOUNT_TOO_LARGE)):
        return ProviderStateError(message, code=code, request_id=request_id)
    refused = ProviderError(message, code=code, request_id=request_id)
    # localstripe sends no code.
    refused.is_missing = code == "resource_missing" or status == 404
    return refused


def _details(error: StripeError) -> Mapping[str, Any] | None:
    """Return the ``error`` object of Stripe's answer; ``None`` if that was none of Stripe's."""
    body = error.json_body
    details = body.get("error") if isinstance(body, Mapping) else None
    return details if isinstance(details, Mapping) else None


def _connection_failure(error: StripeError) -> GatewayError:
    import requests  # noqa: PLC0415
    from urllib3.exceptions import ReadTimeoutError  # noqa: PLC0415

    causes = list(_causes(error))
    logger.warning("Stripe could not be reached: %s.", ", ".join(type(cause).__name__ for cause in causes))
    if any(isinstance(cause, requests.exceptions.Timeout | ReadTimeoutError | TimeoutError) for cause in causes):
        return ProviderTimeout("Stripe did not answer in time. Try again.")
    if isinstance(error.__cause__, requests.exceptions.MissingSchema | requests.exceptions.InvalidSchema):
        return GatewayConfigurationError(
            "The address of the Stripe API is not an http or https URL. Check STRIPE_GATEWAY_API_BASE."
        )
    if isinstance(error.__cause__, requests.exceptions.TooManyRedirects):
        return ProviderUnavailable(
            "The Stripe API answered with a redirect, which is not followed. Check STRIPE_GATEWAY_API_BASE."
        )
    if isinstance(error.__cause__, requests.exceptions.SSLError):
        return ProviderUnavailable("The certificate of the Stripe API could not be verified.")
    return ProviderUnavailable("Stripe could not be reached. Try again.")


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield what led to ``error``: a body that stops halfway is a ReadTimeoutError inside of a ConnectionError."""
    cause = error.__cause__ or error.__context__
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__
