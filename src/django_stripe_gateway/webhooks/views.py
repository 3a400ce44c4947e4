"""Where providers deliver their events."""

from __future__ import annotations

import logging
from typing import Any, ClassVar

from django.db import connections
from django.http import HttpRequest, JsonResponse
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
from django_stripe_gateway.webhooks.events import Event
from django_stripe_gateway.webhooks.inbox.receive import receive_event
from django_stripe_gateway.webhooks.stripe.verification import verify_stripe_delivery

logger = logging.getLogger(__name__)

# Enough to look a delivery up at the provider; no signature, which would verify again within its tolerance.
AUDITED_HEADERS = ("User-Agent", "Content-Type", "Paypal-Transmission-Id")

# The verification has logged these refusals, with the reason that the answer does not give.
LOGGED_CODES = frozenset({"bad_signature"})


@method_decorator(csrf_exempt, name="dispatch")
class StripeWebhookView(View):
    """``POST webhooks/stripe/``: 200 once the event is stored and handled, 400 if it is not genuine, 500 to retry."""

    http_method_names = ("post",)
    provider_name: ClassVar[str] = "Stripe"

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Any:
        """Return the view, outside of ``ATOMIC_REQUESTS`` on whichever database holds the payments.

        The event is committed by its own transaction, before the answer: not by one around the request.
        """
        view: Any = super().as_view(**initkwargs)
        view._non_atomic_requests = set(connections)
        return view

    def verify(self, request: HttpRequest, body: bytes, variant: str) -> tuple[Event, str]:
        """Return the event of a genuine delivery and its body as text; see ``verify_stripe_delivery``."""
        return verify_stripe_delivery(body, request.headers.get("Stripe-Signature", ""), variant)

    def post(self, request: HttpRequest, variant: str = "") -> JsonResponse:
        """Receive one event."""
        try:
            body = _read_body(request)
            event, text = self.verify(request, body, variant)
        except GatewayConfigurationError:
            logger.warning("A webhook was refused: PAYMENT_VARIANTS has no %s variant %s.", self.provider_name, variant)
            unknown = WebhookRejected("There is no such webhook address.", code="unknown_variant")
            return JsonResponse(unknown.as_dict(), status=404)
        except GatewayError as error:
            if error.code not in LOGGED_CODES:
                logger.warning("A webhook was refused (%s): %s", error.code, error.detail)
            # A provider that has to be asked first and is silent delivers again.
            return JsonResponse(error.as_dict(), status=503 if isinstance(error, ProviderUnavailable) else 400)
        try:
            row = receive_event(event, text, _audited_headers(request))
        except Exception:
            # Logged and stored by the inbox; the provider delivers again.
            body_of_failure = {"type": "api_error", "code": "event_failed", "detail": "The event will be retried."}
            return JsonResponse(body_of_failure, status=500)
        return JsonResponse({"received": True, "state": row.state})


def _read_body(request: HttpRequest) -> bytes:
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
        raise WebhookRejected("The body could not be read to its end.", code="truncated") from None
    if len(body) > limit:
        raise WebhookRejected(f"The body is larger than {limit} bytes.", code="too_large")
    return body


def _audited_headers(request: HttpRequest) -> dict[str, str]:
    found = {name: request.headers[name] for name in AUDITED_HEADERS if name in request.headers}
    return {name: "".join(char for char in value[:255] if char.isprintable()) for name, value in found.items()}
