"""What every page of the shop shows."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest

from shop import demo


def site(request: HttpRequest) -> dict[str, Any]:
    """Give the templates how the site was started."""
    return {
        "is_development": settings.DEBUG,
        "use_localstripe": settings.USE_LOCALSTRIPE,
        "demo": demo.CREDENTIALS if settings.DEBUG else None,
    }
