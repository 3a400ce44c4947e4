"""Bring a development database up to date, or start anew where its tables are of another shape."""

from __future__ import annotations

from pathlib import Path

from django.apps import apps
from django.core.management import call_command
from django.db import DatabaseError, connection
from django.db.models import Model

APPS = ("django_stripe_gateway", "shop")


def migrate_or_replace() -> Path | None:
    """Migrate; until version 0.1.0 is released a migration may be made anew, and an older SQLite file is put aside.

    Returns:
        Where the older file is now; ``None`` if there was none.

    Raises:
        DatabaseError: a server's database could not be migrated, which only its owner may throw away.
    """
    try:
        call_command("migrate", interactive=False, verbosity=0)
        if not _has_another_shape():
            return None
    except DatabaseError:
        if connection.vendor != "sqlite":
            raise
    file = Path(connection.settings_dict["NAME"])
    if connection.vendor != "sqlite" or not file.is_file():
        raise DatabaseError("The tables of this database are of an older shape. Use an empty one.")
    aside = file.with_name(f"{file.name}.old")
    connection.close()
    file.replace(aside)
    call_command("migrate", interactive=False, verbosity=0)
    return aside


def _has_another_shape() -> bool:
    models = (model for name in APPS for model in apps.get_app_config(name).get_models())
    with connection.cursor() as cursor:
        tables = set(connection.introspection.table_names(cursor))
        return any(not _is_as_its_model(cursor, tables, model) for model in models if model._meta.managed)


def _is_as_its_model(cursor: object, tables: set[str], model: type[Model]) -> bool:
    table = model._meta.db_table
    if table not in tables:
        return False
    columns = {column.name for column in connection.introspection.get_table_description(cursor, table)}
    return columns == {field.column for field in model._meta.local_concrete_fields}
