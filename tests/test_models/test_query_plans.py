"""The queries that are made on every request are served by an index, on every database."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.db import connection
from django.db.models import QuerySet
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from payments import get_payment_model

from django_stripe_gateway.models import Invoice, PaymentLog, PaymentOperation, UsageCounter, UsageRecord, WebhookEvent
from django_stripe_gateway.services.subscriptions.unheard import unheard_invoices
from django_stripe_gateway.services.usage.meters.gather import WAITING
from tests.billing_factories import make_subscription

pytestmark = [pytest.mark.slow, pytest.mark.database]

OWNERS, PAYMENTS_EACH = 40, 40


@pytest.fixture
def many_payments(db: None) -> Any:
    """Store payments of many owners, and return one that lies in the middle."""
    users = get_user_model().objects.bulk_create(get_user_model()(username=f"owner{n}") for n in range(OWNERS))
    users = list(get_user_model().objects.filter(username__startswith="owner"))
    model = get_payment_model()
    model.objects.bulk_create(
        model(
            owner=users[n % OWNERS],
            order_id=f"order-{n}",
            transaction_id=f"cs_test_{n}",
            intent_id=f"pi_{n}",
            currency="USD",
            status="confirmed",
        )
        for n in range(OWNERS * PAYMENTS_EACH)
    )
    payments = list(model.objects.order_by("pk"))
    PaymentLog.objects.bulk_create(PaymentLog(payment=payment, event="created") for payment in payments)
    PaymentOperation.objects.bulk_create(
        PaymentOperation(payment=payment, kind="create", state="succeeded", leased_until=timezone.now())
        for payment in payments
    )
    WebhookEvent.objects.bulk_create(
        WebhookEvent(
            provider="stripe",
            event_id=f"evt_{n}",
            type="t",
            object_id=f"pi_{n}",
            related_id=f"pi_{n}",
            body="{}",
            state="processed",
        )
        for n in range(len(payments))
    )
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")
            # These tables are small enough for the shortcuts that a large one does not offer.
            cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off")
    return payments[len(payments) // 2]


def plan(queryset: QuerySet[Any]) -> str:
    return str(queryset.explain())


def indexes(model: Any, *columns: str) -> set[str]:
    """Return the names of the indexes that begin with ``columns``."""
    with connection.cursor() as cursor:
        constraints = connection.introspection.get_constraints(cursor, model._meta.db_table)
    found = {
        name: details["unique"]
        for name, details in constraints.items()
        if (details["index"] or details["unique"]) and tuple(details["columns"])[: len(columns)] == columns
    }
    # SQLite's plans name the index behind a unique constraint in its own way.
    is_sqlite = connection.vendor == "sqlite"
    return {"sqlite_autoindex" if is_sqlite and is_unique else name for name, is_unique in found.items()}


def assert_served_by(queryset: QuerySet[Any], *columns: str) -> None:
    text = plan(queryset)
    names = indexes(queryset.model, *columns)
    assert names, f"No index begins with {columns}"
    assert any(name in text for name in names), f"{names} not in\n{text}"
    for word in ("Seq Scan", "SCAN ", "Sort", "USE TEMP B-TREE", "filesort"):
        assert word not in text, text


@pytest.mark.django_db
def test_first_page_of_an_owner(many_payments: Any) -> None:
    page = get_payment_model().objects.for_owner(many_payments.owner_id).order_by("-id")
    assert_served_by(page[:26], "owner_id", "id")
    assert_served_by(page.filter(id__lt=many_payments.pk)[:26], "owner_id", "id")


LOOKUPS: dict[str, Callable[[Any], dict[str, Any]]] = {
    "token": lambda payment: {"token": payment.token},
    "intent_id": lambda payment: {"intent_id": payment.intent_id},
    "transaction_id": lambda payment: {"transaction_id": payment.transaction_id},
    "order_id": lambda payment: {"order_id": payment.order_id},
}


@pytest.mark.django_db
@pytest.mark.parametrize("column", LOOKUPS)
def test_lookup(column: str, many_payments: Any) -> None:
    assert_served_by(get_payment_model().objects.filter(**LOOKUPS[column](many_payments)).order_by(), column)


@pytest.mark.django_db
def test_paid_amount(many_payments: Any) -> None:
    with CaptureQueriesContext(connection) as queries:
        get_payment_model().objects.paid_amount(
            owner=many_payments.owner, order_id=many_payments.order_id, currency="USD"
        )
    with connection.cursor() as cursor:
        prefix = "EXPLAIN QUERY PLAN" if connection.vendor == "sqlite" else "EXPLAIN"
        cursor.execute(f"{prefix} {queries[-1]['sql']}")
        text = str(cursor.fetchall())
    assert any(name in text for name in indexes(get_payment_model(), "order_id")), text


@pytest.mark.django_db
def test_stale_payments(many_payments: Any) -> None:
    waiting = get_payment_model().objects.filter(status="waiting", created__lt=timezone.now() - timedelta(days=1))
    assert_served_by(waiting.order_by(), "status", "created")


@pytest.mark.django_db
def test_logs_of_a_payment__in_order(many_payments: Any) -> None:
    assert_served_by(many_payments.logs.all(), "payment_id", "id")


@pytest.mark.django_db
def test_operations_of_a_payment(many_payments: Any) -> None:
    attempts = many_payments.operations.filter(kind__in=("create", "confirm"), object_id="pi_1")
    assert_served_by(attempts.order_by(), "payment_id", "state")


@pytest.mark.django_db
def test_abandoned_operations(many_payments: Any) -> None:
    assert_served_by(PaymentOperation.objects.abandoned().order_by(), "state", "leased_until")


@pytest.mark.django_db
def test_events__by_id_state_and_object(many_payments: Any) -> None:
    events = WebhookEvent.objects.order_by()
    once = {"provider": "stripe", "variant": "", "account_id": "", "event_id": "evt_7"}
    assert_served_by(events.filter(**once), *once)
    assert_served_by(events.filter(state="failed", received__lt=timezone.now()), "state", "received")
    assert_served_by(events.filter(object_id="pi_7"), "object_id")
    assert_served_by(events.filter(related_id="pi_7"), "related_id")


@pytest.mark.django_db
def test_events__due(many_payments: Any) -> None:
    assert_served_by(WebhookEvent.objects.due().order_by("next_attempt")[:100], "next_attempt")


@pytest.mark.django_db
def test_events__about_an_object(many_payments: Any) -> None:
    """Both halves of the query that is made when an id is stored."""
    unmatched = WebhookEvent.objects.unmatched().order_by()
    for column in ("object_id", "related_id"):
        text = plan(unmatched.filter(**{f"{column}__in": ["cs_7", "pi_7"]}))
        names = indexes(WebhookEvent, column) | indexes(WebhookEvent, "state", "received")
        assert any(name in text for name in names), text


@pytest.mark.django_db
def test_events__counted(many_payments: Any) -> None:
    text = plan(WebhookEvent.objects.filter(state__in=("received", "failed", "dead", "unmatched")).order_by())
    assert any(name in text for name in indexes(WebhookEvent, "state", "received")), text


@pytest.mark.django_db
def test_usage__current_counters_history_and_what_waits(many_payments: Any) -> None:
    now = timezone.now()
    UsageCounter.objects.bulk_create(
        UsageCounter(
            owner=many_payments.owner,
            metric=f"metric-{n % 20}",
            period="day",
            period_key=f"day:{n}",
            starts=now - timedelta(days=n),
            current_until=now - timedelta(days=n - 1),
        )
        for n in range(1500)
    )
    UsageRecord.objects.bulk_create(
        UsageRecord(
            owner=many_payments.owner,
            metric=f"metric-{n % 20}",
            kind="consume",
            quantity=1,
            day=(now - timedelta(days=n)).date(),
            awaits_meter=n == 7,
        )
        for n in range(1500)
    )
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")
    owner = many_payments.owner
    assert_served_by(
        UsageCounter.objects.filter(owner=owner, current_until__gt=now).order_by(), "owner_id", "current_until"
    )
    days = UsageRecord.objects.for_owner(owner).filter(metric="metric-1", day__gte=now.date() - timedelta(days=9))
    assert_served_by(days.order_by(), "owner_id", "metric", "day")
    waiting = UsageRecord.objects.filter(**WAITING).order_by("pk").values_list("pk")
    assert_served_by(waiting, "awaits_meter", "id")


@pytest.mark.django_db
def test_invoices__that_wait(many_payments: Any) -> None:
    """Among many that are final; in the order of their keys, of the few that are found."""
    subscription = make_subscription()
    Invoice.objects.bulk_create(
        Invoice(
            customer=subscription.customer,
            subscription=subscription,
            provider_id=f"in_{n}",
            status="open" if n % 300 == 7 else "paid",
            currency="USD",
            issued=timezone.now(),
        )
        for n in range(1500)
    )
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")
    assert_served_by(unheard_invoices(timedelta(hours=1)).order_by(), "status", "issued")
