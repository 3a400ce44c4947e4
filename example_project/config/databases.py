"""What each database engine wants beside its address."""

from __future__ import annotations

from typing import Any


def with_engine_options(settings: dict[str, Any]) -> dict[str, Any]:
    """Return the settings of a database with the options that payments need on its engine."""
    options = dict(settings.get("OPTIONS") or {})
    match settings["ENGINE"].rpartition(".")[2]:
        case "sqlite3":
            # A transaction that begins with a read could not become a writer while another one writes: it would
            # fail at once, whatever the timeout. IMMEDIATE waits at its beginning instead.
            options = {
                "transaction_mode": "IMMEDIATE",
                "timeout": 20,
                "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
            } | options
        case "mysql":
            use_pymysql_without_mysqlclient()
            options = {"charset": "utf8mb4"} | options
            settings = keep_connections(settings)
        case _:
            settings = keep_connections(settings)
    return settings | {"OPTIONS": options}


def keep_connections(settings: dict[str, Any]) -> dict[str, Any]:
    """Connecting costs more than a whole webhook does: keep connections, and look whether they still live."""
    return settings | {"CONN_MAX_AGE": settings.get("CONN_MAX_AGE") or 60, "CONN_HEALTH_CHECKS": True}


def use_pymysql_without_mysqlclient() -> None:
    """Let PyMySQL stand in where mysqlclient, which needs a C compiler, is not installed."""
    try:
        import MySQLdb  # noqa: F401, PLC0415 (only one of the two drivers is there)
    except ImportError:
        try:
            import pymysql  # noqa: PLC0415
        except ImportError:
            # Django says what to install.
            return
        # Django asks for a version of mysqlclient.
        pymysql.version_info = (2, 2, 1, "final", 0)
        pymysql.install_as_MySQLdb()
