"""A server that answers bytes of the test's choosing: what the fake Stripe, which answers properly, cannot."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable
from typing import Self

Script = Callable[[socket.socket, bytes], bool]


def http_answer(body: bytes, status: str = "200 OK", content_type: str = "application/json", *headers: str) -> bytes:
    """Return a whole answer that keeps the connection open."""
    lines = [f"HTTP/1.1 {status}", f"Content-Type: {content_type}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def answering(body: bytes, status: str = "200 OK", content_type: str = "application/json", *headers: str) -> Script:
    """Return a script that gives every request the same answer."""

    def answer(connection: socket.socket, request: bytes) -> bool:
        connection.sendall(http_answer(body, status, content_type, *headers))
        return True

    return answer


class RawServer:
    """Runs ``script`` with each request; the script answers, and says whether the connection stays open."""

    def __init__(self, script: Script, tls: ssl.SSLContext | None = None) -> None:
        self.script = script
        self.requests: list[bytes] = []
        self.connections = 0
        self._tls = tls
        self._stopped = False
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._stopped = True
        # Wakes accept(), which closing the listener does not.
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        self.close_connections()
        for thread in self._threads:
            thread.join(5)
        self._listener.close()

    def close_connections(self) -> None:
        """Close every connection, as a server does with those that were idle for long."""
        for connection in self._open:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def header(self, name: str, number: int = -1) -> str:
        """Return a header of a request, empty if it was not sent."""
        for line in self.requests[number].decode().split("\r\n\r\n")[0].split("\r\n")[1:]:
            if line.lower().startswith(name.lower() + ":"):
                return line.partition(":")[2].strip()
        return ""

    def _start(self, target: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._stopped:
            connection, _address = self._listener.accept()
            if self._stopped:
                connection.close()
                return
            self.connections += 1
            self._start(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError, ssl.SSLError), connection:
            if self._tls is not None:
                connection = self._tls.wrap_socket(connection, server_side=True)
            self._open.append(connection)
            with connection:
                while request := self._read(connection):
                    self.requests.append(request)
                    if not self.script(connection, request):
                        return

    def _read(self, connection: socket.socket) -> bytes:
        received = b""
        while b"\r\n\r\n" not in received:
            part = connection.recv(65536)
            if not part:
                return b""
            received += part
        head, _, body = received.partition(b"\r\n\r\n")
        length = 0
        for line in head.split(b"\r\n"):
            if line.lower().startswith(b"content-length:"):
                length = int(line.partition(b":")[2])
        while len(body) < length:
            body += connection.recv(65536)
        return head + b"\r\n\r\n" + body
