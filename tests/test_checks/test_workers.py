"""Workers: whether events can be handed to them."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from django.test import override_settings

from django_stripe_gateway.checks.workers import check_workers
from tests.test_checks.running import run

pytest.importorskip("django_tasks_db")

TASK_MODULE = "django_stripe_gateway.webhooks.tasks"


def enqueue(event_pk: int) -> None:
    """Stand for a host's own queue."""


@pytest.fixture(autouse=True)
def _fresh_import() -> Any:
    """Import the task anew, with the settings of the test."""
    sys.modules.pop(TASK_MODULE, None)
    yield
    sys.modules.pop(TASK_MODULE, None)


def backends(name: str, **options: Any) -> dict[str, Any]:
    """Return TASKS with one of the backends that come with the implementation in use."""
    try:
        import django.tasks

        package = django.tasks.__name__
    except ImportError:
        package = "django_tasks"
    return {"default": {"BACKEND": f"{package}.backends.{name}", **options}}


def test_inline__needs_nothing() -> None:
    with override_settings(STRIPE_GATEWAY_WEBHOOK_ENQUEUE="no.such.function"):
        assert run(check_workers) == []


@override_settings(STRIPE_GATEWAY_WEBHOOK_PROCESSING="task")
def test_e018__with_workers_in_the_database() -> None:
    assert run(check_workers) == []


@override_settings(STRIPE_GATEWAY_WEBHOOK_PROCESSING="task")
def test_e018__no_tasks_implementation(monkeypatch: Any) -> None:
    for name in ("django.tasks", "django_tasks"):
        monkeypatch.setitem(sys.modules, name, None)
    (message,) = check_workers(None)
    assert message.id == "django_stripe_gateway.E018"
    assert "ModuleNotFoundError" in message.msg
    assert 'pip install "django-stripe-gateway[tasks]"' in (message.hint or "")


@override_settings(
    STRIPE_GATEWAY_WEBHOOK_PROCESSING="task",
    STRIPE_GATEWAY_WEBHOOK_QUEUE="webhooks",
    TASKS={"default": {"BACKEND": "django_tasks_db.DatabaseBackend", "QUEUES": ["default"]}},
)
def test_e018__queue_that_the_backend_does_not_have() -> None:
    (message,) = check_workers(None)
    assert message.id == "django_stripe_gateway.E018"
    assert "the queue 'webhooks'" in (message.hint or "")


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (f"{__name__}.enqueue", []),
        ("shop.tasks.enqueue", ["E018"]),
        (f"{__name__}.TASK_MODULE", ["E018"]),
        # Reported by E013 already.
        ("", []),
    ],
)
def test_e018__hosts_own_function(path: str, expected: list[str]) -> None:
    with override_settings(STRIPE_GATEWAY_WEBHOOK_PROCESSING="task", STRIPE_GATEWAY_WEBHOOK_ENQUEUE=path):
        assert run(check_workers) == expected


@pytest.mark.parametrize("name", ["immediate.ImmediateBackend", "dummy.DummyBackend"])
def test_w006__no_workers(name: str) -> None:
    with override_settings(STRIPE_GATEWAY_WEBHOOK_PROCESSING="task", TASKS=backends(name)):
        assert run(check_workers) == ["W006"]


@override_settings(STRIPE_GATEWAY_WEBHOOK_PROCESSING="later")
def test_unknown_value__is_reported_by_e013() -> None:
    assert run(check_workers) == []
