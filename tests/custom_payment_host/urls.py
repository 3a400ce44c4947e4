"""URLs of the host: the app under another prefix, and django-payments' own."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("billing/", include("django_stripe_gateway.urls")),
    path("payments/", include("payments.urls")),
]
