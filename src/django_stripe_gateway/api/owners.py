"""Whose plan a request is about."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from django.apps import apps
from django.db.models import Model
from rest_framework.exceptions import NotAuthenticated

from django_stripe_gateway.adapter import get_adapter, wrong_answer
from django_stripe_gateway.api.base import GatewayAPIView
from django_stripe_gateway.conf import gateway_settings


def request_owner(request: Any) -> Any:
    """Return the owner that the host's adapter names.

    Raises:
        NotAuthenticated: nobody.
        GatewayConfigurationError: the adapter names something that cannot be billed.
    """
    owner = get_adapter().get_owner(request)
    if owner is None or not getattr(owner, "is_authenticated", True):
        raise NotAuthenticated
    # Another model's row with the same key is somebody else. Users whose credentials alone say who they are (tokens
    # that are not looked up) are no rows, and have a key.
    is_row = isinstance(owner, Model)
    if not (isinstance(owner, apps.get_model(gateway_settings.owner_model)) if is_row else hasattr(owner, "pk")):
        problem = f"must return an instance of {gateway_settings.owner_model} or None, and returned a"
        raise wrong_answer("get_owner", f"{problem} {type(owner).__name__}")
    if owner.pk is None:
        raise NotAuthenticated
    return owner


class OwnerView(GatewayAPIView):
    """A view of what the request's owner is billed for, or may use."""

    @cached_property
    def billed_owner(self) -> Any:
        """Whose plan the request is about: the user, or whom the host's adapter names.

        Raises:
            NotAuthenticated: nobody.
        """
        # Permissions that let everybody in make nobody's objects everybody's.
        _user = self.owner
        return request_owner(self.request)

    @property
    def billed_owner_or_none(self) -> Any:
        """The same; ``None`` for a user who speaks for nobody."""
        _user = self.owner
        try:
            return self.billed_owner
        except NotAuthenticated:
            return None

    @property
    def idempotency_scope(self) -> str:
        """The owner: what one team was answered is none of another's business, nor of one's who has left it."""
        owner = self.billed_owner_or_none
        return "" if owner is None else str(owner.pk)
