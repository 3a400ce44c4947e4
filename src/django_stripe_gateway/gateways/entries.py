"""Whose an entry of ``PAYMENT_VARIANTS`` is: a provider's own classes, and what hosts have made of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.core.exceptions import AppRegistryNotReady
from django.utils.module_loading import import_string

from django_stripe_gateway.conf import split_variant


def is_entry_of(name: str, provider_path: str, gateway_path: str, path: str, options: Mapping[str, Any]) -> bool:
    """Return whether an entry is one of the accounts of the provider ``name``.

    Args:
        provider_path: the class of django-payments that stands for it; a subclass of the host's does, too.
        gateway_path: the base of its gateways, a subclass of which the option ``gateway`` may name.
    """
    gateway = options.get("gateway")
    if gateway == name:
        return True
    return extends(path, provider_path) or (isinstance(gateway, str) and extends(gateway, gateway_path))


def extends(path: str, base: str) -> bool:
    """Return whether a dotted path names a class or a subclass of it; what cannot be imported does not."""
    if not path or not base or path == base:
        return bool(path and base)
    if "." not in path:
        return False
    try:
        found, parent = import_string(path), import_string(base)
    except AppRegistryNotReady:
        raise
    except Exception:
        # The checks say what is wrong with it; a module can raise anything when it is imported.
        return False
    return isinstance(found, type) and isinstance(parent, type) and issubclass(found, parent)


def why_unknown(variant: str) -> str:
    """Return what is wrong with a variant that has no entry, and what to do."""
    platform, account_id = split_variant(variant)
    if not account_id:
        return f"PAYMENT_VARIANTS has no entry {variant!r}. Add it, or correct the gateway."
    return (
        f"The account {account_id} takes no payments through the variant {platform!r}: it is not connected to its "
        'platform (any more), or the variant has no option "direct_charges". Connect it again, or give up in the admin '
        "on what is open there."
    )
