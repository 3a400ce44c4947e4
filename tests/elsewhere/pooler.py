"""A PgBouncer of the tests' own, which gives every transaction another connection, with nothing left on it."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import connection

from tests.conftest import free_port, wait_for_port

PROGRAM = "/usr/sbin/pgbouncer"
CONFIGURATION = """
[databases]
* = host={host} port={port} user={user} password={password}

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {listens}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 4
server_round_robin = 1
server_reset_query = DISCARD ALL
server_reset_query_always = 1
ignore_startup_parameters = extra_float_digits, options
"""


def program() -> str:
    """Return where PgBouncer is, or skip the test and say why."""
    found = shutil.which("pgbouncer") or (PROGRAM if os.access(PROGRAM, os.X_OK) else "")
    if not found:
        reason = "no pgbouncer on PATH; it is the Debian package pgbouncer"
        if os.environ.get("REQUIRE_SERVICES") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    return found


@contextlib.contextmanager
def pooler() -> Iterator[int]:
    """Run one in front of the tests' PostgreSQL; yields its port."""
    at, listens = connection.settings_dict, free_port()
    with tempfile.TemporaryDirectory() as folder:
        configuration = Path(folder) / "pgbouncer.ini"
        configuration.write_text(
            CONFIGURATION.format(
                host=at["HOST"] or "127.0.0.1",
                port=at["PORT"] or 5432,
                user=at["USER"] or "postgres",
                password=at["PASSWORD"] or "-",
                listens=listens,
            )
        )
        # It does not run as root.
        who = ["-u", "nobody"] if os.getuid() == 0 else []
        process = subprocess.Popen(
            [program(), *who, str(configuration)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            wait_for_port(listens, process)
            yield listens
        finally:
            process.terminate()
            process.wait(10)
