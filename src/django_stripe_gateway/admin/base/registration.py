"""Register the admin of the payment model in use, unless the host project registers its own."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

from django.apps import AppConfig, apps
from django.contrib import admin
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import module_has_submodule

from django_stripe_gateway.models import Payment, get_payment_model


def register_payment_admin(admin_class: type[admin.ModelAdmin[Any]]) -> None:
    """Register ``admin_class`` for the model that ``PAYMENT_MODEL`` names.

    A host's own model is left to the host's admin module, wherever its app stands in ``INSTALLED_APPS``.
    """
    try:
        model = get_payment_model()
    except (ImproperlyConfigured, LookupError):
        # A system check says so in a sentence; here it would be a traceback.
        return
    if model is not Payment and not _let_host_register(apps.get_app_config(model._meta.app_label)):
        return
    if not admin.site.is_registered(model):
        admin.site.register(model, admin_class)


def _let_host_register(app_config: AppConfig) -> bool:
    """Import the admin module of the host's app; return whether it has been imported to its end."""
    name = f"{app_config.name}.admin"
    module = sys.modules.get(name)
    if module is None:
        if app_config.module is not None and module_has_submodule(app_config.module, "admin"):
            import_module(name)
        return True
    # A module that is importing this one, to subclass what it finds here, registers its model further down.
    return not getattr(module.__spec__, "_initializing", False)
