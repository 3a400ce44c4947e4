"""Addresses of the API."""

from django.apps import apps
from django.urls import URLPattern, URLResolver, include, path

from django_stripe_gateway.api.health import WebhookHealthView

urlpatterns: list[URLPattern | URLResolver] = [
    path("", include("django_stripe_gateway.api.payments.urls")),
    path("", include("django_stripe_gateway.api.subscriptions.urls")),
    path("", include("django_stripe_gateway.api.usage.urls")),
    path("webhooks/health/", WebhookHealthView.as_view(), name="webhook-health"),
]

if apps.is_installed("drf_spectacular"):
    urlpatterns.append(path("", include("django_stripe_gateway.api.openapi.urls")))
