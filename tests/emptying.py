"""Empty the tables after a test with real transactions.

Django's ``flush`` truncates every table and makes all content types and permissions anew, which takes longer than most
tests. Here only the tables that hold something are emptied, and what migrations made for good stays.
"""

from __future__ import annotations

from typing import Any

from django.db import connections, transaction

KEPT = frozenset({"auth_permission", "django_content_type"})


def empty_tables(using: str) -> None:
    """Delete every row but those that each database begins with."""
    connection = connections[using]
    quote = connection.ops.quote_name
    names = sorted(set(connection.introspection.django_table_names(only_existing=False)) - KEPT)
    # MariaDB wants a table to select from.
    source = "FROM DUAL" if connection.vendor == "mysql" else ""
    probes = (f"SELECT '{name}' {source} WHERE EXISTS (SELECT 1 FROM {quote(name)})" for name in names)
    with transaction.atomic(using=using), connection.cursor() as cursor, connection.constraint_checks_disabled():
        cursor.execute(" UNION ALL ".join(probes))
        for (name,) in cursor.fetchall():
            cursor.execute(f"DELETE FROM {quote(name)}")


def teardown(test_case: Any) -> None:
    """Take the place of ``TransactionTestCase._fixture_teardown``."""
    for using in test_case._databases_names(include_mirrors=False):
        empty_tables(using)
