"""Addresses that providers deliver to."""

from django.urls import path

from django_stripe_gateway.webhooks.views import StripeWebhookView

urlpatterns = [
    path("stripe/", StripeWebhookView.as_view(), name="stripe-webhook"),
    path("stripe/<slug:variant>/", StripeWebhookView.as_view(), name="stripe-webhook-variant"),
]
