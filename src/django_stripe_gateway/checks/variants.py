"""``PAYMENT_VARIANTS``: its shape, and what its entries name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage
from django.utils.module_loading import import_string

from django_stripe_gateway.checks.messages import error, nearest, warning
from django_stripe_gateway.conf import PAYPAL_PROVIDER, STRIPE_PROVIDER, rules
from django_stripe_gateway.gateways.stripe.accounts import FLOW_CHECKOUT, FLOW_INTENT

EXAMPLE = f'PAYMENT_VARIANTS = {{"stripe": ("{STRIPE_PROVIDER}", {{}})}}'
UPSTREAM_PROVIDERS = ("payments.stripe.StripeProvider", "payments.stripe.StripeProviderV3")
# Option of a variant → what it must be, and the test for it.
OPTIONS: Mapping[str, tuple[str, rules.Rule]] = {
    "api_key": ("a string", rules.is_optional_text),
    "endpoint_secret": ("a string, or a list of strings", rules.is_texts),
    "api_base": ("an address, or empty", rules.is_optional_address),
    "api_version": ("a version of Stripe's API, or empty", rules.is_optional_version),
    "flow": (f'"{FLOW_CHECKOUT}" or "{FLOW_INTENT}"', rules.is_optional_text),
    "capture": ("True or False", rules.is_bool),
    "use_localstripe": ("True or False", rules.is_bool),
    "gateway": ("a dotted path", rules.is_optional_text),
}


def check_variants(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Check that each variant can be read and that what it names exists."""
    raw = getattr(settings, "PAYMENT_VARIANTS", None)
    if not isinstance(raw, Mapping) or not raw:
        message = "PAYMENT_VARIANTS must be a dictionary with at least one entry."
        return [error("001", message, f"Remove the line to get the default, or write {EXAMPLE}.")]
    found: list[CheckMessage] = []
    for name, entry in raw.items():
        if is_well_formed(name, entry):
            found.extend(_check_variant(name, *entry))
        else:
            message = f"The entry {name!r} of PAYMENT_VARIANTS must be a dotted path and a dictionary of options."
            found.append(error("001", message, f"Write it like {EXAMPLE}."))
    return found


def readable_variants() -> dict[str, tuple[str, Mapping[str, Any]]]:
    """Return the entries of ``PAYMENT_VARIANTS`` that other checks can work with."""
    raw = getattr(settings, "PAYMENT_VARIANTS", None)
    if not isinstance(raw, Mapping):
        return {}
    return {
        name: (entry[0], entry[1])
        for name, entry in raw.items()
        if is_well_formed(name, entry) and not list(_wrong_options(name, entry[1]))
    }


def is_stripe(provider: str, options: Mapping[str, Any]) -> bool:
    """Return whether an entry is one of this app's Stripe variants, like ``gateways.accounts.is_stripe_variant``."""
    return provider == STRIPE_PROVIDER or options.get("gateway") == "stripe"


def is_well_formed(name: Any, entry: Any) -> bool:
    """Return whether an entry has a name, a path and options."""
    if not isinstance(name, str) or not isinstance(entry, list | tuple) or len(entry) != 2:
        return False
    return isinstance(entry[0], str) and isinstance(entry[1], Mapping)


def _check_variant(name: str, provider: str, options: Mapping[str, Any]) -> Iterator[CheckMessage]:
    yield from _wrong_options(name, options)
    if is_stripe(provider, options):
        yield from _unknown_options(name, options)
        flow = options.get("flow")
        if isinstance(flow, str) and flow not in ("", FLOW_CHECKOUT, FLOW_INTENT):
            message = f'The flow of the variant {name!r} must be "{FLOW_CHECKOUT}" or "{FLOW_INTENT}".'
            hint = f'Write "flow": "{FLOW_CHECKOUT}" in its options, or leave it out.'
            yield error("006", message, hint)
    if provider in UPSTREAM_PROVIDERS:
        message = f"The variant {name!r} uses django-payments' own Stripe provider, which fails on current Stripe SDKs."
        yield warning("004", message, f'Replace "{provider}" by "{STRIPE_PROVIDER}".')
    yield from _check_provider(name, provider, options)
    path = options.get("gateway")
    if isinstance(path, str) and path not in ("", "paypal", "stripe"):
        problem = rules.import_problem(path)
        if problem:
            message = f"The gateway {path!r} of the variant {name!r} cannot be imported: {problem}."
            yield error("007", message, 'Correct the option "gateway", or install what it needs.')


def _check_provider(name: str, provider: str, options: Mapping[str, Any]) -> Iterator[CheckMessage]:
    problem = rules.import_problem(provider)
    if problem:
        message = f"The provider {provider!r} of the variant {name!r} cannot be imported: {problem}."
        yield error("007", message, "Correct PAYMENT_VARIANTS, or install what the provider needs.")
        return
    extends_ours = getattr(import_string(provider), "records_changes", False)
    is_known = is_stripe(provider, options) or provider == PAYPAL_PROVIDER
    if extends_ours and not is_known and not options.get("gateway"):
        message = f"The provider {provider!r} of the variant {name!r} extends this app's, but no gateway is named."
        yield error("009", message, f'Add "gateway": "stripe" to the options of {name!r}.')


def _wrong_options(name: str, options: Mapping[str, Any]) -> Iterator[CheckMessage]:
    for option, (expected, is_valid) in OPTIONS.items():
        if option in options and not is_valid(options[option]):
            message = f'The option "{option}" of the variant {name!r} must be {expected}.'
            yield error("008", message, f'Correct "{option}" in PAYMENT_VARIANTS, or leave it out.')


def _unknown_options(name: str, options: Mapping[str, Any]) -> Iterator[CheckMessage]:
    for option in options:
        if option in OPTIONS:
            continue
        meant = nearest(str(option), OPTIONS)
        hint = f'Did you mean "{meant}"?' if meant else "Remove it: it has no effect."
        yield warning("002", f'The variant {name!r} has the option "{option}", which does not exist.', hint)
