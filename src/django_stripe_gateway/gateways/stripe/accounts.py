"""The Stripe accounts that the settings describe, one per payment variant."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from django_stripe_gateway.conf import LOCALSTRIPE_API_KEY, STRIPE_PROVIDER, gateway_settings, split_secrets
from django_stripe_gateway.exceptions import GatewayConfigurationError

FLOW_CHECKOUT = "checkout"
FLOW_INTENT = "intent"
LIVE_KEY_PREFIXES = ("sk_live_", "rk_live_")


@dataclass(frozen=True, slots=True)
class StripeAccount:
    """One account: how it is reached, and how its webhooks are verified. Secrets stay out of its repr."""

    variant: str
    api_key: str = field(repr=False)
    webhook_secrets: tuple[str, ...] = field(repr=False)
    api_base: str
    api_version: str
    is_localstripe: bool
    flow: str
    manual_capture: bool

    def __reduce__(self) -> tuple[Callable[[str], StripeAccount], tuple[str]]:
        """Pickle the variant's name only: tasks are queued in pickles, and secrets do not belong there."""
        return stripe_account, (self.variant,)

    @property
    def livemode(self) -> bool:
        """Whether the key moves real money."""
        return self.api_key.startswith(LIVE_KEY_PREFIXES)

    @property
    def accepts_unsigned_webhooks(self) -> bool:
        """Whether events need no signature: only localstripe's, and only while no secret is set."""
        return self.is_localstripe and not self.webhook_secrets and not self.livemode


def is_stripe_variant(variant: str) -> bool:
    """Return whether ``PAYMENT_VARIANTS`` gives ``variant`` to this app's Stripe provider."""
    provider, options = gateway_settings.variants.get(variant, ("", {}))
    options = options or {}
    return provider == STRIPE_PROVIDER or options.get("gateway") == "stripe"


def stripe_account(variant: str) -> StripeAccount:
    """Return the account of ``variant``: its own options, and the ``STRIPE_GATEWAY_*`` settings for the rest.

    Raises:
        GatewayConfigurationError: the variant is not one of this app's Stripe variants.
    """
    if not is_stripe_variant(variant):
        raise GatewayConfigurationError(
            f"PAYMENT_VARIANTS has no Stripe variant {variant!r}. Add "
            f'"{variant}": ("{STRIPE_PROVIDER}", {{}}) to PAYMENT_VARIANTS.'
        )
    options = gateway_settings.variants[variant][1] or {}
    local = bool(options.get("use_localstripe", gateway_settings.use_localstripe))
    default_flow = FLOW_INTENT if local else FLOW_CHECKOUT
    return StripeAccount(
        variant=variant,
        api_key=_api_key(options, local=local),
        webhook_secrets=_webhook_secrets(options),
        api_base=_api_base(options, local=local),
        api_version=str(options.get("api_version") or gateway_settings.api_version),
        is_localstripe=local,
        flow=str(options.get("flow") or default_flow),
        manual_capture=options.get("capture") is False,
    )


def stripe_accounts() -> Iterator[StripeAccount]:
    """Yield the account of every Stripe variant."""
    for variant in gateway_settings.variants:
        if is_stripe_variant(variant):
            yield stripe_account(variant)


def _api_key(options: Mapping[str, Any], *, local: bool) -> str:
    key = str(options.get("api_key") or gateway_settings.api_key or (LOCALSTRIPE_API_KEY if local else ""))
    return key.strip()


def _webhook_secrets(options: Mapping[str, Any]) -> tuple[str, ...]:
    own = split_secrets(options.get("endpoint_secret"))
    api_key = str(options.get("api_key") or "").strip()
    default_key = gateway_settings.api_key.strip()
    if own or (api_key and default_key and api_key != default_key):
        # The default secret signs the default account's events, which are not this one's.
        return own
    return gateway_settings.webhook_secrets


def _api_base(options: Mapping[str, Any], *, local: bool) -> str:
    base = str(options.get("api_base") or "").rstrip("/")
    return base or (gateway_settings.localstripe_url if local else gateway_settings.api_base)
