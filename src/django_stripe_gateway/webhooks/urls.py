"""Addresses that providers deliver to."""

from django.urls import path

from django_stripe_gateway.webhooks.paypal.views import PayPalWebhookView
from django_stripe_gateway.webhooks.views import StripeWebhookView

urlpatterns = [
    path("paypal/", PayPalWebhookView.as_view(), name="paypal-webhook"),
    path("paypal/<slug:variant>/", PayPalWebhookView.as_view(), name="paypal-webhook-variant"),
    path("stripe/", StripeWebhookView.as_view(), name="stripe-webhook"),
    path("stripe/<slug:variant>/", StripeWebhookView.as_view(), name="stripe-webhook-variant"),
]
