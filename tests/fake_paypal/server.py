"""The fake as tests use it: start it, point the app at ``url``, let buyers act, deliver signed events."""

from __future__ import annotations

import base64
import copy
import html
import json
import threading
import urllib.parse
import zlib
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Any, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256

from tests.fake_paypal.api import Api, Request
from tests.fake_paypal.authority import SANDBOX_NAME, Authority, Issued
from tests.fake_paypal.state import Behaviour, Object, PayPalError, State
from tests.fake_stripe.dispatch import Answer, Incoming
from tests.fake_stripe.faults import Fault, Faults, Hold, Kind, When
from tests.fake_stripe.http_server import Server

CLIENT_ID = "client-of-the-shop"
CLIENT_SECRET = "secret-of-the-shop"
WEBHOOK_ID = "1JE4291016473214C"
CERTS = "/v1/notifications/certs/"


class FakePayPal:
    """A fake PayPal on a loopback port, with an authority that issues its signing certificate."""

    def __init__(self) -> None:
        self._faults = Faults()
        self._server = Server(("127.0.0.1", 0), self._respond)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self.state = State(self.url)
        self.state.announce = self._announce
        self.api = Api(self.state, self._faults, CLIENT_ID, CLIENT_SECRET)
        self.api.verify = self._is_ours
        self.authority = Authority()
        self.signer = self.authority.issue(SANDBOX_NAME)
        self.certificates: dict[str, bytes] = {"CERT-360caa42-fca2a594": self.signer.pem}
        self.downloads: list[str] = []
        self.events: list[Object] = []
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._faults.stop()
        self._server.shutdown()
        assert self._thread is not None
        self._thread.join(5)
        self._server.close_connections()
        self._server.server_close()

    @property
    def behaviour(self) -> Behaviour:
        """Return how PayPal and its buyers behave, to be changed."""
        return self.state.behaviour

    @property
    def requests(self) -> list[Request]:
        """Return the API's requests so far."""
        return list(self.api.requests)

    def acted(self, path_end: str) -> list[Request]:
        """Return the requests that changed something."""
        return [request for request in self.requests if request.acted and request.path.endswith(path_end)]

    @property
    def connections(self) -> int:
        """Return how many TCP connections were accepted."""
        return self._server.connections

    # What buyers and PayPal do

    def approve(self, order_id: str) -> Object:
        """Let the buyer approve an order on PayPal's page, and return the event about it."""
        with self.state.lock:
            self.state.approve(order_id)
            return self.events[-1]

    def reverse(self, capture_id: str) -> Object:
        """Let PayPal take a capture back, and return the event about it."""
        with self.state.lock:
            self.state.reverse(capture_id)
            return self.events[-1]

    def refund(self, capture_id: str, value: str, currency: str = "USD") -> Object:
        """Let the merchant refund on PayPal's site, and return the event about it."""
        with self.state.lock:
            self.state.refund(capture_id, {"amount": {"currency_code": currency, "value": value}})
            return self.events[-1]

    def settle(self, capture_id: str, status: str = "COMPLETED") -> Object:
        """End the wait for a pending capture, and return the event about it."""
        with self.state.lock:
            self.state.settle(capture_id, status)
            return self.events[-1]

    def of_type(self, *types: str) -> list[Object]:
        """Return the events of some types, oldest first."""
        return [event for event in self.events if event["event_type"] in types]

    # Faults

    def fault(self, method: str, path: str, *, kind: Kind, times: int = 1, seconds: float = 30.0) -> None:
        """Let the next ``times`` requests that match go wrong; ``*`` is any one segment of the path."""
        self._faults.add(Fault(method, path, kind, times, seconds))

    def hold(self, method: str, path: str, *, when: When = "before") -> AbstractContextManager[Hold]:
        """Keep matching requests in flight."""
        return self._faults.hold(method, path, when, None)

    # Webhooks

    def headers(
        self,
        body: bytes,
        *,
        webhook_id: str = WEBHOOK_ID,
        signer: Issued | None = None,
        cert_url: str = "https://api.sandbox.paypal.com/v1/notifications/certs/CERT-360caa42-fca2a594",
        time: str = "",
        **replaced: str,
    ) -> dict[str, str]:
        """Return the headers of a delivery of ``body``; ``replaced`` takes the place of what is signed."""
        moment = time or datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        transmission_id = replaced.pop("transmission_id", "69cd13f0-d67a-11e5-baa3-778b53f4ae55")
        crc = replaced.pop("crc", str(zlib.crc32(body)))
        message = f"{transmission_id}|{moment}|{webhook_id}|{crc}".encode()
        signature = (signer or self.signer).key.sign(message, PKCS1v15(), SHA256())
        return {
            "Paypal-Transmission-Id": transmission_id,
            "Paypal-Transmission-Time": moment,
            "Paypal-Transmission-Sig": base64.b64encode(signature).decode(),
            "Paypal-Cert-Url": cert_url,
            "Paypal-Auth-Algo": "SHA256withRSA",
        } | replaced

    def event(self, event_type: str, resource_type: str, resource: Object, **fields: Any) -> Object:
        """Return an event, not sent anywhere."""
        return {
            "id": self.state.new_id("WH-"),
            "event_version": "1.0",
            "create_time": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "resource_type": resource_type,
            "resource_version": "2.0",
            "event_type": event_type,
            "summary": event_type,
            "resource": copy.deepcopy(resource),
            "links": [],
        } | fields

    def _announce(self, event_type: str, resource_type: str, resource: Object) -> None:
        self.events.append(self.event(event_type, resource_type, resource))

    def _is_ours(self, fields: Object, event: str) -> bool:
        message = "|".join(
            (
                fields["transmission_id"],
                fields["transmission_time"],
                fields["webhook_id"],
                str(zlib.crc32(event.encode())),
            )
        )
        try:
            signature = base64.b64decode(fields["transmission_sig"])
            self.signer.key.public_key().verify(signature, message.encode(), PKCS1v15(), SHA256())
        except InvalidSignature:
            return False
        return True

    # HTTP

    def _respond(self, incoming: Incoming) -> Answer:
        if incoming.path.startswith(CERTS):
            return self._certificate(incoming)
        if incoming.path == "/checkoutnow":
            return self._approval_page(incoming)
        return self.api.answer(incoming)

    def _certificate(self, incoming: Incoming) -> Answer:
        fault = self._faults.take(incoming.method, incoming.path)
        if fault is not None and fault.kind == "error_500_before":
            return Answer(500, b"")
        name = incoming.path.removeprefix(CERTS)
        self.downloads.append(name)
        if name == "CERT-moved":
            target = f"{self.url}{CERTS}CERT-360caa42-fca2a594"
            return Answer(302, b"", {"Location": target})
        pem = self.certificates.get(name)
        return Answer(404, b"{}") if pem is None else Answer(200, pem, content_type="application/x-pem-file")

    def _approval_page(self, incoming: Incoming) -> Answer:
        """Show the order; ``do=approve`` and ``do=cancel`` send the buyer back to the shop."""
        query = dict(urllib.parse.parse_qsl(incoming.form))
        try:
            order = self.state.order(query.get("token", ""))
        except PayPalError:
            return Answer(404, b"no such order", content_type="text/html")
        context = order["payment_source"]["paypal"]["experience_context"]
        if query.get("do") == "approve":
            self.approve(order["id"])
            return _redirect(context["return_url"], token=order["id"], PayerID="QYR5Z8XDVJNXQ")
        if query.get("do") == "cancel":
            return _redirect(context["cancel_url"], token=order["id"])
        unit = html.escape(json.dumps(order["purchase_units"][0]["amount"]))
        page = f"<p>{unit}</p>" + "".join(
            f'<a href="?token={order["id"]}&amp;do={action}">{action}</a>' for action in ("approve", "cancel")
        )
        return Answer(200, page.encode(), content_type="text/html")


def _redirect(address: str, **query: str) -> Answer:
    parts = urllib.parse.urlsplit(address)
    joined = "&".join(filter(None, (parts.query, urllib.parse.urlencode(query))))
    return Answer(302, b"", {"Location": parts._replace(query=joined).geturl()}, content_type="text/html")
