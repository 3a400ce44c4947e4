"""The host project: its apps, their order, its payment model, its URLs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.checks import CheckMessage
from django.db import models
from django.urls import NoReverseMatch, reverse
from django.utils.module_loading import import_string
from rest_framework.authentication import TokenAuthentication
from rest_framework.settings import api_settings

from django_stripe_gateway.checks.messages import error, warning
from django_stripe_gateway.checks.settings import wrong_settings
from django_stripe_gateway.conf import gateway_settings, unset_payment_host
from django_stripe_gateway.models import AbstractPayment

OWN_APP = "django_stripe_gateway"
HOST = re.compile(r"[^\s/:@?#\[\]]+(:\d+)?|\[[0-9a-fA-F:.]+\](:\d+)?")
NEEDED_APPS = ("django.contrib.auth", "django.contrib.contenttypes", "rest_framework")
TOKENS_APP = "rest_framework.authtoken"
TEMPLATE_FOLDERS = (OWN_APP, f"admin/{OWN_APP}")


def check_apps(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Check that the apps that this one needs are installed."""
    needed = [(name, f"{name} is not installed.") for name in NEEDED_APPS]
    if _uses_tokens():
        needed.append((TOKENS_APP, f"The API authenticates with tokens, but {TOKENS_APP} is not installed."))
    return [
        error("011", message, f'Add "{name}" to INSTALLED_APPS.')
        for name, message in needed
        if not apps.is_installed(name)
    ]


def _uses_tokens() -> bool:
    """Return whether one of the API's authentication classes looks DRF's own tokens up."""
    if "STRIPE_GATEWAY_AUTHENTICATION_CLASSES" in wrong_settings():
        return False
    paths = gateway_settings.authentication_classes
    try:
        classes = api_settings.DEFAULT_AUTHENTICATION_CLASSES if paths is None else map(import_string, paths)
        return any(
            isinstance(found, type)
            and issubclass(found, TokenAuthentication)
            and found.model is None
            and found.get_model is TokenAuthentication.get_model
            for found in classes
        )
    except Exception:
        # A path that cannot be imported is reported elsewhere; a module can raise anything when it is imported.
        return False


def check_payment_model(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Check that ``PAYMENT_MODEL`` names a model that the services can work with."""
    name = getattr(settings, "PAYMENT_MODEL", None)
    default = 'Remove the line to get "django_stripe_gateway.Payment"'
    if not isinstance(name, str) or name.count(".") != 1:
        message = "PAYMENT_MODEL must be an app label and a model's name."
        return [error("010", message, f'{default}, or write "shop.Payment".')]
    try:
        model = apps.get_model(name)
    except LookupError:
        message = f"PAYMENT_MODEL names {name!r}, which is not installed."
        return [error("010", message, f"{default}, or add the model's app to INSTALLED_APPS.")]
    if not issubclass(model, AbstractPayment):
        hint = f"Write class {model.__name__}(AbstractPayment), from django_stripe_gateway.models."
        return [error("010", f"PAYMENT_MODEL names {name!r}, which is not a subclass of AbstractPayment.", hint)]
    if not isinstance(model._meta.pk, models.IntegerField):
        message = f"The primary key of PAYMENT_MODEL ({name!r}) is no whole number, as which the API shows it."
        hint = f"Remove the primary key of {model.__name__} to get Django's own; AbstractPayment has a token for links."
        return [error("017", message, hint)]
    return []


def check_payment_host(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Check that there is a host for return addresses, and that it can stand between ``https://`` and a path."""
    host = getattr(settings, "PAYMENT_HOST", None)
    if (not host or host is unset_payment_host) and not apps.is_installed("django.contrib.sites"):
        message = "Neither PAYMENT_HOST nor the sites framework names this site: payments start in API requests only."
        return [warning("030", message, 'Add PAYMENT_HOST = "shop.example.com" to your settings.')]
    if not host or callable(host) or (isinstance(host, str) and HOST.fullmatch(host)):
        return []
    message = "PAYMENT_HOST must be a host name without scheme and path, or a function that returns one."
    return [error("016", message, 'Write PAYMENT_HOST = "shop.example.com".')]


def check_urls(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Check that the URLs are included where ``reverse`` finds them: a customer is sent back to one of them."""
    if not getattr(settings, "ROOT_URLCONF", None):
        return []
    try:
        reverse("django_stripe_gateway:payment-success", kwargs={"payment_id": 1})
    except NoReverseMatch:
        message = "The URLs of django_stripe_gateway are not included, or only inside of another namespace."
        hint = 'Add path("api/v1/", include("django_stripe_gateway.urls")) to your root URLconf.'
        return [error("012", message, hint)]
    except Exception:
        # A URLconf that cannot be imported is for Django's own check to report.
        return []
    return []


def check_template_order(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Warn about templates meant to replace this app's that are never found, because their app comes after it."""
    configs = list(apps.get_app_configs())
    names = [config.name for config in configs]
    if OWN_APP not in names:
        return []
    position = names.index(OWN_APP)
    own = set(_templates(Path(configs[position].path)))
    found = []
    for config in configs[position + 1 :]:
        shadowed = sorted(own.intersection(_templates(Path(config.path))))
        if shadowed:
            message = f"Templates of {config.name} never show, because it comes too late: {', '.join(shadowed)}."
            hint = f'Move "{config.name}" above "{OWN_APP}" in INSTALLED_APPS.'
            found.append(warning("005", message, hint))
    return found


def _templates(folder: Path) -> Iterator[str]:
    root = folder / "templates"
    for name in TEMPLATE_FOLDERS:
        for path in (root / name).rglob("*"):
            if path.is_file():
                yield path.relative_to(root).as_posix()
