"""The bank as tests use it: ``POST {url}/{call}`` with a JSON body, a bearer's key and an idempotency key."""

from __future__ import annotations

import copy
import hashlib
import hmac
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from tests.third_provider.bank.billing import Billing
from tests.third_provider.bank.ledger import Refused
from tests.third_provider.bank.payments import Payments

API_KEY = "acme-key-of-the-shop"
WEBHOOK_SECRET = "acme-webhook-secret"
CALLS = frozenset(
    "open_payment get_payment take void give_back list_refunds make change get list open_setup attach detach subscribe "
    "change_subscription end".split()
)


class Bank(Payments, Billing):
    """A bank on a loopback port."""

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.RLock()
        self._answers: dict[str, Any] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._server.shutdown()
        self._thread.join(5)
        self._server.server_close()

    def call(self, name: str, body: dict[str, Any], key: str) -> Any:
        """Do what was asked, once for each idempotency key; refusals are not kept under it."""
        if name not in CALLS:
            raise Refused(404, "no_such_call")
        with self._lock:
            if not key or key not in self._answers:
                answer = copy.deepcopy(getattr(self, name)(**body))
                if not key:
                    return answer
                self._answers[key] = answer
            return self._answers[key]

    def forget_keys(self) -> None:
        """Forget all idempotency keys."""
        self._answers.clear()

    @staticmethod
    def sign(body: bytes, secret: str = WEBHOOK_SECRET) -> str:
        """Return the ``Acme-Signature`` header of a delivery."""
        return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def _handler(bank: Bank) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            try:
                if self.headers.get("Authorization") != f"Bearer {API_KEY}":
                    raise Refused(401, "unauthorized")
                status, answer = 200, bank.call(self.path.strip("/"), body, self.headers.get("Idempotency-Key", ""))
            except Refused as refusal:
                status, answer = refusal.status, {"code": refusal.code, "message": refusal.message}
            sent = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(sent)))
            self.end_headers()
            self.wfile.write(sent)

        def log_message(self, *args: object) -> None:
            """Print nothing."""

    return Handler
