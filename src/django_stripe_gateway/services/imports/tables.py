"""Read the tables of another app, which need not be installed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from django.db import DatabaseError, connections
from django.utils.connection import ConnectionDoesNotExist

from django_stripe_gateway.exceptions import GatewayConfigurationError

CHUNK = 500


class ForeignTable:
    """A table that this app only reads, in the order of its key.

    Args:
        key: the column of its primary key, empty to let the database say.

    Raises:
        GatewayConfigurationError: there is no such database, table or column.
    """

    def __init__(self, database: str, name: str, *, key: str = "", needs: Sequence[str] = ()) -> None:
        self.name = name
        try:
            self.connection: Any = connections[database]
        except ConnectionDoesNotExist:
            raise GatewayConfigurationError(f"DATABASES has no entry {database!r}.") from None
        try:
            with self.connection.cursor() as cursor:
                if name not in self.connection.introspection.table_names(cursor):
                    raise GatewayConfigurationError(f"The database {database!r} has no table {name}.")
                described = self.connection.introspection.get_table_description(cursor, name)
                self.key: str = key or self.connection.introspection.get_primary_key_column(cursor, name) or "id"
        except DatabaseError as error:
            raise GatewayConfigurationError(f"The database {database!r} cannot be read: {error}") from error
        self.columns = [column.name for column in described]
        missing = [column for column in (self.key, *needs) if column not in self.columns]
        if missing:
            raise GatewayConfigurationError(
                f"The table {name} of the database {database!r} has no column {', '.join(missing)}."
            )

    def reference(self, column: str) -> tuple[str, str | None] | None:
        """Return the table and the column that a foreign key refers to, ``None`` where the database knows of none."""
        with self.connection.cursor() as cursor:
            found = self.connection.introspection.get_relations(cursor, self.name).get(column)
        return None if found is None else (found[1], found[0])

    def rows(self, *columns: str) -> Iterator[Mapping[str, Any]]:
        """Yield the rows; of columns that the table does not have, ``None``."""
        for chunk in self.chunks(*columns):
            yield from chunk

    def chunks(self, *columns: str) -> Iterator[Sequence[Mapping[str, Any]]]:
        """Yield the rows, some hundreds at a time, so that no cursor is open while they are worked on."""
        there = [self.key, *(column for column in columns if column in self.columns)]
        quote = self.connection.ops.quote_name
        listed, key = ", ".join(map(quote, there)), quote(self.key)
        lacking = dict.fromkeys(columns)
        last: Any = None
        while True:
            after = "" if last is None else f"WHERE {key} > %s "
            sql = f"SELECT {listed} FROM {quote(self.name)} {after}ORDER BY {key} LIMIT {CHUNK}"  # noqa: S608 (quoted)
            with self.connection.cursor() as cursor:
                cursor.execute(sql, [] if last is None else [last])
                found = cursor.fetchall()
            chunk = [lacking | dict(zip(there, row, strict=True)) for row in found]
            if chunk:
                yield chunk
            if len(found) < CHUNK:
                return
            last = chunk[-1][self.key]
