"""Tenants of one process, each with a schema of its own, as the request's host says."""

from __future__ import annotations

from collections.abc import Callable

from django.db import connection
from django.http import HttpRequest, HttpResponse

TENANTS = ("one", "two")
#: Rows that a migration has made.
COPIED = ("django_content_type", "auth_permission", "django_stripe_gateway_paymentgatewayconfig")


def use(tenant: str) -> None:
    """Let this connection work for a tenant from now on."""
    with connection.cursor() as cursor:
        cursor.execute(f"SET search_path = {tenant or 'public'}")


def by_host(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Choose the schema before everything else, and leave it afterwards."""

    def respond(request: HttpRequest) -> HttpResponse:
        use(request.get_host().partition(".")[0])
        try:
            return get_response(request)
        finally:
            use("")

    return respond


def make_schemas() -> None:
    """Make each tenant's tables like those of the tests' own."""
    tables = connection.introspection.table_names()
    with connection.cursor() as cursor:
        for tenant in TENANTS:
            cursor.execute(f"DROP SCHEMA IF EXISTS {tenant} CASCADE")
            cursor.execute(f"CREATE SCHEMA {tenant}")
            for table in tables:
                cursor.execute(f"CREATE TABLE {tenant}.{table} (LIKE public.{table} INCLUDING ALL)")
            for table in COPIED:
                cursor.execute(f"INSERT INTO {tenant}.{table} SELECT * FROM public.{table}")


def drop_schemas() -> None:
    """Take them away."""
    use("")
    with connection.cursor() as cursor:
        for tenant in TENANTS:
            cursor.execute(f"DROP SCHEMA IF EXISTS {tenant} CASCADE")
