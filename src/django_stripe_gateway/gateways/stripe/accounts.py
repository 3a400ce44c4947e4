"""The Stripe accounts that the settings describe, one per payment variant."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from django.utils.crypto import salted_hmac

from django_stripe_gateway.conf import (
    LOCALSTRIPE_API_KEY,
    STRIPE_PROVIDER,
    gateway_settings,
    made_of_settings,
    split_secrets,
    split_variant,
)
from django_stripe_gateway.exceptions import GatewayConfigurationError
from django_stripe_gateway.gateways.entries import is_entry_of, why_unknown

#: What a gateway of the host's may extend, and be one of this provider's.
BASE_GATEWAY = "django_stripe_gateway.gateways.stripe.payments.StripeGateway"
DIGEST_SALT = "django_stripe_gateway.account"
FLOW_CHECKOUT = "checkout"
FLOW_INTENT = "intent"
LIVE_KEY_PREFIXES = ("sk_live_", "rk_live_")
# An organisation's key, which stands for no account by itself. One that does not say that it is for tests moves money.
ORGANIZATION_KEY_PREFIXES = ("sk_org_", "rk_org_")
TEST_ORGANIZATION_KEY_PREFIXES = ("sk_org_test_", "rk_org_test_")
#: Settings that an account is made of, besides ``PAYMENT_VARIANTS``.
ACCOUNT_SETTINGS = tuple(
    f"STRIPE_GATEWAY_{name}"
    for name in (
        "API_KEY",
        "ACCOUNT_ID",
        "CONTEXT",
        "WEBHOOK_SECRET",
        "API_BASE",
        "API_VERSION",
        "USE_LOCALSTRIPE",
        "LOCALSTRIPE_URL",
    )
)
made_of_account = made_of_settings("PAYMENT_VARIANTS", *ACCOUNT_SETTINGS)


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
    #: Of endpoints that bring the events of connected accounts.
    connect_secrets: tuple[str, ...] = field(default=(), repr=False)
    #: As the host says; empty to have Stripe asked.
    account_id: str = ""
    #: The account, or the path to it, in whose name the key's calls are made; empty for the key's own.
    context: str = ""
    #: The seller's account, connected to the key's, in whose name the calls are made; empty for the key's own.
    connected_id: str = ""
    #: Whether the key moves real money.
    livemode: bool = field(init=False)
    #: Stands for the key where it is remembered whose it is; nobody can read the key from it. Empty for a seller's
    #: account, of which is known whose it is.
    key_digest: str = field(init=False, repr=False)
    #: Whether events need no signature: only localstripe's, and only while no secret is set.
    accepts_unsigned_webhooks: bool = field(init=False)

    def __post_init__(self) -> None:
        livemode = self.api_key.startswith(LIVE_KEY_PREFIXES) or (
            self.is_organization and not self.api_key.startswith(TEST_ORGANIZATION_KEY_PREFIXES)
        )
        object.__setattr__(self, "livemode", livemode)
        # One key stands for as many accounts as it has contexts.
        text = f"{self.api_key} {self.context}" if self.context else self.api_key
        digest = "" if self.connected_id else salted_hmac(DIGEST_SALT, text, algorithm="sha256").hexdigest()
        object.__setattr__(self, "key_digest", digest)
        is_unsigned = self.is_localstripe and not (self.webhook_secrets or livemode or self.connected_id)
        object.__setattr__(self, "accepts_unsigned_webhooks", is_unsigned)

    @property
    def is_organization(self) -> bool:
        """Whether the key is an organisation's, which needs a context."""
        return self.api_key.startswith(ORGANIZATION_KEY_PREFIXES)

    @property
    def signing_secrets(self) -> tuple[str, ...]:
        """The secrets of all endpoints that deliver here."""
        return self.webhook_secrets + self.connect_secrets

    def __reduce__(self) -> tuple[Callable[[str], StripeAccount], tuple[str]]:
        """Pickle the variant's name only: tasks are queued in pickles, and secrets do not belong there."""
        return stripe_account, (self.variant,)


def is_stripe_variant(variant: str) -> bool:
    """Return whether ``PAYMENT_VARIANTS`` gives ``variant`` to this app's Stripe provider."""
    provider, options = gateway_settings.variants.get(variant, ("", {}))
    return is_entry_of("stripe", STRIPE_PROVIDER, BASE_GATEWAY, provider, options or {})


def stripe_account(variant: str) -> StripeAccount:
    """Return the account of ``variant``: its own options, and the ``STRIPE_GATEWAY_*`` settings for the rest.

    That of a seller is the platform's with the seller's name to each call, and no secrets: what is signed comes from
    the platform's endpoints.

    Raises:
        GatewayConfigurationError: the variant is not one of this app's Stripe variants.
    """
    platform, connected_id = split_variant(variant)
    if not connected_id:
        return _account_of_settings(variant)
    if not is_stripe_variant(variant):
        raise GatewayConfigurationError(why_unknown(variant))
    return replace(
        _account_of_settings(platform),
        variant=variant,
        account_id=connected_id,
        connected_id=connected_id,
        webhook_secrets=(),
        connect_secrets=(),
    )


@made_of_account
def _account_of_settings(variant: str) -> StripeAccount:
    if not is_stripe_variant(variant):
        raise GatewayConfigurationError(
            f"PAYMENT_VARIANTS has no Stripe variant {variant!r}. Add "
            f'"{variant}": ("{STRIPE_PROVIDER}", {{}}) to PAYMENT_VARIANTS.'
        )
    options = gateway_settings.variants[variant][1] or {}
    local = bool(options.get("use_localstripe", gateway_settings.use_localstripe))
    default_key = gateway_settings.api_key
    # What is blank is no key, and never stands for the default one.
    api_key = str(options.get("api_key") or default_key or (LOCALSTRIPE_API_KEY if local else "")).strip()
    secrets = split_secrets(options.get("endpoint_secret"))
    default_context = gateway_settings.context
    is_default = (not api_key or default_key.strip() in ("", api_key)) and (
        str(options.get("context") or default_context) == default_context
    )
    if not secrets and is_default:
        # Another account's events are not signed with the default secret.
        secrets = gateway_settings.webhook_secrets
    context = "" if local else str(options.get("context") or (default_context if is_default else ""))
    named = str(options.get("account_id") or "") or (gateway_settings.account_id if is_default else "")
    default_base = gateway_settings.localstripe_url if local else gateway_settings.api_base
    return StripeAccount(
        variant=variant,
        api_key=api_key,
        webhook_secrets=secrets,
        connect_secrets=split_secrets(options.get("connect_endpoint_secret")),
        api_base=str(options.get("api_base") or "").rstrip("/") or default_base,
        api_version=str(options.get("api_version") or gateway_settings.api_version),
        is_localstripe=local,
        flow=str(options.get("flow") or (FLOW_INTENT if local else FLOW_CHECKOUT)),
        manual_capture=options.get("capture") is False,
        account_id=named or context.rpartition("/")[2],
        context=context,
    )


@made_of_account
def stripe_accounts() -> Sequence[StripeAccount]:
    """Return the account of every Stripe variant."""
    return tuple(stripe_account(variant) for variant in gateway_settings.variants if is_stripe_variant(variant))
