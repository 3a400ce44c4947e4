"""Answer API requests: tokens, request ids, faults, and the routes."""

from __future__ import annotations

import base64
import copy
import dataclasses
import json
import re
import threading
from collections.abc import Callable
from typing import Any

from tests.fake_paypal.state import Object, PayPalError, State, link
from tests.fake_stripe.dispatch import Answer, Incoming
from tests.fake_stripe.faults import Fault, Faults

LONGEST_REQUEST_ID = 108


@dataclasses.dataclass(frozen=True)
class Request:
    """A request as it was logged; ``acted`` says whether it changed something."""

    method: str
    path: str
    body: Any
    request_id: str
    status: int | None
    acted: bool = False
    port: int = 0


class Api:
    """The REST API of one account."""

    def __init__(self, state: State, faults: Faults, client_id: str, client_secret: str) -> None:
        self.state = state
        self.faults = faults
        self.credentials = f"{client_id}:{client_secret}"
        self.tokens: set[str] = set()
        self.token_seconds = 32400
        self.requests: list[Request] = []
        self.verify: Callable[[Object, str], bool] = lambda _fields, _event: False
        self._answers: dict[str, tuple[str, int, bytes]] = {}
        self._log_lock = threading.Lock()

    def forget_request_ids(self) -> None:
        """Forget the ids, as PayPal does after some hours."""
        self._answers.clear()

    def answer(self, incoming: Incoming) -> Answer:
        """Return the answer to one request, and log it."""
        fault = self.faults.take(incoming.method, incoming.path)
        kind = fault.kind if fault else ""
        debug_id = self.state.new_id("debug")
        acted = False
        answer = self._early(kind)
        if answer is None:
            try:
                answer, acted = self._checked(incoming, fault)
            except PayPalError as error:
                answer = _refusal(error, debug_id)
        self._log(incoming, answer, kind, acted=acted)
        if kind == "error_500_after":
            answer = _refusal(PayPalError(500, "INTERNAL_SERVER_ERROR"), debug_id)
        elif kind == "reset_after":
            answer = Answer(0, b"", reset=True)
        elif kind == "garbage":
            answer = Answer(200, b"<html>upstream went away</html>", content_type="text/html")
        answer.headers["Paypal-Debug-Id"] = debug_id
        return answer

    def _early(self, kind: str) -> Answer | None:
        if kind == "error_500_before":
            return _refusal(PayPalError(500, "INTERNAL_SERVER_ERROR"), "early")
        if kind == "rate_limit":
            return _refusal(PayPalError(429, "RATE_LIMIT_REACHED"), "early")
        if kind == "error_409_lock":
            return _refusal(PayPalError(409, "RESOURCE_CONFLICT", "PREVIOUS_REQUEST_IN_PROGRESS"), "early")
        return Answer(0, b"", reset=True) if kind == "reset_before" else None

    def _checked(self, incoming: Incoming, fault: Fault | None) -> tuple[Answer, bool]:
        if incoming.path == "/v1/oauth2/token":
            return self._token(incoming), False
        scheme, _, token = incoming.headers.get("authorization", "").partition(" ")
        if scheme != "Bearer" or token not in self.tokens:
            raise PayPalError(401, "invalid_token")
        self.faults.pass_by(incoming.method, incoming.path, "before")
        self.faults.hang(fault, "before")
        answer, acted = self._once(incoming)
        self.faults.pass_by(incoming.method, incoming.path, "after")
        self.faults.hang(fault, "after")
        return answer, acted

    def _token(self, incoming: Incoming) -> Answer:
        scheme, _, encoded = incoming.headers.get("authorization", "").partition(" ")
        if scheme != "Basic" or base64.b64decode(encoded).decode() != self.credentials:
            return _answer(401, {"error": "invalid_client", "error_description": "Client Authentication failed"})
        if incoming.form != "grant_type=client_credentials":
            return _answer(400, {"error": "unsupported_grant_type"})
        token = self.state.new_id("A21AA")
        self.tokens.add(token)
        return _answer(200, {"access_token": token, "token_type": "Bearer", "expires_in": self.token_seconds})

    def _once(self, incoming: Incoming) -> tuple[Answer, bool]:
        """Act once for each request id; only successes are kept under it."""
        request_id = incoming.headers.get("paypal-request-id", "")
        if len(request_id) > LONGEST_REQUEST_ID:
            raise PayPalError(400, "INVALID_REQUEST", "INVALID_STRING_LENGTH")
        with self.state.lock:
            if request_id and incoming.method == "POST" and request_id in self._answers:
                path, status, body = self._answers[request_id]
                if path != incoming.path:
                    raise PayPalError(422, "UNPROCESSABLE_ENTITY", "DUPLICATE_REQUEST_ID")
                return Answer(status, body, replayed=True), False
            status, found = self._route(incoming)
            answer = _answer(status, found)
            if request_id and incoming.method == "POST":
                self._answers[request_id] = (incoming.path, status, answer.body)
        return answer, incoming.method == "POST"

    def _route(self, incoming: Incoming) -> tuple[int, Object | None]:
        for method, pattern, act in self._routes():
            match = re.fullmatch(pattern, incoming.path)
            if match and method == incoming.method:
                if incoming.path.endswith("verify-webhook-signature"):
                    return act(incoming.form)
                body = json.loads(incoming.form) if method == "POST" and incoming.form else {}
                return act(*match.groups(), *([body] if method == "POST" else []))
        raise PayPalError(404, "RESOURCE_NOT_FOUND", "INVALID_RESOURCE_ID")

    def _routes(self) -> list[tuple[str, str, Callable[..., tuple[int, Object | None]]]]:
        state, orders, payments = self.state, "/v2/checkout/orders", "/v2/payments"
        return [
            ("POST", orders, lambda body: (201, self._order(state.create_order(body)))),
            ("GET", f"{orders}/([^/]+)", lambda i: (200, self._order(state.order(i)))),
            ("POST", f"{orders}/([^/]+)/capture", lambda i, _b: (201, self._brief(state.capture_order(i)))),
            ("POST", f"{orders}/([^/]+)/authorize", lambda i, _b: (201, self._brief(state.authorize_order(i)))),
            (
                "POST",
                f"{payments}/authorizations/([^/]+)/capture",
                lambda i, body: (201, self._brief(state.capture_authorization(i, body))),
            ),
            ("POST", f"{payments}/authorizations/([^/]+)/void", lambda i, _b: self._void(i)),
            ("POST", f"{payments}/captures/([^/]+)/refund", lambda i, body: (201, state.refund(i, body))),
            ("POST", "/v1/notifications/verify-webhook-signature", self._verification),
        ]

    def _void(self, authorization_id: str) -> tuple[int, Object | None]:
        voided = self.state.void(authorization_id)
        return (204, None) if self.state.behaviour.minimal else (200, voided)

    def _verification(self, text: str) -> tuple[int, Object]:
        fields = json.loads(text)
        # The event as it was sent, byte for byte.
        event = text.partition('"webhook_event": ')[2][:-1]
        status = "SUCCESS" if self.verify(fields, event) else "FAILURE"
        return 200, {"verification_status": status}

    def _brief(self, obj: Object) -> Object:
        """Return what PayPal answers without ``Prefer``: id, status and links."""
        if not self.state.behaviour.minimal:
            return self._order(obj) if "purchase_units" in obj else obj
        return {name: obj[name] for name in ("id", "status", "links") if name in obj}

    def _order(self, order: Object) -> Object:
        shown = copy.deepcopy(order)
        shown["links"] = [link("self", f"{self.state.url}/v2/checkout/orders/{order['id']}")]
        if order["status"] != "COMPLETED":
            shown["links"].append(link("payer-action", f"{self.state.url}/checkoutnow?token={order['id']}"))
        return shown

    def _log(self, incoming: Incoming, answer: Answer, kind: str, *, acted: bool) -> None:
        is_json = incoming.method == "POST" and incoming.form.startswith("{")
        record = Request(
            method=incoming.method,
            path=incoming.path,
            body=json.loads(incoming.form) if is_json else incoming.form,
            request_id=incoming.headers.get("paypal-request-id", ""),
            status=None if answer.reset or kind == "reset_after" else answer.status,
            acted=acted,
            port=incoming.client_port,
        )
        with self._log_lock:
            self.requests.append(record)


def _answer(status: int, body: Object | None) -> Answer:
    return Answer(status, b"" if body is None else json.dumps(body).encode())


def _refusal(error: PayPalError, debug_id: str) -> Answer:
    body: Object = {"name": error.name, "message": error.description, "debug_id": debug_id}
    if error.issue:
        body["details"] = [{"issue": error.issue, "description": error.description}]
    return _answer(error.status, body)
