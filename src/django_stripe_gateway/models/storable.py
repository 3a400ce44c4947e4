"""Texts as the database can hold them, whatever its encoding: the one place that decides what is kept.

People write names and sentences with characters that not every database knows. A payment shall not stay unconfirmed
for one of them, so what a column cannot hold is replaced by a question mark before a row of ours is saved; what the
provider is sent is the row's, so that both sides have the same. Bodies of events are kept escaped, and lose nothing.
What callers find their things by (``order_id``, metadata) is refused where it comes in, and not changed in silence.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from django.db import DatabaseError, connections, models
from django.db.models.signals import pre_save

from django_stripe_gateway.exceptions import InvalidInput
from django_stripe_gateway.models.payments import AbstractPayment

APP_LABEL = "django_stripe_gateway"
UTF8 = "utf8"
# Any bytes: PostgreSQL's SQL_ASCII.
BYTES = "bytes"
# Untranslatable character, and JSON's escape of one; incorrect string value, collations that do not go together.
SQLSTATES = frozenset({"22P05", "0A000"})
ERRNOS = frozenset({1366, 1267, 3988})
# What some databases take, and others do not: NUL, halves of surrogate pairs.
_NO_TEXT = re.compile("[\0\ud800-\udfff]")
_NOT_ASCII = re.compile(r"[^\x00-\x7f]+")
_BEYOND_THREE_BYTES = re.compile("[\U00010000-\U0010ffff]")
REPLACEMENT = "?"
# Encodings of PostgreSQL and MariaDB by their own names, where Python calls them otherwise; any other is looked up.
_CODECS: dict[Any, str] = {
    "unicode": UTF8,
    "utf8mb4": UTF8,
    "mule_internal": "ascii",
    # MariaDB's is Windows'.
    ("mysql", "latin1"): "cp1252",
    ("mysql", "utf8"): "utf8mb3",
    **{f"win{page}": f"cp{page}" for page in (866, 874, *range(1250, 1259))},
    **{f"latin{number}": f"iso8859-{part}" for number, part in enumerate((1, 2, 3, 4, 9, 10, 13, 14, 15, 16), 1)},
}
# By alias, database and table: what a table's columns hold is read once in a process.
_tables: dict[tuple[str, str, str], Mapping[str, str]] = {}


def storable(text: str, field: models.Field[Any, Any], using: str) -> str:
    """Return ``text`` with a question mark for each character that a column cannot hold."""
    text = _NO_TEXT.sub("\ufffd", text)
    if text.isascii():
        return text
    encoding = encoding_of(field, using)
    if encoding == UTF8:
        return text
    if encoding == "utf8mb3":
        return _BEYOND_THREE_BYTES.sub(REPLACEMENT, text)
    if encoding == BYTES:
        # It counts bytes where others count characters.
        return text.encode()[: field.max_length].decode(errors="ignore")
    return text.encode(encoding, "replace").decode(encoding)


def is_storable(value: Any, field: models.Field[Any, Any], using: str) -> bool:
    """Return whether a column can hold a text, or JSON with all its texts, as it is."""
    return bool(_changed(value, lambda text: storable(text, field, using)) == value)


def escaped_json(text: str) -> str:
    """Return JSON as ASCII, which says the same; beyond its texts there is nothing to escape in it."""
    return _NOT_ASCII.sub(lambda found: json.dumps(found[0])[1:-1], text)


def encoding_of(field: models.Field[Any, Any], using: str) -> str:
    """Return what a column's texts are written in, by Python's name; "utf8" holds all, "utf8mb3" most."""
    connection = connections[using]
    if connection.vendor == "postgresql":
        return _postgres_encoding(connection, is_json=isinstance(field, models.JSONField))
    if connection.vendor == "mysql":
        return _mysql_encodings(connection, field.model._meta.db_table).get(str(field.column), UTF8)
    return UTF8


def follow_saves() -> None:
    """Keep what a database cannot hold out of the rows of this app, and of the host's payments."""
    pre_save.connect(_hold_texts, dispatch_uid="stripe_gateway_texts")


def _hold_texts(sender: type[models.Model], instance: Any, using: str, **kwargs: Any) -> None:
    if sender._meta.app_label == APP_LABEL or issubclass(sender, AbstractPayment):
        make_storable(instance, using, kwargs.get("update_fields"))


def refuse_unstorable(row: models.Model, names: Iterable[str], using: str) -> None:
    """Raise ``InvalidInput`` for a column that could not hold what its caller will look for.

    Raises:
        InvalidInput: with the column as its ``field``.
    """
    for name in names:
        field: Any = row._meta.get_field(name)
        if not is_storable(getattr(row, name), field, using):
            raise InvalidInput("This holds characters that this site's database cannot keep.", field=name)


def is_unstorable_text(error: DatabaseError) -> bool:
    """Return whether a database has refused a text for its characters, in a condition too."""
    errno = error.args[0] if error.args else None
    return getattr(error.__cause__, "sqlstate", None) in SQLSTATES or errno in ERRNOS


def make_storable(instance: models.Model, using: str, update_fields: Iterable[str] | None = None) -> None:
    """Replace on a row that is about to be saved what its columns cannot hold."""
    for field in instance._meta.concrete_fields:
        if not isinstance(field, models.CharField | models.TextField | models.JSONField):
            continue
        # Of a column that was not read nothing is written.
        if field.attname not in instance.__dict__ or (update_fields is not None and field.name not in update_fields):
            continue
        value = instance.__dict__[field.attname]
        held = _changed(value, lambda text, field=field: storable(text, field, using))  # type: ignore[misc]
        if held != value:
            setattr(instance, field.attname, held)


def _changed(value: Any, change: Callable[[str], str]) -> Any:
    """Return plain values with each text in them changed."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {_changed(name, change): _changed(part, change) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_changed(part, change) for part in value) if type(value) in (list, tuple) else value
    return value


def _postgres_encoding(connection: Any, *, is_json: bool) -> str:
    # The server has said it when it was connected to.
    connection.ensure_connection()
    name = str(connection.connection.info.parameter_status("server_encoding") or UTF8).lower()
    if name == "sql_ascii":
        # It keeps any bytes, but reads no escape in JSON beyond ASCII.
        return "ascii" if is_json else BYTES
    return _codec(connection.vendor, name)


def _mysql_encodings(connection: Any, table: str) -> Mapping[str, str]:
    key = (connection.alias, str(connection.settings_dict["NAME"]), table)
    if key not in _tables:
        question = (
            "SELECT column_name, character_set_name FROM information_schema.columns "
            "WHERE table_schema = DATABASE() AND table_name = %s AND character_set_name IS NOT NULL"
        )
        try:
            with connection.cursor() as cursor:
                cursor.execute(question, [table])
                found = {str(column): _codec("mysql", str(name).lower()) for column, name in cursor.fetchall()}
        except DatabaseError:
            return {}
        if not found:
            # Not migrated yet.
            return {}
        _tables[key] = found
    return _tables[key]


def _codec(vendor: str, name: str) -> str:
    named = _CODECS.get((vendor, name)) or _CODECS.get(name) or name
    if named in (UTF8, "utf8mb3"):
        return named
    try:
        return codecs.lookup(named.replace("_", "-")).name
    except LookupError:
        # Every encoding of a database holds these.
        return "ascii"
