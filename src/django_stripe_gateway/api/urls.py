"""Addresses of the API."""

from django.apps import apps
from django.urls import URLPattern, URLResolver, include, path

urlpatterns: list[URLPattern | URLResolver] = [
    path("", include("django_stripe_gateway.api.payments.urls")),
]

if apps.is_installed("drf_spectacular"):
    urlpatterns.append(path("", include("django_stripe_gateway.api.schema_urls")))
