"""What can go wrong, each with a stable code, an HTTP status and a sentence that says what to do."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

__all__ = [
    "AccountContradicted",
    "GatewayConfigurationError",
    "GatewayError",
    "IdempotencyKeyReused",
    "InvalidAmount",
    "InvalidInput",
    "InvalidQuantity",
    "OperationInProgress",
    "OtherAccount",
    "PaymentDeclined",
    "ProviderError",
    "ProviderStateError",
    "ProviderTimeout",
    "ProviderUnavailable",
    "RefundExceedsUse",
    "ReservationExpired",
    "UnknownAtProvider",
    "UnknownGateway",
    "UnknownMetric",
    "UnknownReservation",
    "UnsupportedByGateway",
    "UnsupportedCurrency",
    "UsageLimitExceeded",
    "WebhookRejected",
    "WrongState",
]


class GatewayError(Exception):
    """Base of every error that this app raises on purpose.

    Args:
        detail: sentence for the person who reads it; never holds a key or another user's data.
        code: stable machine-readable code, the class's own by default.
        field: name of the input that is to blame.
        request_id: the provider's id of the failed request (``req_…``).
    """

    type: ClassVar[str] = "api_error"
    status_code: ClassVar[int] = 500
    default_code: ClassVar[str] = "gateway_error"

    def __init__(self, detail: str, *, code: str = "", field: str = "", request_id: str = "", **extra: Any) -> None:
        super().__init__(detail)
        self.detail = detail
        self.code = code or self.default_code
        self.field = field
        self.request_id = request_id
        self.extra = extra

    def as_dict(self) -> dict[str, Any]:
        """Return the error in the shape that the API answers with."""
        body: dict[str, Any] = {"type": self.type, "code": self.code, "detail": self.detail}
        if self.field:
            body["field"] = self.field
        if self.request_id:
            body["request_id"] = self.request_id
        return body | self.extra


class GatewayConfigurationError(GatewayError):
    """The host project's settings do not allow what was asked.

    ``may_have_acted`` says that the provider was asked more than once and the first time may have been heard,
    ``lacks_permission`` that the provider knows the key, which is not allowed to ask for this.
    """

    may_have_acted: bool = False
    lacks_permission: bool = False

    type = "configuration_error"
    default_code = "not_configured"


class AccountContradicted(GatewayConfigurationError):
    """The settings name another account than the one that the provider names for the key: one of the two is wrong."""

    default_code = "account_contradicted"


class InvalidInput(GatewayError):
    """An argument cannot be accepted as it is."""

    type = "invalid_request_error"
    status_code = 400
    default_code = "invalid"


class InvalidAmount(InvalidInput):
    """An amount is not positive, too large, or finer than the currency allows."""

    default_code = "invalid_amount"


class UnsupportedCurrency(InvalidInput):
    """Stripe does not charge in this currency."""

    default_code = "unsupported_currency"


class UnknownGateway(InvalidInput):
    """No active gateway has this name."""

    default_code = "unknown_gateway"


class PaymentDeclined(GatewayError):
    """The customer's payment method was declined.

    ``intent_id`` names the provider's object that the attempt was made on, when the gateway knows it.
    """

    intent_id: str = ""

    type = "card_error"
    status_code = 402
    default_code = "card_declined"


class WrongState(GatewayError):
    """The payment's state does not allow what was asked."""

    type = "invalid_request_error"
    status_code = 409
    default_code = "wrong_state"


class OtherAccount(WrongState):
    """What was asked for is of another account of the provider, or of its other mode, and cannot be asked for here."""

    default_code = "other_account"


class UnknownAtProvider(WrongState):
    """The provider knows no such object, though it was made there: its data was deleted, or the account is another."""

    default_code = "unknown_at_provider"


class OperationInProgress(WrongState):
    """Another operation on the same payment has not been answered by the provider yet."""

    default_code = "operation_in_progress"


class IdempotencyKeyReused(GatewayError):
    """An ``Idempotency-Key`` came back with another request."""

    type = "idempotency_error"
    status_code = 409
    default_code = "idempotency_key_reused"


class UnsupportedByGateway(GatewayError):
    """This gateway cannot do what was asked."""

    type = "invalid_request_error"
    status_code = 501
    default_code = "unsupported_by_gateway"


class ProviderError(GatewayError):
    """The provider refused a request that we made; nothing was changed there.

    ``is_missing`` says that the provider knows no object that the request names. ``provider_time`` is what the
    provider's clock said when it refused a moment that was asked for.
    """

    is_missing: bool = False
    provider_time: datetime | None = None

    type = "provider_error"
    status_code = 502
    default_code = "provider_error"


class ProviderStateError(ProviderError):
    """The provider refused because its object's state does not allow the request."""

    default_code = "provider_state"


class ProviderUnavailable(ProviderError):
    """The provider failed or could not be reached; whether it acted is unknown.

    ``replayable`` says whether the same idempotency key can still bring a new answer: after a 5xx Stripe stores that
    answer under the key (https://docs.stripe.com/api/idempotent_requests), after a lost connection it may not have.
    ``retry_after`` are the seconds that it asks to be left alone for, 0 if it does not say.
    """

    retry_after: float = 0

    default_code = "provider_unavailable"

    def __init__(self, detail: str, *, replayable: bool = True, **kwargs: Any) -> None:
        super().__init__(detail, **kwargs)
        self.replayable = replayable


class ProviderTimeout(ProviderUnavailable):
    """The provider did not answer in time; whether it acted is unknown."""

    status_code = 504
    default_code = "provider_timeout"


class WebhookRejected(GatewayError):
    """A webhook delivery is not accepted: forged, stale, too large or not an event."""

    type = "invalid_request_error"
    status_code = 400
    default_code = "webhook_rejected"


class InvalidQuantity(InvalidInput):
    """A quantity of use is not a whole number in range."""

    default_code = "invalid_quantity"


class UnknownMetric(InvalidInput):
    """No plan limits this metric."""

    default_code = "unknown_metric"


class UsageLimitExceeded(GatewayError):
    """The plan does not allow that much.

    Args:
        metric: what was asked for.
        limit: what is allowed in a period.
        remaining: what is left of it.
        resets_at: when it starts anew, ``None`` for never; ``retry_after`` are the seconds until then.
    """

    type = "rate_limit_error"
    status_code = 429
    default_code = "limit_exceeded"

    def __init__(
        self,
        detail: str,
        *,
        metric: str = "",
        limit: int = 0,
        remaining: int = 0,
        resets_at: datetime | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(detail, **kwargs)
        self.metric = metric
        self.limit = limit
        self.remaining = remaining
        self.resets_at = resets_at

    @property
    def retry_after(self) -> int | None:
        """Seconds until the limit starts anew, ``None`` if it never does."""
        value: int | None = self.extra.get("retry_after")
        return value


class RefundExceedsUse(WrongState):
    """More was to be given back than was used in this period."""

    default_code = "refund_exceeds_use"


class ReservationExpired(WrongState):
    """The reserved units were let go, because nobody used them in time."""

    default_code = "reservation_expired"


class UnknownReservation(GatewayError):
    """There is no such reservation, or it is somebody else's."""

    type = "invalid_request_error"
    status_code = 404
    default_code = "unknown_reservation"
