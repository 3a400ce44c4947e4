"""How a Stripe account is called: one ``StripeClient`` per account and process, on one shared pool of connections.

``stripe.api_key`` and the other globals of the SDK are never set: with two accounts and threads, requests would go out
under the wrong key. The SDK's own HTTP client keeps a pool per thread, so that a thread per request (ASGI running sync
views) would connect anew each time; one session shared by all threads does not.
"""

from __future__ import annotations

import json
import logging
import os
import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from django_stripe_gateway.conf import gateway_settings
from django_stripe_gateway.exceptions import GatewayConfigurationError, GatewayError, InvalidInput, ProviderError
from django_stripe_gateway.gateways.sessions import make_session, timeouts
from django_stripe_gateway.gateways.stripe.accounts import StripeAccount
from django_stripe_gateway.gateways.stripe.errors import translate, unreadable
from django_stripe_gateway.gateways.stripe.fields import Object, page_of

if TYPE_CHECKING:
    from requests import PreparedRequest, Session
    from stripe import StripeClient

logger = logging.getLogger(__name__)

Value = TypeVar("Value")
PAGE = 100
# Ten thousand objects; more is a server that repeats itself.
MAX_PAGES = 100
# Seconds by which our clock may be ahead of the provider's.
CLOCK_SKEW = 300
# Anything else would fail while the request's headers are written, in an exception that quotes them.
API_KEY = re.compile(r"[!-~]+")

# How many sellers' clients are kept; each is a few hundred bytes, on the connections of its platform's.
MOST_SELLERS = 256

_Key = tuple[str, str, str, str, float, int, int]

#: How often the current call of the SDK has gone out: it repeats a request whose connection broke.
http_attempts: ContextVar[int] = ContextVar("http_attempts", default=0)


