"""The shop's configuration."""

from django.apps import AppConfig


class ShopConfig(AppConfig):
    """The host's own app."""

    name = "tests.custom_payment_host.shop"
    label = "shop"
    default_auto_field = "django.db.models.BigAutoField"
