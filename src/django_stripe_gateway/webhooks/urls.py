"""Addresses that providers deliver to: ``webhooks/NAME/`` of every registered provider, by URL names of its own.

Those that are registered after the URLs were read, and addresses of none, meet the last two.
"""

from django.urls import path

from django_stripe_gateway.gateways.registry import registered_providers
from django_stripe_gateway.webhooks.views import WebhookView

view = WebhookView.as_view()

urlpatterns = [
    route
    for provider in registered_providers()
    for route in (
        path(f"{provider.name}/", view, {"provider": provider.name}, name=f"{provider.name}-webhook"),
        path(
            f"{provider.name}/<slug:variant>/",
            view,
            {"provider": provider.name},
            name=f"{provider.name}-webhook-variant",
        ),
    )
] + [
    path("<slug:provider>/", view, name="webhook"),
    path("<slug:provider>/<slug:variant>/", view, name="webhook-variant"),
]
