"""What every gateway of a Stripe account does to call it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any, ClassVar, TypeVar

from django_stripe_gateway.gateways.stripe.accounts import StripeAccount
from django_stripe_gateway.gateways.stripe.catalogue_objects import page_of
from django_stripe_gateway.gateways.stripe.client import pool
from django_stripe_gateway.gateways.stripe.errors import ask, unreadable
from django_stripe_gateway.gateways.stripe.fields import Object

Item = TypeVar("Item")
PAGE = 100
# Ten thousand objects; more is a server that repeats itself.
MAX_PAGES = 100
# Seconds by which our clock may be ahead of the provider's.
CLOCK_SKEW = 300


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
        read: Callable[[Object], Item],
        idempotency_key: str,
        *args: Any,
        about_state: bool = False,
        **kwargs: Any,
    ) -> Item:
        """Make a call that changes something, under its idempotency key; for ``about_state`` see ``ask``."""
        options = key_options(idempotency_key)
        return ask(lambda: call(*args, options=options, **kwargs), read, about_state=about_state)

    def _list(
        self, call: Callable[[dict[str, Any]], Any], read: Callable[[Object], Item], **params: Any
    ) -> Sequence[Item]:
        """Return all items of a list, page after page."""
        return list(self._items(call, read, **params))

    def _items(
        self, call: Callable[[dict[str, Any]], Any], read: Callable[[Object], Item], **params: Any
    ) -> Iterator[Item]:
        """Yield the items of a list, the newest first; the next page is asked for when it is needed."""
        read_page = page_of(read)
        wanted: dict[str, Any] = {"limit": PAGE, **params}
        for _page in range(MAX_PAGES):
            page = ask(lambda: call(wanted), read_page)  # noqa: B023 (called at once)
            yield from page.items
            if not page.next_after:
                return
            wanted = wanted | {"starting_after": page.next_after}
        raise unreadable()

    def _made_since(self, moment: datetime) -> dict[str, Any]:
        """Return the filter for objects that were made since a moment of our clock; localstripe knows no such."""
        return {} if self.account.is_localstripe else {"created": {"gte": seconds(moment) - CLOCK_SKEW}}


def key_options(idempotency_key: str) -> dict[str, Any]:
    """Return the SDK's options that carry an idempotency key."""
    return {"idempotency_key": idempotency_key}


def seconds(value: Any) -> int:
    """Return a datetime as Stripe writes it."""
    return int(value.timestamp())
