"""Where customers come back to from the provider's pages."""

from __future__ import annotations

from urllib.parse import urljoin

from django_stripe_gateway.conf import gateway_settings
from django_stripe_gateway.models.return_urls import default_base_url


def return_addresses(base_url: str = "") -> tuple[str, str]:
    """Return the pages after a subscription was paid, and after its customer gave up.

    Args:
        base_url: scheme and host of the request, for settings that are paths; empty for ``PAYMENT_HOST``.
    """
    base = base_url or default_base_url()
    success = gateway_settings.subscription_success_url or "/"
    cancel = gateway_settings.subscription_cancel_url or "/"
    return urljoin(base, success), urljoin(base, cancel)


def portal_return_address(base_url: str = "") -> str:
    """Return the page that customers come back to from the portal."""
    return urljoin(base_url or default_base_url(), gateway_settings.portal_return_url or "/")
