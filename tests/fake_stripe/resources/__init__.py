"""The API's operations, one file for each resource; a new file in this package is found and registered by itself."""

from __future__ import annotations

import importlib
import pkgutil


def load() -> None:
    """Import every resource file, which registers its routes."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
