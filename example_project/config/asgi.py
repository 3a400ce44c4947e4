"""Entry point for ASGI servers."""

from __future__ import annotations

from config.environment import check_configuration, prepare_environment

prepare_environment()
check_configuration()

# Reads DJANGO_CONFIGURATION when it is imported.
from configurations.asgi import application  # noqa: E402

__all__ = ["application"]
