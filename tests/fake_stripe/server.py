"""The fake as tests use it: start it, point the SDK at `url`, make things happen, look at what was asked."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Self

from tests.fake_stripe import checkout_page, control_api, delivery, events, resources, shapes
from tests.fake_stripe.billing_controls import BillingControls
from tests.fake_stripe.delivery import Courier, Delivery, Endpoint
from tests.fake_stripe.dispatch import Answer, Dispatcher, Incoming
from tests.fake_stripe.faults import Fault, Faults, Hold, Interruption, Kind, When
from tests.fake_stripe.http_server import Server
from tests.fake_stripe.keys import DEFAULT_ACCOUNT, ApiKey, ApiKeys
from tests.fake_stripe.records import RequestRecord, Violation
from tests.fake_stripe.schedule_controls import ScheduleControls
from tests.fake_stripe.state import Object, State

DEFAULT_KEY = "sk_test_fake"
DEFAULT_LIVE_KEY = "sk_live_fake"


class FakeStripe(BillingControls, ScheduleControls):
    """A fake Stripe on a loopback port. Use as a context manager, or `start` and `stop`.

    `generation` ("current", "acacia" or "legacy") is the API version of the events, and of answers to requests without
    a `Stripe-Version`. Answers follow that header as at Stripe; set `response_generation` to force one.
    """

    def __init__(self, *, host: str = "127.0.0.1", port: int = 0, generation: str = "current") -> None:
        resources.load()
        self._faults = Faults()
        self._keys = ApiKeys(DEFAULT_ACCOUNT)
        self._server = Server((host, port), self._respond, lambda: self.state.now())
        self.url = f"http://{host}:{self._server.server_address[1]}"
        self.state = State(base_url=self.url)
        self._dispatcher = Dispatcher(self.state, self._keys, self._faults)
        self._courier = Courier(self.state)
        self.state.deliver = self._courier.send
        self._thread: threading.Thread | None = None
        self.generation = generation
        self.add_key(DEFAULT_KEY)
        self.add_key(DEFAULT_LIVE_KEY)

    # Running

    def start(self) -> Self:
        """Serve in a thread."""
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.02,), name="fake-stripe", daemon=True
        )
        self._thread.start()
        return self

    def stop(self) -> None:
        """Release what waits, close every connection and stop."""
        self._faults.stop()
        if self._thread is not None:
            self._server.shutdown()
            self._thread.join(5)
        self._server.close_connections()
        self._server.server_close()
        self._courier.stop()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    def _respond(self, incoming: Incoming) -> Answer:
        if incoming.path.startswith("/_fake/"):
            return control_api.respond(self, incoming)
        if incoming.path.startswith("/c/pay/"):
            return checkout_page.respond(self, incoming)
        return self._dispatcher.answer(incoming)

    # Accounts and API generations

    def add_key(
        self, secret: str, account: str | None = None, name: str | None = None, *, forbidden: tuple[str, ...] = ()
    ) -> ApiKey:
        """Accept a secret key, of the default account or another; the prefix `sk_live_` makes it a live key.

        `account` of an organisation's key (`sk_org_test_…`) are those that it may name, with blanks between them.
        `forbidden` are the beginnings of paths that a restricted key has no permission for.
        """
        return self._keys.add(secret, account, name, forbidden)

    def revoke_key(self, secret: str) -> None:
        """Answer 401 to a key from now on."""
        self._keys.revoke(secret)

    def accept_any_key(self) -> None:
        """Accept every well-formed key, as one account."""
        self._keys.accept_any = True

    @property
    def generation(self) -> str:
        """Return the generation of events."""
        return self.state.generation

    @generation.setter
    def generation(self, name: str) -> None:
        if name not in shapes.GENERATIONS:
            raise ValueError(f"Unknown generation {name!r}; there are {', '.join(shapes.GENERATIONS)}")
        self.state.generation = name

    @property
    def response_generation(self) -> str | None:
        """Return the generation forced on API answers, None where they follow `Stripe-Version`."""
        return self._dispatcher.response_generation

    @response_generation.setter
    def response_generation(self, name: str | None) -> None:
        self._dispatcher.response_generation = name

    @property
    def refunds_stay_pending(self) -> bool:
        """Say whether new refunds are pending until `settle_refund` or `fail_refund`."""
        return self.state.refunds_stay_pending

    @refunds_stay_pending.setter
    def refunds_stay_pending(self, pending: bool) -> None:
        self.state.refunds_stay_pending = pending

    # What was asked

    @property
    def requests(self) -> list[RequestRecord]:
        """Return the API requests so far, in the order of arrival."""
        return list(self._dispatcher.requests)

    @property
    def violations(self) -> list[Violation]:
        """Return the requests that Stripe's API description does not allow; the fixture asserts there are none."""
        return list(self._dispatcher.violations)

    def take_violations(self) -> list[Violation]:
        """Return the violations and forget them, for a test that expects them."""
        taken = self.violations
        self._dispatcher.violations.clear()
        return taken

    def forget_requests(self) -> None:
        """Empty the log of requests."""
        self._dispatcher.requests.clear()

    def forget_idempotency_keys(self) -> None:
        """Forget the keys, as Stripe does after 24 hours."""
        self._dispatcher.idempotency.forget_all()

    @property
    def connections(self) -> int:
        """Return how many TCP connections were accepted."""
        return self._server.connections

    def close_connections(self) -> None:
        """Close every open connection, as a server does with those that were idle for long."""
        self._server.close_connections()

    # Objects and events

    def get(self, identifier: str) -> Object:
        """Return an object of any account, in the current generation's shape."""
        with self.state.acting():
            scope, obj = self.state.locate(identifier)
            return shapes.render(obj, scope, "current")

    def all(self, kind: str) -> list[Object]:
        """Return every object of a type ("refund", "checkout.session" …) of all accounts, oldest first."""
        with self.state.acting():
            found = [(scope, obj) for scope in self.state.scopes() for obj in reversed(scope.all(kind))]
            return [shapes.render(obj, scope, "current") for scope, obj in found]

    def events(self, type: str | None = None, object_id: str | None = None) -> list[Object]:
        """Return the events so far, oldest first: of a type, or about an object."""
        with self.state.acting():
            found = [
                event
                for event in self.state.event_log
                if type in {None, event["type"]} and object_id in {None, event["data"]["object"].get("id")}
            ]
            return copy.deepcopy(found)

    def body(self, event: Object) -> bytes:
        """Return an event as the bytes of a webhook request."""
        return shapes.as_body(event)

    def sign(self, body: bytes, secret: str, timestamp: int | None = None) -> str:
        """Return the `Stripe-Signature` header; `timestamp` in seconds, now unless given."""
        return events.signature_header(body, secret, int(self.state.clock()) if timestamp is None else timestamp)

    def deliver(self, event: Object, url: str, secret: str) -> Delivery:
        """Send one event to a webhook endpoint now, and return what it answered."""
        return delivery.post(self.state, event, url, secret)

    def deliver_to(self, url: str, secret: str, types: frozenset[str] = frozenset()) -> None:
        """Deliver every event from now on, in the background, to a webhook endpoint."""
        self._courier.add(Endpoint(url, secret, types))

    def flush_deliveries(self, timeout: float = 10.0) -> bool:
        """Wait until what was to be delivered is; return False after `timeout` seconds."""
        return self._courier.flush(timeout)

    @property
    def deliveries(self) -> list[Delivery]:
        """Return the attempts of the background delivery."""
        return list(self._courier.deliveries)

    # Faults

    def fault(
        self,
        method: str,
        path: str,
        *,
        kind: Kind,
        times: int = 1,
        seconds: float = 30.0,
        when: When = "before",
        stored: bool = True,
        after: int = 0,
        retry_after: str = "",
    ) -> Fault:
        """Let the next `times` requests that match go wrong, once `after` of them have gone well.

        Method "*" is any; in the path `*` is any one segment. `seconds` and `when` are for "hang". `stored` is for
        "error_500_after": Stripe keeps the 500 under the idempotency key and replays it (so it is documented); False
        is the other accident, where a retry replays the success. `retry_after` is what the header of "rate_limit" says.
        """
        fault = Fault(method, path, kind, times, seconds, when, stored, after, retry_after)
        self._faults.add(fault)
        return fault

    @property
    def faults_pending(self) -> list[Fault]:
        """Return the faults that have not happened as often as planned."""
        return self._faults.pending()

    def interrupt(self, method: str, path: str, happen: Callable[[], object], *, after: int = 0) -> None:
        """Call `happen` once, in the server's thread, while a matching request is in flight: the one after `after`."""
        self._faults.interrupt(Interruption(method, path, happen, after))

    def clear_faults(self) -> None:
        """Forget the planned faults."""
        self._faults.clear()

    def hold(
        self, method: str, path: str, *, when: When = "before", times: int | None = None
    ) -> AbstractContextManager[Hold]:
        """Keep matching requests in flight: `hold.wait()` for one to arrive, `hold.release()` to let it go on.

        "before" holds it before it acts (its idempotency key is in use meanwhile), "after" when it has acted and the
        answer is not yet on its way. `times` limits how many are held. Leaving the block releases them, so a thread
        pool belongs outside of it.
        """
        return self._faults.hold(method, path, when, times)
