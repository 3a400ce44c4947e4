"""The PayPal accounts that the settings describe, one per payment variant."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from django_stripe_gateway.conf import PAYPAL_PROVIDER, gateway_settings, made_of_settings, split_secrets
from django_stripe_gateway.exceptions import GatewayConfigurationError
from django_stripe_gateway.gateways.entries import is_entry_of

#: What a gateway of the host's may extend, and be one of this provider's.
BASE_GATEWAY = "django_stripe_gateway.gateways.paypal.payments.PayPalGateway"
LIVE_API = "https://api-m.paypal.com"
SANDBOX_API = "https://api-m.sandbox.paypal.com"
made_of_account = made_of_settings(
    "PAYMENT_VARIANTS",
    *(f"STRIPE_GATEWAY_PAYPAL_{name}" for name in ("CLIENT_ID", "CLIENT_SECRET", "WEBHOOK_ID", "SANDBOX", "API_BASE")),
)


@dataclass(frozen=True, slots=True)
class PayPalAccount:
    """One account: how it is reached, and how its webhooks are verified. The secret stays out of its repr."""

    variant: str
    client_id: str
    client_secret: str = field(repr=False)
    webhook_ids: tuple[str, ...]
    api_base: str
    is_sandbox: bool
    manual_capture: bool

    def __reduce__(self) -> tuple[Callable[[str], PayPalAccount], tuple[str]]:
        """Pickle the variant's name only: tasks are queued in pickles, and secrets do not belong there."""
        return paypal_account, (self.variant,)

    @property
    def livemode(self) -> bool:
        """Whether the account moves real money."""
        return not self.is_sandbox


def is_paypal_variant(variant: str) -> bool:
    """Return whether ``PAYMENT_VARIANTS`` gives ``variant`` to this app's PayPal provider."""
    provider, options = gateway_settings.variants.get(variant, ("", {}))
    return is_entry_of("paypal", PAYPAL_PROVIDER, BASE_GATEWAY, provider, options or {})


@made_of_account
def paypal_account(variant: str) -> PayPalAccount:
    """Return the account of ``variant``: its own options, and the ``STRIPE_GATEWAY_PAYPAL_*`` settings for the rest.

    A variant with credentials of its own has webhook ids of its own: the default ones are another app's at PayPal.

    Raises:
        GatewayConfigurationError: the variant is not one of this app's PayPal variants.
    """
    if not is_paypal_variant(variant):
        raise GatewayConfigurationError(
            f"PAYMENT_VARIANTS has no PayPal variant {variant!r}. Add "
            f'"{variant}": ("{PAYPAL_PROVIDER}", {{}}) to PAYMENT_VARIANTS.'
        )
    options = gateway_settings.variants[variant][1] or {}
    own_id = str(options.get("client_id") or "").strip()
    client_id = own_id or gateway_settings.paypal_client_id
    is_default = not own_id or own_id == gateway_settings.paypal_client_id
    default_secret = gateway_settings.paypal_client_secret if is_default else ""
    default_webhooks = gateway_settings.paypal_webhook_ids if is_default else ()
    is_sandbox = bool(options.get("sandbox", gateway_settings.paypal_sandbox))
    base = str(options.get("api_base") or "").rstrip("/") or gateway_settings.paypal_api_base
    return PayPalAccount(
        variant=variant,
        client_id=client_id,
        client_secret=str(options.get("client_secret") or "").strip() or default_secret,
        webhook_ids=split_secrets(options.get("webhook_id")) or default_webhooks,
        api_base=base or (SANDBOX_API if is_sandbox else LIVE_API),
        is_sandbox=is_sandbox,
        manual_capture=options.get("capture") is False,
    )


@made_of_account
def paypal_accounts() -> Sequence[PayPalAccount]:
    """Return the account of every PayPal variant."""
    return tuple(paypal_account(variant) for variant in gateway_settings.variants if is_paypal_variant(variant))


def share_paypal_account(one: str, other: str) -> bool:
    """Return whether two variants stand for the same account at PayPal."""
    if one == other:
        return True
    if not is_paypal_variant(one) or not is_paypal_variant(other):
        return False
    first, second = paypal_account(one), paypal_account(other)
    same_keys = bool(first.client_id) and first.client_id == second.client_id
    shared_webhook = not set(first.webhook_ids).isdisjoint(second.webhook_ids)
    return first.is_sandbox == second.is_sandbox and (same_keys or shared_webhook)
