"""Deliver events to webhook endpoints, as Stripe does: signed, at least once, beside the API's answers."""

from __future__ import annotations

import dataclasses
import queue
import threading
import urllib.error
import urllib.request

from tests.fake_stripe import events, shapes
from tests.fake_stripe.state import Object, State

_RETRY_AFTER = (0.5, 2.0, 5.0)


@dataclasses.dataclass(frozen=True)
class Endpoint:
    """A webhook endpoint; `types` limits the events it gets, empty means all."""

    url: str
    secret: str
    types: frozenset[str] = frozenset()


@dataclasses.dataclass(frozen=True)
class Delivery:
    """One attempt: the status that the endpoint answered, or the error of the connection."""

    event_id: str
    event_type: str
    url: str
    status: int | None
    error: str | None = None


def post(state: State, event: Object, url: str, secret: str, timeout: float = 10.0) -> Delivery:
    """Send one signed event and return what came back; never raises for an answer or a refused connection."""
    body = shapes.as_body(event)
    headers = {
        "Content-Type": "application/json; charset=utf-8",
        "Stripe-Signature": events.signature_header(body, secret, int(state.clock())),
        "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
    }
    request = urllib.request.Request(url, data=body, headers=headers, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=timeout) as response:
            return Delivery(event["id"], event["type"], url, response.status)
    except urllib.error.HTTPError as error:
        with error:
            return Delivery(event["id"], event["type"], url, error.code)
    except OSError as error:
        return Delivery(event["id"], event["type"], url, None, str(error))


class Courier:
    """Delivers in a thread of its own, in the order of the events, with a few retries."""

    def __init__(self, state: State) -> None:
        self.endpoints: list[Endpoint] = []
        self.deliveries: list[Delivery] = []
        self._state = state
        self._queue: queue.Queue[Object | None] = queue.Queue()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def add(self, endpoint: Endpoint) -> None:
        """Deliver to this endpoint from now on."""
        self.endpoints.append(endpoint)
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="fake-stripe-courier", daemon=True)
            self._thread.start()

    def send(self, event: Object) -> None:
        """Queue an event, if there is an endpoint at all."""
        if self.endpoints:
            self._queue.put(event)

    def flush(self, timeout: float = 10.0) -> bool:
        """Wait until everything queued was delivered or given up; return False after `timeout` seconds."""
        with self._queue.all_tasks_done:
            return self._queue.all_tasks_done.wait_for(lambda: self._queue.unfinished_tasks == 0, timeout)

    def stop(self) -> None:
        """Stop after the delivery under way."""
        self._stopping.set()
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join(5)

    def _run(self) -> None:
        while (event := self._queue.get()) is not None and not self._stopping.is_set():
            for endpoint in self.endpoints:
                if not endpoint.types or event["type"] in endpoint.types:
                    self._deliver(event, endpoint)
            self._queue.task_done()

    def _deliver(self, event: Object, endpoint: Endpoint) -> None:
        for delay in (*_RETRY_AFTER, None):
            delivery = post(self._state, event, endpoint.url, endpoint.secret)
            self.deliveries.append(delivery)
            if delivery.status is not None and 200 <= delivery.status < 300:
                return
            if delay is None or self._stopping.wait(delay):
                return
