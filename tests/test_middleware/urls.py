"""The same addresses below the language of the reader."""

from django.conf.urls.i18n import i18n_patterns
from django.contrib import admin
from django.urls import include, path

urlpatterns = i18n_patterns(
    path("admin/", admin.site.urls),
    path("api/v1/", include("django_stripe_gateway.urls")),
)
