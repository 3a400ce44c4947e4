"""``PAYMENT_VARIANTS``: its shape, what its entries name, and which of them sells subscriptions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage
from django.utils.module_loading import import_string

from django_stripe_gateway.checks.messages import error, nearest, warning
from django_stripe_gateway.checks.providers import all_checks, checks_of, owner_of
from django_stripe_gateway.checks.settings import wrong_settings
from django_stripe_gateway.conf import gateway_settings, rules
from django_stripe_gateway.gateways.base import Gateway
from django_stripe_gateway.gateways.provider import Options, Provider
from django_stripe_gateway.gateways.registry import bills_subscriptions, find_provider, registered_providers


def check_variants(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Check that each variant can be read and that what it names exists."""
    raw, example = getattr(settings, "PAYMENT_VARIANTS", None), _example()
    if not isinstance(raw, Mapping) or not raw:
        message = "PAYMENT_VARIANTS must be a dictionary with at least one entry."
        return [error("001", message, f"Remove the line to get the default, or write {example}.")]
    found: list[CheckMessage] = []
    for name, entry in raw.items():
        if is_well_formed(name, entry):
            found.extend(_check_variant(name, *entry))
        else:
            message = f"The entry {name!r} of PAYMENT_VARIANTS must be a dotted path and a dictionary of options."
            found.append(error("001", message, f"Write it like {example}."))
    return found


def check_billing_variant(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Check that the account that sells subscriptions is one of a provider that bills them."""
    if "STRIPE_GATEWAY_BILLING_VARIANT" in wrong_settings():
        return []
    name = gateway_settings.billing_variant
    billing = [variant for variant in readable_variants() if bills_subscriptions(variant)]
    if not name or name in billing:
        return []
    meant = nearest(name, billing)
    hint = f"Did you mean {meant!r}?" if meant else "Name a variant that bills subscriptions, or remove the line."
    return [error("070", "STRIPE_GATEWAY_BILLING_VARIANT names no variant that bills subscriptions.", hint)]


def readable_variants() -> dict[str, tuple[str, Mapping[str, Any]]]:
    """Return the entries of ``PAYMENT_VARIANTS`` that other checks can work with."""
    raw = getattr(settings, "PAYMENT_VARIANTS", None)
    if not isinstance(raw, Mapping):
        return {}
    return {
        name: (entry[0], entry[1])
        for name, entry in raw.items()
        if is_well_formed(name, entry) and not list(wrong_options(name, entry[1], checks_of(owner_of(*entry)).options))
    }


def is_well_formed(name: Any, entry: Any) -> bool:
    """Return whether an entry has a name, a path and options."""
    if not isinstance(name, str) or not isinstance(entry, list | tuple) or len(entry) != 2:
        return False
    return isinstance(entry[0], str) and isinstance(entry[1], Mapping)


def wrong_options(name: str, options: Mapping[str, Any], table: Options) -> Iterator[CheckMessage]:
    """Yield an error for each option of a variant that has the wrong type."""
    for option, (expected, is_valid) in table.items():
        if option in options and not is_valid(options[option]):
            message = f'The option "{option}" of the variant {name!r} must be {expected}.'
            yield error("008", message, f'Correct "{option}" in PAYMENT_VARIANTS, or leave it out.')


def _check_variant(name: str, path: str, options: Mapping[str, Any]) -> Iterator[CheckMessage]:
    owner = owner_of(path, options)
    table = checks_of(owner).options
    yield from wrong_options(name, options, table)
    for option in options:
        # Of a provider that brings no checks nobody knows which options it reads.
        if owner is not None and owner.checks and option not in table:
            meant = nearest(str(option), table)
            hint = f'Did you mean "{meant}"?' if meant else "Remove it: it has no effect."
            yield warning("002", f'The variant {name!r} has the option "{option}", which does not exist.', hint)
    for checks in all_checks():
        yield from checks.check_entry(name, path, options)
    yield from _check_path(name, path, options)
    gateway = options.get("gateway")
    if isinstance(gateway, str) and gateway and find_provider(gateway) is None:
        problem = rules.import_problem(gateway)
        if problem:
            message = f"The gateway {gateway!r} of the variant {name!r} cannot be imported: {problem}."
            yield error("007", message, 'Correct the option "gateway", or install what it needs.')
        elif not (isinstance(found := import_string(gateway), type) and issubclass(found, Gateway)):
            message = f"The gateway {gateway!r} of the variant {name!r} is no subclass of Gateway."
            yield error("007", message, "Extend gateways.Gateway, or a gateway of the variant's provider.")


def _check_path(name: str, path: str, options: Mapping[str, Any]) -> Iterator[CheckMessage]:
    problem = rules.import_problem(path)
    if problem:
        message = f"The provider {path!r} of the variant {name!r} cannot be imported: {problem}."
        yield error("007", message, "Correct PAYMENT_VARIANTS, or install what the provider needs.")
        return
    extends_ours = getattr(import_string(path), "records_changes", False)
    if extends_ours and owner_of(path, options) is None and not options.get("gateway"):
        message = f"The provider {path!r} of the variant {name!r} extends this app's, but no gateway is named."
        yield error("009", message, f'Add "gateway": "{_first().name}" to the options of {name!r}.')


def _example() -> str:
    first = _first()
    return f'PAYMENT_VARIANTS = {{"{first.name}": ("{first.payments_provider}", {{}})}}'


def _first() -> Provider:
    return registered_providers()[0]
