"""Addresses of the schema and of its pages."""

from django.apps import apps
from django.urls import path

from django_stripe_gateway.api.openapi.views import DocsView, SchemaView

urlpatterns = [path("schema/", SchemaView.as_view(), name="schema")]

if apps.is_installed("drf_spectacular_sidecar"):
    # Without its static files Swagger UI would be fetched from other people's servers.
    urlpatterns.append(path("docs/", DocsView.as_view(), name="docs"))
