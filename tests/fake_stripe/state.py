"""What the fake Stripe knows: accounts, their objects and events, behind one lock."""

from __future__ import annotations

import contextlib
import dataclasses
import secrets
import string
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from tests.fake_stripe.errors import no_such

Object = dict[str, Any]

#: Total length of an id by prefix, as Stripe makes them, so that a column too short for them shows.
_ID_LENGTHS = {
    "cs_test_": 66,
    "cs_live_": 66,
    "req_": 18,
    "li_": 27,
    "evt_": 28,
    "cus_": 18,
    "sub_": 28,
    "sub_sched_": 34,
    "prod_": 19,
    "price_": 30,
    "plan_": 19,
    "promo_": 30,
    "si_": 17,
    "seti_": 29,
    "bps_": 28,
    "mtr_test_": 41,
    "mtr_live_": 41,
}
_DEFAULT_ID_LENGTH = 27


def listed(data: list[Object], url: str, *, has_more: bool = False) -> Object:
    """Return Stripe's list object."""
    return {"object": "list", "data": data, "has_more": has_more, "url": url}


@dataclasses.dataclass(frozen=True)
class Cause:
    """The API request that causes an event; both are None where a person or Stripe itself does."""

    request_id: str | None = None
    idempotency_key: str | None = None


class State:
    """The store. Hold `lock` around every read and change; `acting` does."""

    def __init__(self, *, base_url: str = "") -> None:
        self.lock = threading.RLock()
        self.base_url = base_url
        self.generation = "current"
        self.refunds_stay_pending = False
        # What the account's owner has set in the Dashboard for payments' pages that say nothing of taxes.
        self.taxes_by_default = False
        self.releases = "counted"
        #: The currency that the account is paid out in, and what one of a payment's buys of it, in thousandths.
        self.settlement: tuple[str, int] | None = None
        #: What a platform keeps of each charge, in the settlement's minor units.
        self.platform_fee = 0
        self.clock: Callable[[], float] = time.time
        self.ahead = 0
        self.after_retries = "canceled"
        self.tax_percent = 0
        self.event_log: list[Object] = []
        self.deliver: Callable[[Object], None] = lambda event: None
        self.cause = Cause()
        self._prefix = "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(8))
        self._counter = 0
        self._scopes: dict[tuple[str, bool], Scope] = {}

    def now(self) -> int:
        """Return the present as Stripe writes it, in whole seconds; `ahead` of the clock where a test moved time on."""
        return int(self.clock()) + self.ahead

    def new_id(self, prefix: str) -> str:
        """Return a fresh id: the prefix, some random letters of this instance, and a counter."""
        with self.lock:
            self._counter += 1
            room = _ID_LENGTHS.get(prefix, _DEFAULT_ID_LENGTH) - len(prefix) - len(self._prefix)
            return f"{prefix}{self._prefix}{self._counter:0{room}d}"

    def scope(self, account: str, livemode: bool) -> Scope:
        """Return the objects of one account in one mode."""
        with self.lock:
            return self._scopes.setdefault((account, livemode), Scope(self, account, livemode))

    def scopes(self) -> list[Scope]:
        """Return every account and mode that was used."""
        return list(self._scopes.values())

    def locate(self, identifier: str) -> tuple[Scope, Object]:
        """Return the object of any account with this id; raise LookupError if there is none."""
        for scope in self.scopes():
            for objects in scope.objects.values():
                if identifier in objects:
                    return scope, objects[identifier]
        raise LookupError(f"The fake Stripe holds no object with the id {identifier!r}")

    @contextlib.contextmanager
    def acting(self, cause: Cause | None = None, *, deliver: bool = True) -> Iterator[list[Object]]:
        """Hold the lock; the yielded list holds, once the block has ended, the events that it recorded.

        With `deliver` they are handed over for delivery at that moment, before an API answer is on its way: a webhook
        may overtake the answer, as at Stripe.
        """
        with self.lock:
            before, start = self.cause, len(self.event_log)
            self.cause = cause or Cause()
            events: list[Object] = []
            try:
                yield events
            finally:
                self.cause = before
                events.extend(self.event_log[start:])
                if deliver:
                    for event in events:
                        self.deliver(event)


class Scope:
    """The objects of one account in test or live mode, by type and id, oldest first."""

    def __init__(self, state: State, account: str, livemode: bool) -> None:
        self.state = state
        self.account = account
        self.livemode = livemode
        self.objects: dict[str, dict[str, Object]] = {}

    def now(self) -> int:
        """Return the present in whole seconds."""
        return self.state.now()

    def new_id(self, prefix: str) -> str:
        """Return a fresh id."""
        return self.state.new_id(prefix)

    def add(self, obj: Object) -> Object:
        """Keep `obj` under its type and id, and return it."""
        self.objects.setdefault(obj["object"], {})[obj["id"]] = obj
        return obj

    def all(self, kind: str) -> list[Object]:
        """Return the objects of a type, newest first, as Stripe lists them."""
        return list(reversed(self.objects.get(kind, {}).values()))

    def find(self, kind: str, identifier: str | None) -> Object | None:
        """Return the object, or None."""
        return self.objects.get(kind, {}).get(identifier or "")

    def get(self, kind: str, identifier: str, *, param: str = "id", in_url: bool = True) -> Object:
        """Return the object; raise Stripe's `resource_missing` if this account does not have it in this mode."""
        found = self.find(kind, identifier)
        if found is not None:
            return found
        error = no_such(kind, identifier, param=param, in_url=in_url)
        if self.state.scope(self.account, not self.livemode).find(kind, identifier):
            there, here = ("test", "live") if self.livemode else ("live", "test")
            error.message += (
                f"; a similar object exists in {there} mode, but a {here} mode key was used to make this request."
            )
        raise error

    def platform(self) -> Scope | None:
        """Return the account that this one is connected to, or `None`."""
        others = (other for other in self.state.scopes() if self.account in other.objects.get("account", {}))
        return next(others, None)

    def related(self, kind: str, **fields: Any) -> list[Object]:
        """Return the objects of a type whose fields have these values, newest first."""
        return [obj for obj in self.all(kind) if all(obj.get(name) == value for name, value in fields.items())]
