"""Where providers deliver their events."""

from __future__ import annotations

import logging

from django.db import transaction
from django.http import HttpRequest, JsonResponse
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.csrf import csrf_exempt

from django_stripe_gateway.conf import gateway_settings
from django_stripe_gateway.exceptions import GatewayError, WebhookRejected
from django_stripe_gateway.webhooks.inbox import receive_event
from django_stripe_gateway.webhooks.verification import verify_stripe_delivery

logger = logging.getLogger(__name__)

# Enough to look a delivery up at the provider; no signature, which would verify again within its tolerance.
AUDITED_HEADERS = ("User-Agent", "Content-Type")


@method_decorator(csrf_exempt, name="dispatch")
# The event is committed by its own transaction, before the answer: not by one around the request.
@method_decorator(transaction.non_atomic_requests, name="dispatch")
class StripeWebhookView(View):
    """``POST webhooks/stripe/``: 200 once the event is stored and handled, 400 if it is not genuine, 500 to retry."""

    http_method_names = ("post",)

    def post(self, request: HttpRequest, variant: str = "") -> JsonResponse:
        """Receive one event."""
        try:
            body = _read_body(request)
            event, text = verify_stripe_delivery(body, request.headers.get("Stripe-Signature", ""), variant)
        except GatewayError as error:
            logger.warning("A webhook was refused (%s): %s", error.code, error.detail)
            return JsonResponse(error.as_dict(), status=400)
        headers = {name: request.headers[name][:255] for name in AUDITED_HEADERS if name in request.headers}
        try:
            row = receive_event(event, text, headers)
        except Exception:  # noqa: BLE001 (logged and stored by the inbox; the provider delivers again)
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
    body = request.read(limit + 1)
    if len(body) > limit:
        raise WebhookRejected(f"The body is larger than {limit} bytes.", code="too_large")
    return body
