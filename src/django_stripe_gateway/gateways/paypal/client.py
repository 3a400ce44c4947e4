"""Calls of PayPal's REST API: one pooled session per process, an access token per account, retries under one id.

The token lives in memory only. It is a bearer's key to the account: it is never stored on a payment and never logged.
"""

from __future__ import annotations

import base64
import json
import logging
import os
import random
import threading
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from django_stripe_gateway.conf import gateway_settings
from django_stripe_gateway.exceptions import GatewayConfigurationError, GatewayError, ProviderUnavailable
from django_stripe_gateway.gateways.paypal.accounts import PayPalAccount
from django_stripe_gateway.gateways.paypal.errors import translate, unreadable
from django_stripe_gateway.gateways.sessions import connection_failure, make_session, timeouts

if TYPE_CHECKING:
    from requests import PreparedRequest, Response, Session

logger = logging.getLogger(__name__)

# A token is renewed this long before it ends, so that it does not end on the way. PayPal's live for about nine hours.
TOKEN_MARGIN = 60.0
LONGEST_PAUSE = 2.0
UNAUTHORIZED = 401
FORBIDDEN = 403
NO_CONTENT = 204
# PayPal has not acted, or answers the same id with what became of it: 409 is "the first one is still being worked on".
RETRIED = frozenset({409, 429, 500, 502, 503, 504})

Body = dict[str, Any]


class SessionPool:
    """The connections of this process, shared by all accounts: a session keeps no state of theirs."""

    def __init__(self) -> None:
        self._session: tuple[int, Session] | None = None
        self._lock = threading.Lock()

    def get(self) -> Session:
        """Return the session."""
        size = gateway_settings.pool_size
        entry = self._session
        if entry is None or entry[0] != size:
            with self._lock:
                entry = self._session
                if entry is None or entry[0] != size:
                    entry = self._session = (size, make_session(size, _keep_authorization))
        return entry[1]

    def close(self) -> None:
        """Close every connection; the next call opens new ones."""
        with self._lock:
            entry, self._session = self._session, None
        if entry is not None:
            entry[1].close()

    def forget(self) -> None:
        """Drop the session, without closing sockets that a parent process may still use."""
        self._session = None
        self._lock = threading.Lock()


class TokenCache:
    """Access tokens by the credentials that they were given for."""

    def __init__(self) -> None:
        self._tokens: dict[tuple[str, str, str], tuple[str, float]] = {}
        self._locks: dict[tuple[str, str, str], threading.Lock] = {}
        self._lock = threading.Lock()

    def get(self, account: PayPalAccount) -> str:
        """Return a token that is good for a while yet; one thread at a time asks for a new one."""
        key = _credentials(account)
        token = self._fresh(key)
        if token:
            return token
        with self._lock:
            lock = self._locks.setdefault(key, threading.Lock())
        with lock:
            token = self._fresh(key)
            if not token:
                token, seconds = _request_token(account)
                self._tokens[key] = (token, time.monotonic() + seconds)
        return token

    def drop(self, account: PayPalAccount, token: str) -> None:
        """Forget a token that PayPal refuses, unless another thread has renewed it already."""
        key = _credentials(account)
        entry = self._tokens.get(key)
        if entry is not None and entry[0] == token:
            self._tokens.pop(key, None)

    def forget(self) -> None:
        """Forget all tokens."""
        self._tokens = {}
        self._locks = {}
        self._lock = threading.Lock()

    def _fresh(self, key: tuple[str, str, str]) -> str:
        token, ends = self._tokens.get(key, ("", 0.0))
        return token if time.monotonic() < ends - TOKEN_MARGIN else ""


def call(
    account: PayPalAccount, method: str, path: str, body: Mapping[str, Any] | str | None = None, *, request_id: str = ""
) -> Body:
    """Make one call, repeated under the same id while its outcome is unknown, and return the answer's object.

    Args:
        body: the object to send; text is sent as it stands.
        request_id: PayPal's idempotency key (https://developer.paypal.com/api/rest/requests/#paypal-request-id); it
            brings the first answer again.

    Raises:
        GatewayError: see ``errors.translate``. Nothing of the request is chained: it holds the token.
    """
    data = body if isinstance(body, str) or body is None else json.dumps(body)
    headers = {"Accept": "application/json", "Content-Type": "application/json", "Prefer": "return=representation"}
    if request_id:
        headers["PayPal-Request-Id"] = request_id
    token = tokens.get(account)
    response = _send(account, method, path, data, headers | {"Authorization": f"Bearer {token}"})
    if response.status_code == UNAUTHORIZED:
        # PayPal ends tokens before their time when credentials are changed.
        tokens.drop(account, token)
        token = tokens.get(account)
        response = _send(account, method, path, data, headers | {"Authorization": f"Bearer {token}"})
    return _object(response)


