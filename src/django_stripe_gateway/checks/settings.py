"""Type and range of every ``STRIPE_GATEWAY_*`` setting, as the settings' own declarations say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage
from django.utils.module_loading import import_string
from rest_framework.permissions import OperationHolderMixin

from django_stripe_gateway.checks.messages import error, nearest, warning
from django_stripe_gateway.conf import SETTINGS
from django_stripe_gateway.conf.rules import Rule, import_problem
from django_stripe_gateway.conf.setting import PREFIX

# Settings of earlier versions → the method of the adapter that decides instead.
NOW_OF_THE_ADAPTER: Mapping[str, str] = {
    f"{PREFIX}CUSTOMER_DETAILS": "customer_details",
    f"{PREFIX}OWNER_RESOLVER": "get_owner",
    f"{PREFIX}OWNER_TIME_ZONE_RESOLVER": "time_zone",
}


def check_setting_values(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Check every setting's type and range, and that its dotted paths can be imported.

    Values are never shown: a setting of the wrong type may be a key that went to the wrong place.
    """
    found: list[CheckMessage] = []
    for setting in SETTINGS.values():
        name, rule = setting.full_name, setting.rule
        value = getattr(settings, name, None)
        if not rule(value):
            hint = f"Correct {name} in your settings, or remove the line to get the default."
            found.append(error("013", f"{name} must be {rule.must}.", hint))
            continue
        for path in rule.paths(value):
            problem = import_problem(path)
            if problem:
                hint = f"Correct the dotted path in {name}."
                found.append(error("014", f"{name} names {path!r}, which cannot be imported: {problem}.", hint))
            elif wanted := _missed(path, rule):
                found.append(error("014", f"{name} names {path!r}, which is no such class.", f"Name a {wanted}."))
    return found


def check_setting_names(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Warn about settings with this app's prefix that nobody reads."""
    known = known_settings()
    found = []
    for name in sorted(set(dir(settings))):
        if name.startswith(PREFIX) and name not in known:
            found.append(warning("001", f"There is no setting {name}.", _hint(name, known)))
    return found


def known_settings() -> Sequence[str]:
    """Return the full names of this app's settings."""
    return sorted(setting.full_name for setting in SETTINGS.values())


def wrong_settings() -> frozenset[str]:
    """Return the settings whose value other checks cannot work with."""
    return frozenset(
        setting.full_name
        for setting in SETTINGS.values()
        if not setting.rule(getattr(settings, setting.full_name, None))
    )


def _hint(name: str, known: Sequence[str]) -> str:
    if name in NOW_OF_THE_ADAPTER:
        return f"Override {NOW_OF_THE_ADAPTER[name]}() in a subclass of Adapter, and name it in {PREFIX}ADAPTER."
    meant = nearest(name, known)
    return f"Did you mean {meant}?" if meant else "Remove the line."


def _missed(path: str, rule: Rule) -> str:
    """Return what ``path`` should be a name of by ``rule`` and is not, empty if it is."""
    found = import_string(path)
    if rule.base and not (isinstance(found, type) and issubclass(found, import_string(rule.base))):
        return f"subclass of {rule.base}"
    if rule.method and not _has_method(found, rule.method):
        return f"class that has the method {rule.method}()"
    return ""


def _has_method(found: Any, method: str) -> bool:
    """Return whether ``found`` is a class that has ``method``, or permissions combined with ``&``, ``|`` or ``~``."""
    if isinstance(found, type):
        return callable(getattr(found, method, None))
    return method == "has_permission" and isinstance(found, OperationHolderMixin)
