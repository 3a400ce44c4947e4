"""Register where localstripe's events go: it has no endpoints, but an address of its own for that."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

from django_stripe_gateway.conf import gateway_settings
from django_stripe_gateway.exceptions import ProviderError, ProviderUnavailable
from django_stripe_gateway.gateways.stripe.accounts import StripeAccount

# localstripe signs whatever it sends and refuses to do so with nothing.
UNCHECKED_SECRET = "whsec_localstripe"  # noqa: S105 (nobody checks it)


def register_with_localstripe(account: StripeAccount, url: str, events: Sequence[str]) -> None:
    """Let localstripe deliver ``events`` to ``url``; a second registration of the variant replaces the first.

    Raises:
        ProviderUnavailable: it does not answer.
        ProviderError: it refuses the registration.
    """
    import requests  # noqa: PLC0415

    secret = next(iter(account.webhook_secrets), UNCHECKED_SECRET)
    address = f"{account.api_base}/_config/webhooks/{quote(account.variant, safe='')}"
    with requests.Session() as session:
        # A fake in development is never behind the proxy that the environment may name.
        session.trust_env = False
        try:
            answer = session.post(
                address,
                json={"url": url, "secret": secret, "events": list(events)},
                timeout=gateway_settings.timeout,
                allow_redirects=False,
            )
        except requests.RequestException:
            raise ProviderUnavailable(
                f"localstripe does not answer at {account.api_base}. Start it, or correct "
                "STRIPE_GATEWAY_LOCALSTRIPE_URL."
            ) from None
    if answer.status_code != requests.codes.ok:
        raise ProviderError(
            f"localstripe refused the webhook with HTTP status {answer.status_code}. Is it localstripe that listens "
            f"at {account.api_base}, and does the address {url} begin with http?"
        )
