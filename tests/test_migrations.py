"""The migrations: complete, reversible, and a gateway to begin with."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from django_stripe_gateway.models import PaymentGatewayConfig

APP = "django_stripe_gateway"


@pytest.fixture
def _migrated_again(transactional_db: None) -> Iterator[None]:
    yield
    call_command("migrate", verbosity=0)


def tables() -> set[str]:
    return {name for name in connection.introspection.table_names() if name.startswith(f"{APP}_")}


def migrate(*target: str) -> None:
    call_command("migrate", *target, verbosity=0)


def applied() -> set[str]:
    return {name for app, name in MigrationExecutor(connection).loader.applied_migrations if app == APP}


@pytest.mark.django_db
def test_no_migration_is_missing() -> None:
    # Of ours: a test has a proxy of the user beside.
    call_command("makemigrations", "django_stripe_gateway", "--check", "--dry-run", verbosity=0)


@pytest.mark.slow
@pytest.mark.database
@pytest.mark.usefixtures("_migrated_again")
def test_forwards_and_backwards() -> None:
    before = tables()
    assert before
    for _ in range(2):
        migrate(APP, "zero")
        assert tables() == set()
        assert applied() == set()
        migrate()
        assert tables() == before
        assert {"0001_initial", "0002_default_gateway"} <= applied()
        # There is a gateway to begin with.
        gateway = PaymentGatewayConfig.objects.get()
        assert (gateway.name, gateway.variant, gateway.is_active, gateway.is_default) == (
            "Stripe",
            "stripe",
            True,
            True,
        )
        assert gateway.variant in settings.PAYMENT_VARIANTS
        assert gateway.created is not None


@pytest.mark.usefixtures("_migrated_again")
def test_forwards__keeps_the_hosts_gateways() -> None:
    migrate(APP, "0001")
    PaymentGatewayConfig.objects.all().delete()
    PaymentGatewayConfig.objects.create(name="Cards", variant="stripe")
    migrate(APP, "0002")
    assert [gateway.name for gateway in PaymentGatewayConfig.objects.all()] == ["Cards"]


@pytest.mark.usefixtures("_migrated_again")
def test_backwards__leaves_the_gateway_until_its_table_goes() -> None:
    PaymentGatewayConfig.objects.all().delete()
    PaymentGatewayConfig.objects.create(name="Cards", variant="stripe")
    migrate(APP, "0001")
    assert PaymentGatewayConfig.objects.get().name == "Cards"


def test_initial__waits_for_the_hosts_payment_model() -> None:
    migration: Any = import_module(f"{APP}.migrations.0001_initial").Migration
    models = {dependency.setting for dependency in migration.dependencies}
    assert models == {settings.AUTH_USER_MODEL, settings.PAYMENT_MODEL, settings.STRIPE_GATEWAY_OWNER_MODEL}
    create = next(operation for operation in migration.operations if operation.name == "Payment")
    assert create.options["swappable"] == "PAYMENT_MODEL"


def test_operations__name_no_field_class_of_ours() -> None:
    migration: Any = import_module(f"{APP}.migrations.0001_initial").Migration
    for operation in migration.operations:
        for _name, field in getattr(operation, "fields", []):
            assert not type(field).__module__.startswith(APP)
