"""Lists of many rows, by date where there is one, on any database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db import connections
from django.http import HttpRequest

if TYPE_CHECKING:
    #: What a mixin knows of the class that it is mixed into.
    AdminBase = admin.ModelAdmin[Any]
else:
    AdminBase = object


class DatedChangeList(ChangeList):
    """A list without its navigation by date where the database cannot convert to the day of a time zone.

    MariaDB and MySQL cannot until their time zone tables are loaded, and the page would fail as a whole:
    https://docs.djangoproject.com/en/stable/ref/databases/#time-zone-definitions
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.date_hierarchy and not knows_time_zones(self.root_queryset.db):
            self.date_hierarchy = None


class LargeListMixin:
    """A list that stays quick on a large table; put it before ``ModelAdmin``."""

    list_per_page = 50
    # A count of the whole table for "x results (y total)" is what makes the page slow on a large one.
    show_full_result_count = False

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
