"""The providers that are registered, and the gateways of their payment variants."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from django.utils.module_loading import import_string

from django_stripe_gateway.accounts import Account, read_accounts_with
from django_stripe_gateway.conf import gateway_settings, is_seller_variant, made_of_settings, split_variant
from django_stripe_gateway.exceptions import GatewayConfigurationError, UnsupportedByGateway
from django_stripe_gateway.gateways.account_reading import AccountReader
from django_stripe_gateway.gateways.base import Gateway
from django_stripe_gateway.gateways.billing import BillingGateway
from django_stripe_gateway.gateways.connecting import ConnectGateway
from django_stripe_gateway.gateways.entries import why_unknown
from django_stripe_gateway.gateways.metering import MeterGateway
from django_stripe_gateway.gateways.provider import Provider

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,31}", re.ASCII)

_providers: dict[str, Provider] = {}


def register_provider(provider: Provider) -> None:
    """Make a provider known, with its payments, webhooks, billing, meters and checks; call it in ``AppConfig.ready()``.

    Raises:
        ValueError: its name is no slug of at most 32 small letters, or another provider has it.
        ImportError: its ``webhooks`` cannot be imported.
    """
    known = _providers.get(provider.name)
    if not _NAME.fullmatch(provider.name) or (known is not None and type(known) is not type(provider)):
        raise ValueError(f"A provider cannot be registered as {provider.name!r}: the name is taken, or it is no slug.")
    if provider.webhooks:
        # Registers the handlers of its events: before the first of them arrives.
        import_string(provider.webhooks)
    _providers[provider.name] = provider


def registered_providers() -> list[Provider]:
    """Return the providers in the order of their registration."""
    return list(_providers.values())


def find_provider(name: str) -> Provider | None:
    """Return the provider that is registered as ``name``, ``None`` if there is none."""
    return _providers.get(name)


def provider_of(variant: str) -> Provider | None:
    """Return the provider whose account ``variant`` is, ``None`` if it is none's."""
    try:
        return _owner(variant, *_providers.values())
    except GatewayConfigurationError:
        return None


def _owner(variant: str, *providers: Provider) -> Provider | None:
    platform = split_variant(variant)[0]
    # Asked of the database, and never remembered.
    if platform != variant and variant not in gateway_settings.variants:
        raise GatewayConfigurationError(why_unknown(variant))
    return _owner_of_entry(platform, *providers)


@made_of_settings("PAYMENT_VARIANTS")
def _owner_of_entry(variant: str, *providers: Provider) -> Provider | None:
    if variant not in gateway_settings.variants:
        raise GatewayConfigurationError(why_unknown(variant))
    return next((provider for provider in providers if provider.owns(variant)), None)


def account_of(variant: str) -> Account | None:
    """Return what the settings tell of the account behind ``variant``; see ``Provider.account``."""
    provider = provider_of(variant)
    return None if provider is None else provider.account(variant)


read_accounts_with(account_of)


def get_gateway(variant: str) -> Gateway:
    """Return the gateway behind ``variant``.

    A variant's option ``gateway`` may name a class of the host's, as a dotted path; it is called with the variant, or
    made as the provider's own if it extends one of those.

    Raises:
        GatewayConfigurationError: the settings name no such variant, or one that this app cannot call.
    """
    provider = _owner(variant, *_providers.values())
    # A provider's name has no dot.
    is_hosts = provider is None or "." in _host_path(variant)
    return _gateway_of_host(variant, provider) if is_hosts else provider.payments(variant)  # type: ignore[union-attr]


def refuse_sellers(variant: str, what: str) -> None:
    """Raise ``UnsupportedByGateway`` for a seller's variant.

    Args:
        what: cannot be had there; the beginning of a sentence.
    """
    if is_seller_variant(variant):
        raise UnsupportedByGateway(
            f"{what} are the platform's: on a seller's account ({variant}) one-off payments are taken and nothing else."
        )


