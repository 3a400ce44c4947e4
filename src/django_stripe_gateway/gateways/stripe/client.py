"""One ``StripeClient`` per account and process, on one shared pool of connections.

``stripe.api_key`` and the other globals of the SDK are never set: with two accounts and threads, requests would go out
under the wrong key. The SDK's own HTTP client keeps a pool per thread, so that a thread per request (ASGI running sync
views) would connect anew each time; one session shared by all threads does not.
"""

from __future__ import annotations

import os
import re
import threading
from contextvars import ContextVar
from http.cookiejar import DefaultCookiePolicy
from typing import TYPE_CHECKING

from django_stripe_gateway.conf import gateway_settings
from django_stripe_gateway.exceptions import GatewayConfigurationError
from django_stripe_gateway.gateways.stripe.accounts import StripeAccount

if TYPE_CHECKING:
    from requests import PreparedRequest, Session
    from stripe import StripeClient

# Seconds for the connection alone: long enough for two lost packets. Whatever the time-out, a dead host shows soon.
CONNECT_TIMEOUT = 5.0
# Anything else would fail while the request's headers are written, in an exception that quotes them.
API_KEY = re.compile(r"[!-~]+")

_Key = tuple[str, str, str, float, int, int]


class ClientPool:
    """Clients by the settings that made them; a change of settings makes a new one."""

    def __init__(self) -> None:
        self._clients: dict[_Key, tuple[StripeClient, Session]] = {}
        self._lock = threading.Lock()

    def get(self, account: StripeAccount) -> StripeClient:
        """Return the client of ``account``.

        Raises:
            GatewayConfigurationError: the account has no key, or one that cannot be one.
        """
        if not account.api_key:
            raise GatewayConfigurationError(
                f"No API key for the payment variant {account.variant!r}. Set STRIPE_GATEWAY_API_KEY in your settings."
            )
        if not API_KEY.fullmatch(account.api_key):
            raise GatewayConfigurationError(
                f"The API key of the payment variant {account.variant!r} holds spaces or characters that no key has. "
                "Copy it again from Stripe's Dashboard."
            )
        key = (
            account.api_key,
            account.api_base,
            account.api_version,
            gateway_settings.timeout,
            gateway_settings.max_network_retries,
            gateway_settings.pool_size,
        )
        entry = self._clients.get(key)
        if entry is None:
            with self._lock:
                entry = self._clients.get(key) or _make_client(account)
                self._clients[key] = entry
        return entry[0]

    def close(self) -> None:
        """Close every connection; the next call opens new ones."""
        with self._lock:
            clients, self._clients = self._clients, {}
        for _client, session in clients.values():
            session.close()

    def forget(self) -> None:
        """Drop every client, without closing sockets that a parent process may still use."""
        self._clients = {}
        self._lock = threading.Lock()


def _make_client(account: StripeAccount) -> tuple[StripeClient, Session]:
    import requests  # noqa: PLC0415
    import stripe  # noqa: PLC0415 (0.3 s and 25 MB that a process which never pays should not spend)

    session = requests.Session()
    # Cookies would be the only state that threads share through the session.
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    session.auth = _keep_authorization
    # The API never redirects; whoever does must not be sent the key or the request.
    session.max_redirects = 0
    adapter = requests.adapters.HTTPAdapter(pool_maxsize=gateway_settings.pool_size)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    timeout = gateway_settings.timeout
    client = stripe.StripeClient(
        account.api_key,
        stripe_version=account.api_version or None,
        base_addresses={"api": account.api_base} if account.api_base else {},
        max_network_retries=gateway_settings.max_network_retries,
        http_client=stripe.RequestsClient(timeout=(min(CONNECT_TIMEOUT, timeout), timeout), session=session),
    )
    return client, session


#: How often the current call of the SDK has gone out: it repeats a request whose connection broke.
http_attempts: ContextVar[int] = ContextVar("http_attempts", default=0)


def _keep_authorization(request: PreparedRequest) -> PreparedRequest:
    """Leave the request's own ``Authorization``: a line of ``~/.netrc`` for the host would replace it. Count it."""
    http_attempts.set(http_attempts.get() + 1)
    return request


pool = ClientPool()
# A forked worker must not write into its parent's connections.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=pool.forget)
