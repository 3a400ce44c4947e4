"""What the database can do, where the models go, and the gateways' rows."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from django.db import DatabaseError, connection
from django.test import override_settings

from django_stripe_gateway.checks import databases
from django_stripe_gateway.checks.databases import check_database, check_gateway_rows, check_routing
from django_stripe_gateway.models import PaymentGatewayConfig, PaymentLog
from tests.test_checks.running import run


class LogsElsewhere:
    """A router that tears the audit trail off its payments."""

    def db_for_write(self, model: Any, **hints: Any) -> str | None:
        return "logs" if model is PaymentLog else None


class FakeCursor:
    def __init__(self, charset: str, isolation: str) -> None:
        self.charset, self.isolation = charset, isolation

    def __enter__(self) -> FakeCursor:
        return self

    def __exit__(self, *args: object) -> None:
        pass

    def execute(self, sql: str) -> None:
        if self.charset == "broken":
            raise DatabaseError("gone")

    def fetchone(self) -> tuple[str]:
        return (self.charset,)

    def fetchall(self) -> list[tuple[str, str]]:
        return [("transaction_isolation", self.isolation), ("tx_isolation", self.isolation)]


def fake_connection(
    monkeypatch: Any,
    vendor: str = "mysql",
    charset: str = "utf8mb4",
    transactions: bool = True,
    locks: bool = True,
    isolation: str = "READ-COMMITTED",
) -> None:
    features = SimpleNamespace(supports_transactions=transactions, has_select_for_update=locks)
    fake = SimpleNamespace(
        vendor=vendor,
        alias="default",
        features=features,
        settings_dict={"NAME": "shop"},
        cursor=lambda: FakeCursor(charset, isolation),
    )
    monkeypatch.setattr(databases, "connections", {"default": fake})


@pytest.mark.django_db
def test_database__the_one_of_the_tests() -> None:
    assert run(check_database, databases=["default"]) == []


@pytest.mark.parametrize(
    ("kwargs", "expected"),
    [
        ({}, []),
        ({"transactions": False}, ["E020"]),
        ({"charset": "utf8mb3"}, ["W021"]),
        ({"vendor": "other", "locks": False}, ["E021"]),
        ({"vendor": "sqlite", "locks": False}, []),
        ({"charset": "broken"}, []),
        ({"isolation": "REPEATABLE-READ"}, ["E022"]),
        ({"isolation": "READ-UNCOMMITTED"}, ["E022"]),
        ({"isolation": "SERIALIZABLE"}, []),
    ],
)
def test_database__features(monkeypatch: Any, kwargs: dict[str, Any], expected: list[str]) -> None:
    fake_connection(monkeypatch, **kwargs)
    assert run(check_database, databases=["default"]) == expected


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(connection.vendor != "mysql", reason="the level is MySQL's and MariaDB's")
def test_e022__asked_of_the_server() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    try:
        assert run(check_database, databases=["default"]) == ["E022"]
    finally:
        connection.close()


def test_database__not_asked_for() -> None:
    assert run(check_database) == run(check_database, databases=["other"]) == []
    assert run(check_gateway_rows) == run(check_gateway_rows, databases=["other"]) == []


@pytest.mark.parametrize(("routers", "expected"), [([], []), ([f"{__name__}.LogsElsewhere"], ["E015"])])
def test_e015__routing(routers: list[str], expected: list[str]) -> None:
    with override_settings(DATABASE_ROUTERS=routers):
        assert run(check_routing) == expected


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("variant", "is_active", "expected"),
    [
        ("stripe", True, []),
        ("gone", True, ["W020"]),
        ("gone", False, []),
        ("dummy", True, ["W020"]),
        ("mine", True, []),
    ],
)
def test_w020__gateway_rows(variant: str, is_active: bool, expected: list[str]) -> None:
    variants = {
        "stripe": ("django_stripe_gateway.providers.StripeProvider", {}),
        "dummy": ("payments.dummy.DummyProvider", {}),
        "mine": ("payments.dummy.DummyProvider", {"gateway": "shop.Gateway"}),
    }
    PaymentGatewayConfig.objects.all().delete()
    PaymentGatewayConfig.objects.create(name="A", variant=variant, is_active=is_active)
    with override_settings(PAYMENT_VARIANTS=variants):
        assert run(check_gateway_rows, databases=["default"]) == expected


@pytest.mark.django_db(transaction=True)
def test_w020__table_is_missing() -> None:
    with connection.schema_editor() as editor:
        editor.delete_model(PaymentGatewayConfig)
    try:
        assert run(check_gateway_rows, databases=["default"]) == []
    finally:
        with connection.schema_editor() as editor:
            editor.create_model(PaymentGatewayConfig)
