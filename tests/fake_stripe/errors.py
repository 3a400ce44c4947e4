"""The errors that Stripe answers with."""

from __future__ import annotations

from typing import Any


class ApiError(Exception):
    """An answer other than 200, in Stripe's error shape.

    `stored` says whether Stripe saves the answer under the idempotency key: it does once the endpoint began to act,
    not when the parameters were refused (https://docs.stripe.com/api/idempotent_requests).
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        type: str = "invalid_request_error",
        stored: bool = True,
        **extra: Any,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.param = param
        self.type = type
        self.stored = stored
        self.extra = extra

    def body(self) -> dict[str, Any]:
        """Return the JSON body, without the keys that have no value."""
        error: dict[str, Any] = {"message": self.message, "type": self.type}
        if self.code:
            error["code"] = self.code
            error["doc_url"] = "https://docs.stripe.com/error-codes/" + self.code.replace("_", "-")
        if self.param:
            error["param"] = self.param
        error.update(self.extra)
        return {"error": error}


def invalid(message: str, param: str | None = None, code: str | None = None) -> ApiError:
    """Return a refusal of the parameters: 400, and nothing is kept under the idempotency key."""
    return ApiError(400, message, param=param, code=code, stored=False)


def missing_param(name: str) -> ApiError:
    """Return the refusal of a request that lacks `name`."""
    return invalid(f"Missing required param: {name}.", name, "parameter_missing")


def no_such(noun: str, identifier: str, *, param: str = "id", in_url: bool = True) -> ApiError:
    """Return the answer about an object that is not there: 404 for one named in the URL, 400 for one in a parameter."""
    return ApiError(404 if in_url else 400, f"No such {noun}: '{identifier}'", code="resource_missing", param=param)
