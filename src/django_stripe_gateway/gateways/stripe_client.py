"""One ``StripeClient`` per account and process, on one shared pool of connections.

``stripe.api_key`` and the other globals of the SDK are never set: with two accounts and threads, requests would go out
under the wrong key. The SDK's own HTTP client keeps a pool per thread, so that a thread per request (ASGI running sync
views) would connect anew each time; one session shared by all threads does not.
"""

from __future__ import annotations

import os
import threading
from http.cookiejar import DefaultCookiePolicy
from typing import TYPE_CHECKING

from django_stripe_gateway.conf import gateway_settings
from django_stripe_gateway.exceptions import GatewayConfigurationError
from django_stripe_gateway.gateways.accounts import StripeAccount

if TYPE_CHECKING:
    from stripe import StripeClient

_Key = tuple[str, str, str, float, int, int]


class ClientPool:
    """Clients by the settings that made them; a change of settings makes a new one."""

    def __init__(self) -> None:
        self._clients: dict[_Key, StripeClient] = {}
        self._lock = threading.Lock()

    def get(self, account: StripeAccount) -> StripeClient:
        """Return the client of ``account``.

        Raises:
            GatewayConfigurationError: the account has no key.
        """
        if not account.api_key:
            raise GatewayConfigurationError(
                f"No API key for the payment variant {account.variant!r}. Set STRIPE_GATEWAY_API_KEY in your settings."
            )
        key = (
            account.api_key,
            account.api_base,
            account.api_version,
            gateway_settings.timeout,
            gateway_settings.max_network_retries,
            gateway_settings.pool_size,
        )
        client = self._clients.get(key)
        if client is None:
            with self._lock:
                client = self._clients.get(key) or _make_client(account)
                self._clients[key] = client
        return client

    def forget(self) -> None:
        """Drop every client, without closing sockets that a parent process may still use."""
        self._clients = {}
        self._lock = threading.Lock()


def _make_client(account: StripeAccount) -> StripeClient:
    import requests  # noqa: PLC0415
    import stripe  # noqa: PLC0415 (0.3 s and 25 MB that a process which never pays should not spend)

    session = requests.Session()
    # Cookies would be the only state that threads share through the session.
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    adapter = requests.adapters.HTTPAdapter(pool_maxsize=gateway_settings.pool_size)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return stripe.StripeClient(
        account.api_key,
        stripe_version=account.api_version or None,
        base_addresses={"api": account.api_base} if account.api_base else {},
        max_network_retries=gateway_settings.max_network_retries,
        http_client=stripe.RequestsClient(timeout=gateway_settings.timeout, session=session),
    )


pool = ClientPool()
# A forked worker must not write into its parent's connections.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=pool.forget)
