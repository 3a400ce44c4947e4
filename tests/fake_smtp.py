"""A mail server that takes, refuses, hangs up on or lets wait whoever sends to it."""

from __future__ import annotations

import contextlib
import email
import socket
import threading
from email.message import EmailMessage
from email.policy import default
from typing import Any, Self


class FakeSmtp:
    """Speaks as much of SMTP as ``smtplib`` does without extensions.

    ``rcpt`` and ``data`` are the answers to a recipient and to a message's end; ``drop_after_data`` hangs up instead of
    answering, once the message is taken; ``hang`` says nothing at all.
    """

    def __init__(self) -> None:
        self.rcpt = "250 ok"
        self.data = "250 ok"
        self.drop_after_data = False
        self.hang = False
        self.taken: list[EmailMessage] = []
        self.connections = 0
        self._stopped = threading.Event()
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=50)
        self.port: int = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._stopped.set()
        self.close()
        self._thread.join(5)

    def close(self) -> None:
        """Listen no longer: connections are refused."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _accept(self) -> None:
        while not self._stopped.is_set():
            try:
                connection, _address = self._socket.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as lines, contextlib.suppress(OSError):
            self._converse(connection, lines)

    def _converse(self, connection: socket.socket, lines: Any) -> None:
        def say(text: str) -> None:
            connection.sendall(f"{text}\r\n".encode())

        if self.hang:
            self._stopped.wait(10)
            return
        say("220 fake")
        for line in lines:
            verb = line[:4].upper()
            if verb == b"QUIT":
                say("221 bye")
                return
            if verb == b"RCPT":
                say(self.rcpt)
            elif verb == b"DATA":
                say("354 go on")
                body = b""
                for part in lines:
                    if part == b".\r\n":
                        break
                    body += part[1:] if part.startswith(b"..") else part
                if self.data.startswith("2"):
                    self.taken.append(email.message_from_bytes(body, policy=default))  # type: ignore[arg-type]
                if self.drop_after_data:
                    return
                say(self.data)
            else:
                say("250 ok")
