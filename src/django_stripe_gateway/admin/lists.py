"""Lists of rows with a date, on any database."""

from __future__ import annotations

from typing import Any

from django.contrib.admin.views.main import ChangeList
from django.db import connections
from django.http import HttpRequest


class DatedChangeList(ChangeList):
    """A list without its navigation by date where the database cannot tell the day in a time zone.

    MariaDB and MySQL cannot until their time zone tables are loaded, and the page would fail as a whole:
    https://docs.djangoproject.com/en/stable/ref/databases/#time-zone-definitions
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not knows_time_zones(self.root_queryset.db):
            self.date_hierarchy = None


class DatedListMixin:
    """Uses ``DatedChangeList``."""

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        """Return the list's class."""
        return DatedChangeList


def knows_time_zones(alias: str) -> bool:
    """Return whether the database can convert between time zones.

    Asked with a conversion: Django's own feature flag reads a system table that a host's database user may not read.
    """
    connection = connections[alias]
    if connection.vendor != "mysql":
        return True
    with connection.cursor() as cursor:
        cursor.execute("SELECT CONVERT_TZ('2000-01-01 00:00:00', 'UTC', 'Europe/Berlin')")
        return cursor.fetchone()[0] is not None
