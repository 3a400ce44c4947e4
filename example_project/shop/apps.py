"""The shop's configuration."""

from django.apps import AppConfig


class ShopConfig(AppConfig):
    """A shop with a handful of products."""

    name = "shop"

    def ready(self) -> None:
        """Connect the receivers of the payments' signals."""
        from shop import receivers  # noqa: F401, PLC0415 (its models can be imported only now)
