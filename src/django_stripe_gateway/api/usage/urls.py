"""Addresses of usage limits."""

from django.urls import path

from django_stripe_gateway.api.usage import views

urlpatterns = [
    path("subscriptions/me/limits/", views.LimitsView.as_view(), name="usage-limits"),
    path("subscriptions/me/usage/", views.UseView.as_view(), name="usage-record"),
]