class ClientPool:
    """Clients by the settings that made them; a change of settings makes a new one.

    Sellers' accounts have clients of their own, so that no call can go out without its account, on the connections of
    their platform's; those that were asked last are kept.
    """

    def __init__(self) -> None:
        self._clients: dict[_Key, tuple[StripeClient, Session]] = {}
        self._sellers: OrderedDict[tuple[_Key, str], StripeClient] = OrderedDict()
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
        if account.is_organization and not account.context:
            raise GatewayConfigurationError(
                f"The API key of the payment variant {account.variant!r} is an organisation's, which stands for no "
                'account by itself. Set STRIPE_GATEWAY_CONTEXT, or the variant\'s option "context", to the account.'
            )
        key = (
            account.api_key,
            account.context,
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
        return self._of_seller(key, account, entry[1]) if account.connected_id else entry[0]

    def _of_seller(self, key: _Key, account: StripeAccount, session: Session) -> StripeClient:
        with self._lock:
            name = (key, account.connected_id)
            client = self._sellers.pop(name, None) or _client_on(session, account)
            self._sellers[name] = client
            while len(self._sellers) > MOST_SELLERS:
                self._sellers.popitem(last=False)
        return client

    def close(self) -> None:
        """Close every connection; the next call opens new ones."""
        with self._lock:
            clients, self._clients = self._clients, {}
            self._sellers.clear()
        for _client, session in clients.values():
            session.close()

    def forget(self) -> None:
        """Drop every client, without closing sockets that a parent process may still use."""
        self._clients, self._sellers = {}, OrderedDict()
        self._lock = threading.Lock()


def _make_client(account: StripeAccount) -> tuple[StripeClient, Session]:
    session = make_session(gateway_settings.pool_size, _keep_authorization)
    # The API never redirects; whoever does must not be sent the key or the request.
    session.max_redirects = 0
    return _client_on(session, replace(account, connected_id="")), session


def _client_on(session: Session, account: StripeAccount) -> StripeClient:
    import stripe  # noqa: PLC0415 (0.3 s and 25 MB that a process which never pays should not spend)

    # An account below one that is named itself: https://docs.stripe.com/context
    context = "/".join(filter(None, (account.context, account.connected_id))) if account.context else None
    return stripe.StripeClient(
        account.api_key,
        stripe_account=None if context else account.connected_id or None,
        stripe_context=context,
        stripe_version=account.api_version or None,
        base_addresses={"api": account.api_base} if account.api_base else {},
        max_network_retries=gateway_settings.max_network_retries,
        http_client=stripe.RequestsClient(timeout=timeouts(), session=session),
    )


def _keep_authorization(request: PreparedRequest) -> PreparedRequest:
    """Leave the request's own ``Authorization``: a line of ``~/.netrc`` for the host would replace it. Count it."""
    http_attempts.set(http_attempts.get() + 1)
    return request


pool = ClientPool()
# A forked worker must not write into its parent's connections.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=pool.forget)


def ask(
    call: Callable[..., Any],
    read: Callable[[Object], Value],
    *ids: str,
    params: Object | None = None,
    key: str = "",
    about_state: bool = False,
) -> Value:
    """Make one call of the SDK and return what ``read`` makes of the answer, as it came over the line.

    Args:
        call: a method of one of the SDK's services.
        ids: of the object that is asked for, as the method takes them.
        key: idempotency key, of every call that changes something.
        about_state: the request names nothing but an object of ours and an amount, so that a refusal for which Stripe
            has no code ("Refund amount is greater than unrefunded amount") is about the object's state.

    Raises:
        GatewayError: see ``translate``. ``ProviderUnavailable`` also for an answer that cannot be read: it came after
            Stripe may have acted. The SDK's exception is not chained: it holds the request, and the key's last digits.
    """
    import stripe  # noqa: PLC0415

    failure: GatewayError
    http_attempts.set(0)
    options: dict[str, Any] = {"params": params} if params is not None else {}
    if key:
        options["options"] = {"idempotency_key": key}
    try:
        return _read_answer(call, read, ids, options)
    except stripe.StripeError as error:
        failure = translate(error, about_state=about_state)
        if isinstance(failure, GatewayConfigurationError):
            failure.may_have_acted = http_attempts.get() > 1
    except ProviderError as error:
        failure = unreadable(error.code)
    except UnicodeEncodeError:
        # Of the request, before anything of it was sent.
        failure = InvalidInput("A text holds characters that cannot be sent.")
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        # What the SDK itself trips over when the answer is JSON but nothing of Stripe's.
        logger.warning("Stripe's answer could not be read: %s.", type(error).__name__)
        failure = unreadable()
    raise failure


def _read_answer(
    call: Callable[..., Any], read: Callable[[Object], Value], ids: Sequence[str], options: dict[str, Any]
) -> Value:
    """Keep the answer, which can hold secrets, in a frame that no error carries on."""
    answer = call(*ids, **options)
    # The SDK's objects are dicts in some versions only, and hold Decimals in others. A raw request has no object.
    obj = json.loads((getattr(answer, "last_response", None) or answer).body)
    if not isinstance(obj, dict):
        raise TypeError("an answer is no object")
    return read(obj)


class StripeAccountCalls:
    """One account, reached through the shared pool of connections."""

    provider: ClassVar[str] = "stripe"

    def __init__(self, account: StripeAccount) -> None:
        self.account = account

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.account.variant}>"

    @property
    def livemode(self) -> bool:
        """Whether the account's key moves real money."""
        return self.account.livemode

    @property
    def v1(self) -> Any:
        """The SDK's services of API v1."""
        return pool.get(self.account).v1

    def _send(
        self,
        call: Callable[..., Any],
        read: Callable[[Object], Value],
        idempotency_key: str,
        *ids: str,
        params: Object | None = None,
        about_state: bool = False,
    ) -> Value:
        """Make a call that changes something, under its idempotency key; see ``ask``."""
        return ask(call, read, *ids, params=params, key=idempotency_key, about_state=about_state)

    def _list(
        self, call: Callable[[dict[str, Any]], Any], read: Callable[[Object], Value], **params: Any
    ) -> Sequence[Value]:
        """Return all items of a list, page after page."""
        return list(self._items(call, read, **params))

    def _items(
        self, call: Callable[[dict[str, Any]], Any], read: Callable[[Object], Value], **params: Any
    ) -> Iterator[Value]:
        """Yield the items of a list, the newest first; the next page is asked for when it is needed."""
        wanted: dict[str, Any] = {"limit": PAGE, **params}
        for _page in range(MAX_PAGES):
            items, next_after = ask(lambda: call(wanted), page_of(read))  # noqa: B023 (called at once)
            yield from items
            if not next_after:
                return
            wanted = wanted | {"starting_after": next_after}
        raise unreadable()

    def _made_since(self, moment: datetime) -> dict[str, Any]:
        """Return the filter for objects that were made since a moment of our clock; localstripe knows no such."""
        return {} if self.account.is_localstripe else {"created": {"gte": seconds(moment) - CLOCK_SKEW}}


def seconds(value: Any) -> int:
    """Return a datetime as Stripe writes it."""
    return int(value.timestamp())
