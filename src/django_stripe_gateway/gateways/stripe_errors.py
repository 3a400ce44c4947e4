"""Turn the SDK's exceptions into this app's, keeping codes and request ids and dropping everything private."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from django_stripe_gateway.exceptions import (
    GatewayConfigurationError,
    GatewayError,
    PaymentDeclined,
    ProviderError,
    ProviderStateError,
    ProviderTimeout,
    ProviderUnavailable,
)

if TYPE_CHECKING:
    from stripe import StripeError

# https://docs.stripe.com/error-codes: refusals that only mean "not in this state".
STATE_CODES = frozenset(
    {
        "charge_already_captured",
        "charge_already_refunded",
        "charge_expired_for_capture",
        "payment_intent_unexpected_state",
        "resource_already_exists",
        "amount_too_large",
    }
)


@contextmanager
def translated_errors() -> Iterator[None]:
    """Raise this app's exception in place of any that the SDK raises inside the block."""
    import stripe  # noqa: PLC0415

    try:
        yield
    except stripe.StripeError as error:
        raise translate(error) from error


def translate(error: StripeError) -> GatewayError:
    """Return this app's exception for ``error``."""
    import stripe  # noqa: PLC0415

    status = error.http_status or 0
    request_id = error.request_id or ""
    code = error.code or ""
    message = error.user_message or ""
    if isinstance(error, stripe.CardError):
        decline_code = getattr(error.error, "decline_code", None) or ""
        return PaymentDeclined(
            message or "The card was declined.",
            code=code or "card_declined",
            request_id=request_id,
            decline_code=decline_code or code or "card_declined",
        )
    if isinstance(error, stripe.AuthenticationError | stripe.PermissionError):
        # Stripe's own sentence repeats a part of the key.
        return GatewayConfigurationError(
            "Stripe does not accept the API key. Check STRIPE_GATEWAY_API_KEY.",
            code="provider_authentication",
            request_id=request_id,
        )
    if isinstance(error, stripe.APIConnectionError):
        if "Timeout" in str(error.__cause__ or error) or "timed out" in str(error).lower():
            return ProviderTimeout("Stripe did not answer in time. Try again.", request_id=request_id)
        return ProviderUnavailable("Stripe could not be reached. Try again.", request_id=request_id)
    if isinstance(error, stripe.RateLimitError):
        return ProviderUnavailable("Stripe is receiving too many requests. Try again.", request_id=request_id)
    if isinstance(error, stripe.IdempotencyError) or code == "idempotency_key_in_use":
        return ProviderUnavailable(
            "Stripe is still working on this request. Try again.", request_id=request_id, replayable=status == 409
        )
    if status >= 500 or status < 400:
        return ProviderUnavailable("Stripe failed. Try again.", request_id=request_id, replayable=False)
    if code in STATE_CODES:
        return ProviderStateError(message or "Stripe refused.", code=code, request_id=request_id)
    return ProviderError(message or "Stripe refused the request.", code=code or "provider_error", request_id=request_id)
