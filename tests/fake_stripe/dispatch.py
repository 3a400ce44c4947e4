"""Answer API requests: authenticate, check, protect by idempotency key, act, and go wrong where a fault says so."""

from __future__ import annotations

import dataclasses
import threading
import traceback
from typing import Any

from tests.fake_stripe import forms, openapi, routes, shapes
from tests.fake_stripe.errors import ApiError, invalid
from tests.fake_stripe.faults import Fault, Faults
from tests.fake_stripe.idempotency import IdempotencyKeys
from tests.fake_stripe.keys import ApiKey, ApiKeys
from tests.fake_stripe.records import RequestRecord, Violation
from tests.fake_stripe.state import Cause, State


@dataclasses.dataclass(frozen=True)
class Incoming:
    """A request as it came over HTTP; header names are in lower case."""

    method: str
    path: str
    form: str
    headers: dict[str, str]
    connection: int = 0
    client_port: int = 0


@dataclasses.dataclass
class Answer:
    """What goes back; with `reset` the connection is cut instead."""

    status: int
    body: bytes
    headers: dict[str, str] = dataclasses.field(default_factory=dict)
    content_type: str = "application/json"
    reset: bool = False
    replayed: bool = False
    acts: int = 0


class Dispatcher:
    """The path of a request through the fake, and the log of requests and violations."""

    def __init__(self, state: State, keys: ApiKeys, faults: Faults) -> None:
        self.state = state
        self.keys = keys
        self.faults = faults
        self.idempotency = IdempotencyKeys()
        self.response_generation: str | None = None
        self.requests: list[RequestRecord] = []
        self.violations: list[Violation] = []
        self._log_lock = threading.Lock()

    def answer(self, incoming: Incoming) -> Answer:
        """Return the answer to one request, and log it."""
        request_id = self.state.new_id("req_")
        position = self._log(incoming, request_id)
        self.faults.interrupted(incoming.method, incoming.path)
        fault = self.faults.take(incoming.method, incoming.path)
        try:
            answer = self._early_fault(fault) or self._answer(incoming, request_id, fault, position)
        except ApiError as error:
            answer = _error_answer(error)
        except Exception:  # a defect of the fake must not look like Stripe's behaviour
            self._violated(incoming, ApiError(500, "The fake Stripe itself failed:\n" + traceback.format_exc()))
            answer = _error_answer(ApiError(500, "The fake Stripe itself failed; see its violations", type="api_error"))
        answer = _late_fault(fault, answer)
        answer.headers["Request-Id"] = request_id
        if "stripe-version" in incoming.headers:
            answer.headers["Stripe-Version"] = incoming.headers["stripe-version"]
        if "idempotency-key" in incoming.headers and incoming.method == "POST":
            answer.headers["Idempotency-Key"] = incoming.headers["idempotency-key"]
        self._change_record(
            position,
            status=None if answer.reset else answer.status,
            replayed=answer.replayed,
            acts=answer.acts,
            fault=fault.kind if fault else None,
        )
        return answer

    def _log(self, incoming: Incoming, request_id: str) -> int:
        record = RequestRecord(
            method=incoming.method,
            path=incoming.path,
            params={},
            idempotency_key=incoming.headers.get("idempotency-key"),
            key_name=None,
            stripe_version=incoming.headers.get("stripe-version"),
            connection=incoming.connection,
            client_port=incoming.client_port,
            request_id=request_id,
            user_agent=incoming.headers.get("user-agent"),
            stripe_context=incoming.headers.get("stripe-context"),
            stripe_account=incoming.headers.get("stripe-account"),
        )
        with self._log_lock:
            self.requests.append(record)
            return len(self.requests) - 1

    def _change_record(self, position: int, **changes: Any) -> None:
        with self._log_lock:
            if position < len(self.requests):
                self.requests[position] = dataclasses.replace(self.requests[position], **changes)

    def _early_fault(self, fault: Fault | None) -> Answer | None:
        """Return the answer of a fault that lets nothing happen."""
        kind = fault.kind if fault else None
        if kind == "error_500_before":
            return _error_answer(_unknown_error())
        if kind == "reset_before":
            return Answer(0, b"", reset=True)
        if kind == "rate_limit":
            message = (
                "Request rate limit exceeded. Learn more about rate limits here https://stripe.com/docs/rate-limits."
            )
            limited = _error_answer(ApiError(429, message, code="rate_limit"))
            limited.headers["Stripe-Rate-Limited-Reason"] = "global-rate"
            if fault and fault.retry_after:
                limited.headers["Retry-After"] = fault.retry_after
            return limited
        if kind == "error_409_lock":
            message = (
                "This object cannot be accessed right now because another API request or Stripe process is currently "
                "accessing it. If you see this error intermittently, retry the request."
            )
            locked = _error_answer(ApiError(409, message, code="lock_timeout"))
            locked.headers["Stripe-Should-Retry"] = "true"
            return locked
        return None

    def _answer(self, incoming: Incoming, request_id: str, fault: Fault | None, position: int) -> Answer:
        key = self.keys.authenticate(incoming.headers.get("authorization"))
        self._change_record(position, key_name=key.name)
        key.check_permission(incoming.path)
        named = incoming.headers.get("stripe-context"), incoming.headers.get("stripe-account")
        with self.state.acting():
            key = key.within(*named, lambda platform, account: self._is_connected(platform, account, key.livemode))
        try:
            params = forms.decode(incoming.form)
        except ValueError as error:
            raise invalid(str(error)) from None
        try:
            params = openapi.check(incoming.method, incoming.path, params, incoming.headers.get("stripe-version"))
        except ApiError as error:
            self._violated(incoming, error)
            raise
        finally:
            self._change_record(position, params=params)
        answer = self._protected(incoming, key, params, request_id, fault)
        if fault is not None and fault.kind == "twice":
            again = self._protected(incoming, key, params, request_id, None)
            again.acts += answer.acts
            answer = again
        self.faults.pass_by(incoming.method, incoming.path, "after")
        self.faults.hang(fault, "after")
        return answer

    def _is_connected(self, platform: str, account: str, livemode: bool) -> bool:
        return self.state.scope(platform, livemode).find("account", account) is not None

    def _protected(
        self, incoming: Incoming, key: ApiKey, params: dict[str, Any], request_id: str, fault: Fault | None
    ) -> Answer:
        """Act once per idempotency key."""
        idempotency_key = incoming.headers.get("idempotency-key") if incoming.method == "POST" else None
        if not idempotency_key:
            answer, _ = self._act(incoming, key, params, request_id, fault)
            return answer
        owner = (key.account, key.livemode)
        saved = self.idempotency.begin(owner, idempotency_key, incoming.method, incoming.path, params)
        if saved is not None:
            headers = {"Idempotent-Replayed": "true", "Original-Request": saved.request_id}
            if saved.status == 500:
                headers["Stripe-Should-Retry"] = "false"
            return Answer(saved.status or 500, saved.body or b"", headers, replayed=True)
        kept = False
        try:
            answer, kept = self._act(incoming, key, params, request_id, fault)
            if kept:
                status, body = answer.status, answer.body
                if fault is not None and fault.kind == "error_500_after" and fault.stored:
                    failed = _error_answer(_unknown_error())
                    status, body = failed.status, failed.body
                self.idempotency.finish(owner, idempotency_key, request_id, status, body)
        finally:
            if not kept:
                self.idempotency.abandon(owner, idempotency_key)
        return answer

    def _act(
        self, incoming: Incoming, key: ApiKey, params: dict[str, Any], request_id: str, fault: Fault | None
    ) -> tuple[Answer, bool]:
        """Execute the operation; return its answer, and whether Stripe keeps it under an idempotency key."""
        self.faults.pass_by(incoming.method, incoming.path, "before")
        self.faults.hang(fault, "before")
        found = routes.resolve(incoming.method, incoming.path)
        if found is None:
            error = ApiError(501, f"The fake Stripe does not implement {incoming.method} {incoming.path}", stored=False)
            self._violated(incoming, error)
            raise error
        operation, url_params = found
        version = incoming.headers.get("stripe-version")
        with self.state.acting(Cause(request_id, incoming.headers.get("idempotency-key"))):
            scope = self.state.scope(key.account, key.livemode)
            generation = self.response_generation or shapes.generation_of_version(version, self.state.generation)
            try:
                asked = version or shapes.GENERATIONS[generation].api_version
                result = operation(routes.Call(incoming.method, incoming.path, scope, params, url_params, asked))
                if "object" in result and result["object"] not in _PLAIN:
                    result = shapes.render(result, scope, generation, params.get("expand"))
            except ApiError as error:
                answer = _error_answer(error)
                answer.acts = int(error.stored)
                return answer, error.stored
        return Answer(200, shapes.as_body(result), acts=1), True

    def _violated(self, incoming: Incoming, error: ApiError) -> None:
        violation = Violation(incoming.method, incoming.path, error.message, error.param, error.code)
        with self._log_lock:
            self.violations.append(violation)


#: Objects without an id, which are not rendered by type.
_PLAIN = {"account_link", "balance"}


def _unknown_error() -> ApiError:
    return ApiError(500, "An unknown error occurred", type="api_error")


def _error_answer(error: ApiError) -> Answer:
    return Answer(error.status, shapes.as_body(error.body()))


def _late_fault(fault: Fault | None, answer: Answer) -> Answer:
    """Return what a fault makes of the answer, after the request was executed."""
    kind = fault.kind if fault else None
    if kind == "error_500_after":
        failed = _error_answer(_unknown_error())
        failed.acts, failed.replayed = answer.acts, answer.replayed
        if fault is not None and fault.stored:
            failed.headers["Stripe-Should-Retry"] = "false"
        return failed
    if kind == "reset_after":
        answer.reset = True
    elif kind == "garbage":
        answer.status, answer.body, answer.content_type = 200, b"<html>upstream went away</html>", "text/html"
    return answer
