"""The HTTP side: keep-alive connections that are counted, and can be cut."""

from __future__ import annotations

import contextlib
import http.server
import socket
import struct
import threading
import time
import urllib.parse
from collections.abc import Callable
from typing import Any, NoReturn

from tests.fake_stripe.dispatch import Answer, Incoming

Responder = Callable[[Incoming], Answer]

#: SO_LINGER on, zero seconds: closing sends a reset instead of an orderly end.
_RESET = struct.pack("ii", 1, 0)


class Server(http.server.ThreadingHTTPServer):
    """Serves every connection in a thread of its own and can close all of them."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], respond: Responder, clock: Callable[[], float] = time.time) -> None:
        super().__init__(address, http.server.BaseHTTPRequestHandler)
        self.respond = respond
        self.clock = clock
        self.connections = 0
        self._open: dict[int, tuple[socket.socket, threading.Thread]] = {}
        self._lock = threading.Lock()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Start the thread of an accepted connection."""
        with self._lock:
            self.connections += 1
            number = self.connections
            thread = threading.Thread(target=self._serve, args=(request, client_address, number), daemon=True)
            self._open[number] = (request, thread)
        thread.start()

    def _serve(self, request: Any, client_address: Any, number: int) -> None:
        try:
            Handler(request, client_address, self, number)
        except OSError:
            pass  # the client went away, or the connection was cut on purpose
        finally:
            self.shutdown_request(request)
            with self._lock:
                self._open.pop(number, None)

    def close_connections(self) -> None:
        """Close every open connection and wait for its thread."""
        with self._lock:
            still_open = list(self._open.values())
        for connection, _ in still_open:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for _, thread in still_open:
            thread.join(5)


class Handler(http.server.BaseHTTPRequestHandler):
    """Reads one request after another from a connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 65536
    server: Server

    def __init__(self, request: Any, client_address: Any, server: Server, number: int) -> None:
        self.number = number
        super().__init__(request, client_address, server)

    def _respond(self) -> None:
        url = urllib.parse.urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        form = "&".join(part for part in (url.query, body) if part)
        headers = {name.lower(): value for name, value in self.headers.items()}
        incoming = Incoming(self.command, url.path, form, headers, self.number, self.client_address[1])
        answer = self.server.respond(incoming)
        if answer.reset:
            self._cut()
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)
        self.wfile.flush()

    def date_time_string(self, timestamp: float | None = None) -> str:
        """Return the `Date` of an answer, by the fake's clock."""
        return super().date_time_string(self.server.clock() if timestamp is None else timestamp)

    do_GET = do_POST = do_DELETE = _respond

    def _cut(self) -> NoReturn:
        """Reset the connection; the socket is closed for good only when its files are closed too."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.rfile.close()
        self.wfile.close()
        self.connection.close()
        raise ConnectionAbortedError("The connection was cut on purpose")

    def log_message(self, format: str, *args: Any) -> None:
        """Stay silent; the requests are in `FakeStripe.requests`."""
