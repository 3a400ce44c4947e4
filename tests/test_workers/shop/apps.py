"""The app's configuration."""

from __future__ import annotations

from django.apps import AppConfig


class ShopConfig(AppConfig):
    """Registers the handler."""

    name = "tests.test_workers.shop"

    def ready(self) -> None:
        """Import the handler."""
        from tests.test_workers.shop import handlers  # noqa: F401
