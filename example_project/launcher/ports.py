"""Find ports on the loopback address that nobody listens on."""

from __future__ import annotations

import socket

LOOPBACK = "127.0.0.1"
NEIGHBOURS = 20


def find_port(wanted: int, *, taken: set[int]) -> int:
    """Return ``wanted`` or, if it is not free, one of the ports after it, or any that is."""
    for port in range(wanted, min(wanted + NEIGHBOURS, 65536)):
        if port and port not in taken and is_free(port):
            return port
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def is_free(port: int) -> bool:
    """Return whether a server could listen on ``port`` and nobody else's would be reached there."""
    with socket.socket() as probe:
        probe.settimeout(1)
        if probe.connect_ex((LOOPBACK, port)) == 0:
            return False
    with socket.socket() as probe:
        # As servers do: connections of a server that has just ended are no hindrance.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True
