"""Where providers deliver their events."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from django.db import connections
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.request import UnreadablePostError
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.csrf import csrf_exempt

from django_stripe_gateway.conf import gateway_settings
from django_stripe_gateway.exceptions import (
    GatewayConfigurationError,
    GatewayError,
    ProviderUnavailable,
    WebhookRejected,
)
from django_stripe_gateway.gateways.registry import find_provider
from django_stripe_gateway.services.bodies import keep_body
from django_stripe_gateway.webhooks.events import parse_event, place_event
from django_stripe_gateway.webhooks.inbox.receive import receive_event
from django_stripe_gateway.webhooks.providers import webhook_provider

logger = logging.getLogger(__name__)

# Beside those that the provider's own registration names.
AUDITED_HEADERS = ("User-Agent", "Content-Type")

# The verification has logged these refusals, with the reason that the answer does not give.
LOGGED_CODES = frozenset({"bad_signature"})


@method_decorator(csrf_exempt, name="dispatch")
class WebhookView(View):
    """``POST webhooks/<provider>/``, of every registered provider.

    Answers 200 once the event is stored and handled, 400 if it is not genuine, 404 where no provider or variant is, 500
    and 503 to have it delivered again.
    """

    http_method_names = ("post",)

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Any:
        """Return the view, outside of ``ATOMIC_REQUESTS`` on whichever database holds the payments.

        The event is committed by its own transaction, before the answer: not by one around the request. A site whose
        pages all need a login (``LoginRequiredMiddleware``) lets a provider in, who signs instead.
        """
        view: Any = super().as_view(**initkwargs)
        view._non_atomic_requests = set(connections)
        view.login_required = False
        return view

    def http_method_not_allowed(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Answer 404 to whatever is asked of an address that is no provider's."""
        try:
            webhook_provider(kwargs["provider"])
        except GatewayConfigurationError:
            return _no_such_address()
        return super().http_method_not_allowed(request, *args, **kwargs)

    def post(self, request: HttpRequest, provider: str, variant: str = "") -> JsonResponse:
        """Receive one event."""
        try:
            webhooks = webhook_provider(provider)
        except GatewayConfigurationError:
            return _no_such_address()
        try:
            body, text = _read_body(request)
            if variant and (found := find_provider(provider)) and not found.owns(variant):
                raise GatewayConfigurationError(f"PAYMENT_VARIANTS has no {found.label} variant {variant}.")
            variant = webhooks.verify(body, request.headers, variant)
            event = place_event(parse_event(text, provider=provider, variant=variant))
        except GatewayConfigurationError as error:
            logger.warning("A webhook was refused: %s", error.detail)
            return _no_such_address()
        except GatewayError as error:
            if error.code not in LOGGED_CODES:
                logger.warning("A webhook was refused (%s): %s", error.code, error.detail)
            # A provider that has to be asked first and is silent delivers again.
            return JsonResponse(error.as_dict(), status=503 if isinstance(error, ProviderUnavailable) else 400)
        try:
            row = receive_event(event, text, _audited_headers(request, webhooks.audited_headers))
        except Exception:
            # Logged and stored by the inbox; the provider delivers again.
            body_of_failure = {"type": "api_error", "code": "event_failed", "detail": "The event will be retried."}
            return JsonResponse(body_of_failure, status=500)
        return JsonResponse({"received": True, "state": row.state})


def _no_such_address() -> JsonResponse:
    unknown = WebhookRejected("There is no such webhook address.", code="unknown_variant")
    return JsonResponse(unknown.as_dict(), status=404)


def _read_body(request: HttpRequest) -> tuple[bytes, str]:
    limit = gateway_settings.webhook_max_bytes
    try:
        length = int(request.headers.get("Content-Length") or 0)
    except ValueError:
        length = 0
    if length > limit:
        raise WebhookRejected(f"The body is larger than {limit} bytes.", code="too_large")
    try:
        body = request.read(limit + 1)
    except UnreadablePostError:
        keep_body(request, b"")
        raise WebhookRejected("The body could not be read to its end.", code="truncated") from None
    keep_body(request, body)
    if len(body) > limit:
        raise WebhookRejected(f"The body is larger than {limit} bytes.", code="too_large")
    try:
        return body, body.decode("utf-8")
    except UnicodeDecodeError:
        raise WebhookRejected("The body is not UTF-8.", code="not_json") from None


def _audited_headers(request: HttpRequest, names: Sequence[str]) -> dict[str, str]:
    found = {name: request.headers[name] for name in (*AUDITED_HEADERS, *names) if name in request.headers}
    return {name: "".join(char for char in value[:255] if char.isprintable()) for name, value in found.items()}
