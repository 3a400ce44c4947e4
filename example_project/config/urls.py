"""URLs of the example site."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("", include("shop.urls")),
    path("", include("shop.account_urls")),
    path("admin/", admin.site.urls),
    path("api/v1/", include("django_stripe_gateway.urls")),
]
