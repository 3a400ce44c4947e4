"""What a provider's registration adds to the checks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from django.core.checks import CheckMessage
from django.utils.module_loading import import_string

from django_stripe_gateway.gateways.provider import Provider, ProviderChecks
from django_stripe_gateway.gateways.registry import registered_providers


def check_providers(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Run the checks of every registered provider."""
    checks = (check for provider in registered_providers() for check in checks_of(provider).always)
    return [message for check in checks for message in check(app_configs, **kwargs)]


def check_providers_deployment(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Run the deployment checks of every registered provider."""
    checks = (check for provider in registered_providers() for check in checks_of(provider).deployment)
    return [message for check in checks for message in check(app_configs, **kwargs)]


def owner_of(path: str, options: Mapping[str, Any]) -> Provider | None:
    """Return the provider whose account an entry of ``PAYMENT_VARIANTS`` is, ``None`` if it is none's."""
    return next((provider for provider in registered_providers() if provider.owns_entry(path, options)), None)


def checks_of(provider: Provider | None) -> ProviderChecks:
    """Return the checks of a provider; of none, and of one that brings none, those of any variant."""
    return _loaded(provider.checks) if provider is not None and provider.checks else ProviderChecks()


def all_checks() -> Iterator[ProviderChecks]:
    """Yield the checks of every registered provider."""
    return map(checks_of, registered_providers())


@cache
def _loaded(path: str) -> ProviderChecks:
    found: ProviderChecks = import_string(path)()
    return found
