"""How the tests run checks in their own process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.core.checks import CheckMessage, registry, run_checks

from django_stripe_gateway.checks import TAG

Check = Callable[..., list[CheckMessage]]
PREFIX = "django_stripe_gateway."


def ids(found: list[CheckMessage]) -> list[str]:
    """Return the short ids of messages ("E001")."""
    return [str(message.id).removeprefix(PREFIX) for message in found]


def run(check: Check, **kwargs: Any) -> list[str]:
    """Return the short ids of what one check finds; each message has a hint."""
    found = check(None, **kwargs)
    assert all(message.hint for message in found)
    return ids(found)


def run_all(*, deploy: bool = True, databases: list[str] | None = None) -> list[CheckMessage]:
    """Run this app's checks as `manage.py check` does."""
    return run_checks(tags=[TAG], include_deployment_checks=deploy, databases=databases)


def registered() -> set[str]:
    """Return the names of this app's registered checks."""
    checks = registry.registry.get_checks(include_deployment_checks=True)
    return {check.__name__ for check in checks if TAG in getattr(check, "tags", ())}
