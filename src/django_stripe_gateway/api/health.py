"""``webhooks/health/``: whether the inbox keeps up, and nobody pays on without an owner, for a monitor."""

from __future__ import annotations

from dataclasses import asdict

from django.utils.module_loading import import_string
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response

from django_stripe_gateway.api.base import GatewayAPIView
from django_stripe_gateway.conf import gateway_settings
from django_stripe_gateway.models import WebhookEvent
from django_stripe_gateway.services.leaving.orphans import orphaned_payers
from django_stripe_gateway.services.transactions import payments_database


class WebhookHealthView(GatewayAPIView):
    """``GET webhooks/health/``: 200 while every count is within its limit, else 503."""

    http_method_names = ("get", "head", "options")
    schema = None  # type: ignore[assignment] # it is for operators, not a part of the API

    def get_permissions(self) -> list[BasePermission]:
        """Return the permissions of the setting for this view alone."""
        return [import_string(path)() for path in gateway_settings.webhook_health_permission_classes]

    def get(self, request: Request) -> Response:
        """Return the counts, and which of them are too high."""
        counts = asdict(WebhookEvent.objects.using(payments_database()).stats())
        # Not of the inbox, but for the same monitor: nobody else would see that they pay on.
        counts["orphaned_payers"] = orphaned_payers().count()
        limits = gateway_settings.webhook_health_limits
        exceeded = [name for name, count in counts.items() if count > limits.get(name, count)]
        body = {"status": "unhealthy" if exceeded else "healthy", "exceeded": exceeded, **counts}
        return Response(body, status=503 if exceeded else 200)
