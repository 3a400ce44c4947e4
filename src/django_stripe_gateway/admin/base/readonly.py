"""Rows that nobody changes by hand, superusers included."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.auth import get_permission_codename
from django.db.models import Model
from django.http import HttpRequest

from django_stripe_gateway.admin.base.field_names import name_fields
from django_stripe_gateway.admin.base.lists import LargeListMixin


class KeptMixin:
    """Let nobody add or delete: rows are made by the services, and what was done with money is kept."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse."""
        return False


class ReadOnlyMixin(KeptMixin):
    """Let people with the view permission look, and nobody add, change or delete."""

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse."""
        return False


class ReadOnlyAdmin(LargeListMixin, ReadOnlyMixin, admin.ModelAdmin):  # type: ignore[type-arg]
    """Admin of a model whose rows only the services write."""

    def __init__(self, model: type[Model], admin_site: admin.AdminSite) -> None:
        name_fields(model)
        super().__init__(model, admin_site)


class ReadOnlyInline(ReadOnlyMixin, admin.TabularInline):  # type: ignore[type-arg]
    """Rows that only the services write, on the page of what they belong to."""

    extra = 0
    can_delete = False
    show_change_link = True


def may_change(request: HttpRequest, model: type[Model]) -> bool:
    """Return whether the user has the permission to change ``model``, which the pages of a read-only admin deny."""
    codename = get_permission_codename("change", model._meta)
    return request.user.has_perm(f"{model._meta.app_label}.{codename}")
