"""All of the app's URLs: ``path("api/v1/", include("django_stripe_gateway.urls"))``."""

from django.urls import include, path

app_name = "django_stripe_gateway"

urlpatterns = [
    path("", include("django_stripe_gateway.api.urls")),
    path("webhooks/", include("django_stripe_gateway.webhooks.urls")),
]
