"""One shape for every error: ``{"type", "code", "detail", "field"?, "request_id"?}`` with a right status."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from django.core import exceptions as django_exceptions
from django.core.signals import got_request_exception
from django.db import DatabaseError
from django.http import Http404
from django.utils.translation import gettext as _
from rest_framework import exceptions, status
from rest_framework.response import Response
from rest_framework.views import set_rollback

from django_stripe_gateway.exceptions import GatewayConfigurationError, GatewayError
from django_stripe_gateway.models.storable import is_unstorable_text

logger = logging.getLogger(__name__)

# Codes of errors whose sentence is for the people who run the site: it names settings.
PRIVATE_CODES = frozenset({GatewayConfigurationError.default_code, "provider_authentication"})
TYPES: tuple[tuple[type[exceptions.APIException], str], ...] = (
    (exceptions.NotAuthenticated, "authentication_error"),
    (exceptions.AuthenticationFailed, "authentication_error"),
    (exceptions.PermissionDenied, "permission_error"),
    (exceptions.Throttled, "rate_limit_error"),
)


def handle_exception(exc: Exception, context: Mapping[str, Any]) -> Response:
    """Answer ``exc``; DRF calls it for whatever a view raises."""
    exc = _as_known(exc)
    set_rollback()
    if isinstance(exc, GatewayError):
        return _gateway_answer(exc, context)
    if isinstance(exc, exceptions.APIException):
        return _api_answer(exc)
    return _unexpected_answer(exc, context)


def status_of(exc: Exception) -> int:
    """Return the status that ``exc`` is answered with."""
    exc = _as_known(exc)
    if isinstance(exc, GatewayError | exceptions.APIException):
        return exc.status_code
    return status.HTTP_500_INTERNAL_SERVER_ERROR


def error_body(exc: GatewayError) -> dict[str, Any]:
    """Return what a caller may know of an error of this app."""
    body = exc.as_dict()
    # A header's business.
    body.pop("retry_after", None)
    if isinstance(exc, GatewayConfigurationError):
        body["detail"] = configuration_detail()
    return body


def configuration_detail() -> str:
    """Return what callers read in place of a sentence that names settings."""
    return _("The payment gateway is not configured.")


def _as_known(exc: Exception) -> Exception:
    """Return Django's own exceptions as DRF's."""
    if isinstance(exc, Http404):
        return exceptions.NotFound()
    if isinstance(exc, django_exceptions.PermissionDenied):
        return exceptions.PermissionDenied()
    if isinstance(exc, django_exceptions.RequestDataTooBig):
        return exceptions.ParseError(_("The body is too large."), code="request_too_large")
    if isinstance(exc, DatabaseError) and is_unstorable_text(exc):
        return exceptions.ParseError(_("A text holds characters that cannot be stored."), code="invalid")
    if isinstance(exc, django_exceptions.SuspiciousOperation):
        return exceptions.ParseError(_("The request cannot be accepted."), code="bad_request")
    return exc


def _gateway_answer(exc: GatewayError, context: Mapping[str, Any]) -> Response:
    if exc.status_code >= status.HTTP_500_INTERNAL_SERVER_ERROR:
        level = logging.ERROR if isinstance(exc, GatewayConfigurationError) else logging.WARNING
        logger.log(
            level,
            "A request to the API failed (%s, %s, payment %s): %s",
            exc.code,
            exc.request_id or "-",
            exc.extra.get("payment_id") or _asked_payment(context),
            exc.detail,
        )
    headers = {}
    if "retry_after" in exc.extra:
        headers["Retry-After"] = str(exc.extra["retry_after"])
    return Response(error_body(exc), status=exc.status_code, headers=headers)


def _asked_payment(context: Mapping[str, Any]) -> str:
    """Return the id of the payment in the request's path, for the log; it is anything that somebody wrote there."""
    asked = str(getattr(context.get("view"), "kwargs", {}).get("payment_id", ""))
    return asked if asked.isascii() and asked.isdigit() else "-"


def _api_answer(exc: exceptions.APIException) -> Response:
    kind = next((name for known, name in TYPES if isinstance(exc, known)), "")
    if not kind:
        kind = "invalid_request_error" if exc.status_code < status.HTTP_500_INTERNAL_SERVER_ERROR else "api_error"
    field, detail = first_error(exc.detail)
    code = getattr(detail, "code", None) or exc.default_code
    body: dict[str, Any] = {"type": kind, "code": str(code), "detail": _encodable(str(detail))}
    if field:
        body["field"] = field
    headers = {}
    # DRF's view has set the header when it decided between 401 and 403.
    if getattr(exc, "auth_header", None):
        headers["WWW-Authenticate"] = exc.auth_header  # type: ignore[attr-defined]
    if getattr(exc, "wait", None):
        headers["Retry-After"] = str(int(exc.wait))  # type: ignore[attr-defined]
    return Response(body, status=exc.status_code, headers=headers)


def _encodable(text: str) -> str:
    """Return ``text`` without lone surrogates, which JSON can escape and no answer can repeat."""
    return text.encode(errors="replace").decode()


def _unexpected_answer(exc: Exception, context: Mapping[str, Any]) -> Response:
    logger.error("The API failed unexpectedly.", exc_info=exc)
    request = context.get("request")
    # Error trackers listen to it, as they do when Django answers itself.
    got_request_exception.send(sender=type(context.get("view")), request=getattr(request, "_request", None))
    body = {
        "type": "api_error",
        "code": "internal_error",
        "detail": _("Something went wrong on our side. Try again later."),
    }
    return Response(body, status=status.HTTP_500_INTERNAL_SERVER_ERROR)


def first_error(detail: Any, path: tuple[str, ...] = ()) -> tuple[str, Any]:
    """Return the dotted name of the first field that is to blame (empty for none) and what is wrong with it."""
    if isinstance(detail, Mapping):
        for name, inner in detail.items():
            if inner:
                return first_error(inner, path if name == "non_field_errors" else (*path, str(name)))
    elif isinstance(detail, list | tuple):
        for index, inner in enumerate(detail):
            if inner:
                return first_error(inner, (*path, str(index)) if isinstance(inner, Mapping | list) else path)
    return ".".join(path), detail
