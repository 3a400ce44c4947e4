"""Find the databases, servers and browsers of this machine that the tests can use."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

import psycopg
import pymysql

POSTGRES_URL = "postgres://postgres@127.0.0.1:5432/postgres"
MARIADB_URL = "mysql://root@127.0.0.1:3306/test"
REDIS_URL = "redis://127.0.0.1:6379/15"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
MARIADB_LIBRARIES = ("libmariadb", "mariadb", "mysqlclient")
TIMEOUT = 5


@dataclass(frozen=True)
class Service:
    """One service: whether the tests can use it, why not, and what they need to know to do so."""

    name: str
    usable: bool
    detail: str
    environment: dict[str, str]

    def __str__(self) -> str:
        return f"{self.name:<12}{'used' if self.usable else 'LEFT OUT'}: {self.detail}"


def one_line(error: Exception) -> str:
    """Return the first line of an error, for a sentence."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def without_password(url: str) -> str:
    """Return a service's address as it may be printed."""
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port}{parts.path}"


def log_in_to_postgres(url: str) -> str:
    """Log in and return the server's version; the user must be allowed to create test databases."""
    with psycopg.connect(url.replace("postgres://", "postgresql://", 1), connect_timeout=TIMEOUT) as connection:
        row = connection.execute(
            "SELECT current_setting('server_version'), rolcreatedb OR rolsuper FROM pg_roles"
            " WHERE rolname = current_user"
        ).fetchone()
    if row is None or not row[1]:
        raise PermissionError("the user may not create databases")
    return f"PostgreSQL {row[0].split()[0]}"


def log_in_to_mariadb(url: str) -> str:
    """Log in and return the server's version."""
    parts = urlsplit(url)
    connection = pymysql.connect(
        host=parts.hostname,
        port=parts.port or 3306,
        user=unquote(parts.username or "root"),
        password=unquote(parts.password or ""),
        connect_timeout=TIMEOUT,
    )
    with connection, connection.cursor() as cursor:
        cursor.execute("SELECT VERSION()")
        row = cursor.fetchone()
    return str(row[0] if row else "")


def log_in_to_redis(url: str) -> str:
    """Log in, if the address names a password, and ping."""
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname or "127.0.0.1", parts.port or 6379), TIMEOUT) as connection:
        if parts.password:
            words = [word for word in (parts.username, parts.password) if word]
            connection.sendall(f"AUTH {' '.join(map(unquote, words))}\r\n".encode())
            expect(connection, b"+OK")
        connection.sendall(b"PING\r\n")
        expect(connection, b"+PONG")
    return "it answers PING"


def expect(connection: socket.socket, beginning: bytes) -> None:
    """Read one short answer of Redis."""
    answer = connection.recv(200)
    if not answer.startswith(beginning):
        raise ConnectionError(answer.decode(errors="replace").strip() or "it closed the connection")


def server(name: str, variable: str, default: str, log_in: Callable[[str], str]) -> Service:
    """Describe a server from the address in an environment variable, or from its usual address."""
    url = os.environ.get(variable) or default
    try:
        version = log_in(url)
    except Exception as error:
        reason = f"no login at {without_password(url)} ({one_line(error)}); set {variable} if it is elsewhere"
        return Service(name, False, reason, {})
    return Service(name, True, f"{version} at {without_password(url)}", {variable: url})


def mariadb_driver() -> str:
    """Return the driver to install: mysqlclient where it can be compiled, else PyMySQL."""
    chosen = os.environ.get("MARIADB_DRIVER")
    if chosen:
        return chosen
    if shutil.which("cc") and shutil.which("pkg-config"):
        for library in MARIADB_LIBRARIES:
            if subprocess.run(["pkg-config", "--exists", library], check=False).returncode == 0:
                return "mysqlclient>=2.2.1"
    return "pymysql>=1.1"


def mariadb() -> Service:
    """Describe MariaDB, and the driver that its tests will use."""
    found = server("MariaDB", "MARIADB_URL", MARIADB_URL, log_in_to_mariadb)
    if not found.usable:
        return found
    driver = mariadb_driver()
    return Service(
        found.name,
        True,
        f"{found.detail}, through {driver.partition('>')[0]}",
        {**found.environment, "MARIADB_DRIVER": driver},
    )


def browser() -> Service:
    """Describe the Chromium that the browser tests drive; none is ever downloaded."""
    named = os.environ.get("TEST_CHROMIUM")
    path = named or next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        reason = f"none of {', '.join(BROWSERS)} is on PATH; set TEST_CHROMIUM to one that is elsewhere"
        return Service("Browser", False, reason, {})
    try:
        answer = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=60, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        return Service("Browser", False, f"{path} does not start ({one_line(error)})", {})
    return Service("Browser", True, f"{answer.stdout.strip()} at {path}", {"TEST_CHROMIUM": path})


def pooler() -> Service:
    """Describe the PgBouncer that tests start for themselves, in front of PostgreSQL."""
    path = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
    if path is None:
        return Service("PgBouncer", False, "it is not on PATH; the Debian package is called pgbouncer", {})
    return Service("PgBouncer", True, path, {})


def find_services() -> list[Service]:
    """Return every service that the tests know, usable or not."""
    return [
        Service("SQLite", True, "it comes with Python", {}),
        server("PostgreSQL", "POSTGRES_URL", POSTGRES_URL, log_in_to_postgres),
        mariadb(),
        pooler(),
        server("Redis", "TEST_REDIS_URL", REDIS_URL, log_in_to_redis),
        browser(),
    ]
