"""Counts and lag: the queryset, the health check, the admin."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient

from django_stripe_gateway.models import Customer, WebhookEvent
from django_stripe_gateway.models.webhook_events import InboxStats
from django_stripe_gateway.webhooks.registry import handles
from tests.billing_factories import make_subscription
from tests.factories import make_user
from tests.test_webhooks.test_retries import stored

pytestmark = pytest.mark.django_db(transaction=True)

URL = "/api/v1/webhooks/health/"


def aged(state: str, seconds: float) -> None:
    row = stored(state=state)
    WebhookEvent.objects.filter(pk=row.pk).update(received=timezone.now() - timedelta(seconds=seconds))


@pytest.fixture
def monitor() -> APIClient:
    """Return the client of a member of staff."""
    client = APIClient()
    client.force_authenticate(make_user(is_staff=True))
    return client


def test_stats(django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(1):
        assert WebhookEvent.objects.stats() == InboxStats(received=0, failed=0, dead=0, unmatched=0, oldest_age=0)
    for state, seconds in [("received", 10), ("failed", 20), ("failed", 5), ("dead", 900), ("unmatched", 800)]:
        aged(state, seconds)
    aged("processed", 10_000)
    stats = WebhookEvent.objects.stats()
    assert 20 <= stats.oldest_age < 30
    assert (stats.received, stats.failed, stats.dead, stats.unmatched) == (1, 2, 1, 1)
    assert WebhookEvent.objects.filter(state="dead").stats().failed == 0


def test_stats__clock_skew() -> None:
    """An event that another machine has received in the future is no negative age."""
    aged("received", -100)
    assert WebhookEvent.objects.stats().oldest_age == 0


def test_healthy(monitor: APIClient, django_assert_max_num_queries: Any) -> None:
    aged("failed", 3000)
    aged("unmatched", 9000)
    with django_assert_max_num_queries(2):
        answer = monitor.get(URL)
    assert answer.status_code == 200
    body = answer.json()
    assert 3000 <= body.pop("oldest_age") < 3100
    counts = {"received": 0, "failed": 1, "dead": 0, "unmatched": 1, "orphaned_payers": 0}
    assert body == {"status": "healthy", "exceeded": [], **counts}
    assert answer["Cache-Control"] == "private, no-store"


@pytest.mark.parametrize(
    ("limits", "exceeded"),
    [
        ({"dead": 0, "oldest_age": 3600}, ["dead", "oldest_age"]),
        ({"dead": 1, "oldest_age": 7000}, []),
        ({}, []),
        ({"failed": 0, "unmatched": 0, "received": 0}, ["failed"]),
    ],
)
def test_limits(monitor: APIClient, settings: Any, limits: dict[str, int], exceeded: list[str]) -> None:
    settings.STRIPE_GATEWAY_WEBHOOK_HEALTH_LIMITS = limits
    aged("dead", 9000)
    aged("failed", 4000)
    answer = monitor.get(URL)
    assert (answer.status_code, answer.json()["exceeded"]) == (503 if exceeded else 200, exceeded)


def test_orphaned_payers(monitor: APIClient, settings: Any) -> None:
    """Counted, and unhealthy where the host says so; nothing tells who they are."""
    subscription = make_subscription(status="active")
    over = make_subscription(status="canceled")
    Customer.objects.filter(pk__in=(subscription.customer_id, over.customer_id)).update(owner=None)
    make_subscription(status="active")
    answer = monitor.get(URL)
    assert (answer.status_code, answer.json()["orphaned_payers"]) == (200, 1)
    assert str(subscription.provider_id) not in answer.content.decode()
    settings.STRIPE_GATEWAY_WEBHOOK_HEALTH_LIMITS = {"orphaned_payers": 0}
    answer = monitor.get(URL)
    assert (answer.status_code, answer.json()["exceeded"]) == (503, ["orphaned_payers"])


def test_staff_alone(settings: Any, user: Any) -> None:
    client = APIClient()
    assert client.get(URL).status_code == 401
    client.force_authenticate(user)
    assert client.get(URL).status_code == 403
    settings.STRIPE_GATEWAY_WEBHOOK_HEALTH_PERMISSION_CLASSES = ["rest_framework.permissions.AllowAny"]
    assert APIClient().get(URL).status_code == 200
    assert APIClient().post(URL).status_code == 405


def test_private_data_is_not_shown(monitor: APIClient) -> None:
    stored(error="ValueError: ada@example.com", event_id="evt_secret")
    text = monitor.get(URL).content.decode()
    assert "ada@" not in text
    assert "evt_" not in text


# The admin

LIST = "/admin/django_stripe_gateway/webhookevent/"


def act(client: Client, *rows: WebhookEvent) -> Any:
    data = {"action": "replay_selected", "_selected_action": [row.pk for row in rows]}
    return client.post(LIST, data, follow=True)


def test_admin__shows_the_stats(admin_client: Client) -> None:
    aged("dead", 10)
    page = admin_client.get(LIST).content.decode()
    assert "failed: 0, dead: 1, unmatched: 0" in page
    assert "errornote" in page


@pytest.mark.usefixtures("registry")
def test_admin__replays(admin_client: Client) -> None:
    handles("shop.opened")(lambda event: None)
    rows = [stored(state="dead", attempts=15) for _number in range(2)]
    leased = stored(leased_until=timezone.now() + timedelta(minutes=1))
    page = act(admin_client, *rows, leased).content.decode()
    assert "Processed (2)" in page
    assert "a worker is handling it (1)" in page
    assert set(WebhookEvent.objects.values_list("state", flat=True)) == {"processed", "received"}


def test_admin__hands_over(admin_client: Client, settings: Any) -> None:
    results = pytest.importorskip("django_tasks_db.models").DBTaskResult
    settings.STRIPE_GATEWAY_WEBHOOK_PROCESSING = "task"
    row = stored(state="dead", attempts=15)
    assert "Received (1)" in act(admin_client, row).content.decode()
    assert results.objects.get().args_kwargs["args"] == [row.pk]


def test_admin__needs_permission() -> None:
    from django.contrib.auth.models import Permission

    user = make_user(is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename="view_webhookevent"))
    client = Client()
    client.force_login(user)
    row = stored(state="dead")
    assert "replay_selected" not in client.get(LIST).content.decode()
    act(client, row)
    row.refresh_from_db()
    assert row.state == "dead"


def test_admin__too_many(admin_client: Client, monkeypatch: Any) -> None:
    from django_stripe_gateway.admin.webhook_events import WebhookEventAdmin

    monkeypatch.setattr(WebhookEventAdmin, "max_events_per_action", 1)
    rows = [stored(state="dead") for _number in range(2)]
    assert "at most 1 events" in act(admin_client, *rows).content.decode()
    assert WebhookEvent.objects.dead().count() == 2


def test_admin__atomic_requests(admin_client: Client) -> None:
    connection.settings_dict["ATOMIC_REQUESTS"] = True
    try:
        assert "Ignored" in act(admin_client, stored(state="dead")).content.decode()
    finally:
        connection.settings_dict["ATOMIC_REQUESTS"] = False