def _request_token(account: PayPalAccount) -> tuple[str, float]:
    if not account.client_id or not account.client_secret:
        raise GatewayConfigurationError(
            f"No credentials for the payment variant {account.variant!r}. Set STRIPE_GATEWAY_PAYPAL_CLIENT_ID and "
            "STRIPE_GATEWAY_PAYPAL_CLIENT_SECRET in your settings."
        )
    basic = base64.b64encode(f"{account.client_id}:{account.client_secret}".encode()).decode()
    headers = {
        "Accept": "application/json",
        "Content-Type": "application/x-www-form-urlencoded",
        "Authorization": f"Basic {basic}",
    }
    answer = _object(_send(account, "POST", "/v1/oauth2/token", "grant_type=client_credentials", headers))
    token, seconds = answer.get("access_token"), answer.get("expires_in")
    if not isinstance(token, str) or not token or not isinstance(seconds, int):
        raise unreadable()
    # One that ends within the margin is used for the call that asked for it.
    return token, float(seconds)


def _send(account: PayPalAccount, method: str, path: str, data: str | None, headers: Mapping[str, str]) -> Response:
    """Send a request until it is answered, as often as the settings allow."""
    attempts = gateway_settings.max_network_retries + 1
    for attempt in range(1, attempts + 1):
        is_last = attempt == attempts
        try:
            response = _send_once(account, method, path, data, headers)
        except ProviderUnavailable:
            if is_last:
                raise
        else:
            if attempt > 1 and response.status_code in (UNAUTHORIZED, FORBIDDEN):
                # Refused now; the first try may have been acted upon.
                raise unreadable()
            if is_last or response.status_code not in RETRIED:
                return response
        # Without jitter those who failed together would meet again.
        time.sleep(min(0.25 * 2**attempt, LONGEST_PAUSE) * random.uniform(0.5, 1.0))  # noqa: S311
    raise AssertionError("unreachable")


def _send_once(
    account: PayPalAccount, method: str, path: str, data: str | None, headers: Mapping[str, str]
) -> Response:
    import requests  # noqa: PLC0415

    failure: GatewayError
    try:
        return pool.get().request(
            method,
            f"{account.api_base}{path}",
            data=None if data is None else data.encode(),
            headers=dict(headers),
            timeout=timeouts(),
            # The API never redirects; whoever does must not be sent the token or the request.
            allow_redirects=False,
        )
    except requests.RequestException as error:
        failure = connection_failure(error, "PayPal", "STRIPE_GATEWAY_PAYPAL_API_BASE")
    raise failure


def _object(response: Response) -> Body:
    """Return the object of an answer, empty for an answer without one.

    Raises:
        GatewayError: the answer is a refusal, or cannot be read.
    """
    if response.status_code == NO_CONTENT:
        return {}
    try:
        answer = response.json()
    except ValueError:
        answer = None
    if not response.ok or response.is_redirect:
        raise translate(response.status_code, answer, response.headers.get("Paypal-Debug-Id", ""))
    if not isinstance(answer, dict):
        raise unreadable(request_id=response.headers.get("Paypal-Debug-Id", ""))
    return answer


def _credentials(account: PayPalAccount) -> tuple[str, str, str]:
    return account.api_base, account.client_id, account.client_secret


def _keep_authorization(request: PreparedRequest) -> PreparedRequest:
    """Leave the request's own ``Authorization``: a line of ``~/.netrc`` for the host would replace it."""
    return request


pool = SessionPool()
tokens = TokenCache()
# A forked worker must not write into its parent's connections, nor wait for its parent's locks.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=pool.forget)
    os.register_at_fork(after_in_child=tokens.forget)