def get_billing_gateway(variant: str) -> BillingGateway:
    """Return the gateway that bills customers of the account behind ``variant``.

    Raises:
        GatewayConfigurationError: the settings name no such variant.
        UnsupportedByGateway: the variant's provider bills no subscriptions, or it is a seller's.
    """
    refuse_sellers(variant, "Subscriptions, customers and catalogue")
    provider = _owner(variant, *_providers.values())
    if provider is None:
        raise UnsupportedByGateway(f"The provider of the variant {variant!r} bills no subscriptions here.")
    return provider.billing(variant)


def get_meters(variant: str) -> MeterGateway:
    """Return the meters of the account behind ``variant``.

    Raises:
        GatewayConfigurationError: the settings name no such variant, or one whose provider has no meters.
        UnsupportedByGateway: it is a seller's.
    """
    refuse_sellers(variant, "Meters")
    provider = _owner(variant, *_providers.values())
    if provider is None or not provider.supports_meters:
        raise GatewayConfigurationError(f"The provider of the variant {variant!r} has no meters here.")
    return provider.meters(variant)


def get_connect_gateway(variant: str) -> ConnectGateway:
    """Return the accounts of sellers that are connected to the account behind ``variant``.

    Raises:
        GatewayConfigurationError: the settings name no such variant.
        UnsupportedByGateway: the variant's provider connects none, or it is a seller's itself.
    """
    refuse_sellers(variant, "Connected accounts")
    provider = _owner(variant, *_providers.values())
    if provider is None:
        raise UnsupportedByGateway(f"The provider of the variant {variant!r} connects no accounts of sellers here.")
    return provider.connect(variant)


def get_account_reader(variant: str) -> AccountReader:
    """Return what reads all that the account behind ``variant`` holds.

    Raises:
        GatewayConfigurationError: the settings name no such variant.
        UnsupportedByGateway: the variant's provider cannot be read so, or it is a seller's.
    """
    refuse_sellers(variant, "Imports")
    provider = _owner(variant, *_providers.values())
    if provider is None:
        raise UnsupportedByGateway(f"The account of the variant {variant!r} cannot be imported here.")
    return provider.account_reader(variant)


def is_supported_variant(variant: str) -> bool:
    """Return whether ``get_gateway`` would find a gateway for ``variant``."""
    return provider_of(variant) is not None or (bool(_host_path(variant)) and variant in gateway_settings.variants)


def bills_subscriptions(variant: str) -> bool:
    """Return whether subscriptions can be sold through the account behind ``variant``."""
    provider = provider_of(variant)
    return provider is not None and provider.supports_billing and not is_seller_variant(variant)


def billing_variants() -> Iterator[str]:
    """Yield the payment variants through whose accounts subscriptions can be sold."""
    return filter(bills_subscriptions, gateway_settings.variants)


def has_meters(variant: str) -> bool:
    """Return whether use can be reported to the account behind ``variant``."""
    provider = provider_of(variant)
    return provider is not None and provider.supports_meters and not is_seller_variant(variant)


@contextmanager
def temporary_providers() -> Iterator[None]:
    """Forget, on leaving, which providers were registered inside: for tests."""
    before = dict(_providers)
    try:
        yield
    finally:
        _providers.clear()
        _providers.update(before)


def _host_path(variant: str) -> str:
    options = gateway_settings.variants.get(split_variant(variant)[0], ("", {}))[1] or {}
    return str(options.get("gateway") or "")


def _gateway_of_host(variant: str, provider: Provider | None) -> Gateway:
    path = _host_path(variant)
    if not path:
        raise GatewayConfigurationError(
            f"The variant {variant!r} belongs to another provider. Its payments are made with payment.get_form()."
        )
    try:
        gateway_class = import_string(path)
    except ImportError as error:
        raise GatewayConfigurationError(
            f"The variant {variant!r} names the gateway {path!r}, which cannot be imported: {error}."
        ) from error
    if not (isinstance(gateway_class, type) and issubclass(gateway_class, Gateway)):
        raise GatewayConfigurationError(
            f"The variant {variant!r} names the gateway {path!r}, which is no subclass of {Gateway.__qualname__}."
        )
    # Before anything is called, which a class that asks for something else would fail at.
    made: Gateway = gateway_class(variant) if provider is None else provider.make_gateway(gateway_class, variant)  # type: ignore[call-arg]
    return made
