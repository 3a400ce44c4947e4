"""Addresses of usage limits."""

from django.urls import path

from django_stripe_gateway.api.subscriptions import usage_views

urlpatterns = [
    path("subscriptions/me/limits/", usage_views.LimitsView.as_view(), name="usage-limits"),
    path("subscriptions/me/usage/", usage_views.UseView.as_view(), name="usage-record"),
]
