"""Whose plan a request is about."""

from __future__ import annotations

from typing import Any

from django.utils.module_loading import import_string
from rest_framework.exceptions import NotAuthenticated

from django_stripe_gateway.conf import gateway_settings


def request_owner(request: Any) -> Any:
    """Return the owner that the host's function names, or the user.

    Raises:
        NotAuthenticated: nobody.
    """
    path = gateway_settings.owner_resolver
    owner = import_string(path)(request) if path else getattr(request, "user", None)
    if owner is None or not getattr(owner, "is_authenticated", True) or getattr(owner, "pk", None) is None:
        raise NotAuthenticated
    return owner
