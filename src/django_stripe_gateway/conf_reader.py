"""How settings are read: at use, so that a change is seen at once."""

from __future__ import annotations

from typing import Any

from django.conf import settings


class SettingsReader:
    """Read settings with this app's prefix, as they are now."""

    def _get(self, name: str) -> Any:
        return getattr(settings, f"STRIPE_GATEWAY_{name}")

    def _flag(self, name: str) -> bool:
        value = self._get(name)
        # The text "False" out of an environment variable must not switch the development mode on.
        return value.strip().lower() in ("1", "true", "yes", "on") if isinstance(value, str) else bool(value)
