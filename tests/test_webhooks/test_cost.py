"""What a webhook costs: statements and transactions, counted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from django_stripe_gateway.models import WebhookEvent
from tests.factories import intent_object, make_event, make_paid_payment, make_payment, refund_object, session_object
from tests.test_webhooks.support import deliver

pytestmark = pytest.mark.django_db(transaction=True)


DATA = ("SELECT", "INSERT", "UPDATE", "DELETE")


class Cost:
    """Statements by their first word, and the words that bound transactions."""

    statements: list[str]
    bounds: list[str]


def first_word(sql: str) -> str:
    """Return what kind of statement it is; a union begins with a bracket on some databases."""
    return sql.lstrip("(").split()[0]


@contextmanager
def counted() -> Iterator[Cost]:
    """Count the statements of a block."""
    cost = Cost()
    cost.statements = []

    def count(execute: Any, sql: str, *rest: Any) -> Any:
        if first_word(sql) in DATA:
            cost.statements.append(first_word(sql))
        return execute(sql, *rest)

    # Not every driver's log of queries shows a statement that failed.
    with CaptureQueriesContext(connection) as captured, connection.execute_wrapper(count):
        yield cost
    words = [first_word(query["sql"]).upper() for query in captured.captured_queries if query["sql"]]
    cost.bounds = [word for word in words if word not in DATA]


def confirming_events() -> list[tuple[str, dict[str, Any], list[str]]]:
    """Return events that confirm a payment, with the statements of each."""
    session = make_payment(transaction_id="cs_1")
    intent, unknown = make_payment(transaction_id="pi_1", intent_id="pi_1"), make_payment()
    plain = make_payment(transaction_id="pi_2", intent_id="pi_2")
    known = ["INSERT", "SELECT", "UPDATE", "INSERT"]
    # An id that was not known: events about it may have come before.
    first = [*known, "SELECT"]
    return [
        ("session", make_event("checkout.session.completed", session_object(session)), first),
        ("intent", make_event("payment_intent.succeeded", intent_object(intent)), known),
        ("not started", make_event("payment_intent.succeeded", intent_object(unknown)), first),
        # Without the token one query finds the row and another locks it.
        (
            "by id",
            make_event("payment_intent.succeeded", intent_object(plain, metadata={})),
            ["INSERT", "SELECT", "SELECT", "UPDATE", "INSERT"],
        ),
    ]


def assert_one_transaction(bounds: list[str]) -> None:
    """One transaction, no savepoint; drivers differ in what of it is a statement at all."""
    assert "SAVEPOINT" not in bounds
    assert bounds.count("BEGIN") in (0, 1)
    assert bounds.count("COMMIT") == 1
    assert set(bounds) <= {"BEGIN", "COMMIT"}


def test_confirming() -> None:
    for name, event, expected in confirming_events():
        with counted() as cost:
            assert deliver(event).json()["state"] == "processed"
        assert cost.statements == expected, name
        assert len(cost.statements) <= 5
        assert_one_transaction(cost.bounds)


def test_duplicate() -> None:
    event = make_event("checkout.session.completed", session_object(make_payment()))
    deliver(event)
    with counted() as cost:
        assert deliver(event).json()["state"] == "processed"
    assert cost.statements == ["INSERT", "SELECT"]


def test_ignored_and_unmatched() -> None:
    with counted() as cost:
        deliver(make_event("customer.created", {"id": "cus_1", "object": "customer"}))
    assert cost.statements == ["INSERT"]
    with counted() as cost:
        deliver(make_event("payment_intent.succeeded", {"id": "pi_9", "object": "payment_intent"}))
    # Neither a payment nor an invoice has the intent.
    assert cost.statements == ["INSERT", "SELECT", "SELECT", "UPDATE"]


def test_refused() -> None:
    with counted() as cost:
        assert deliver(make_event("payment_intent.succeeded", {}), secret="whsec_other").status_code == 400
    assert cost.statements == cost.bounds == []


def test_nothing_new() -> None:
    """A second event that says what is known writes the event and nothing else."""
    payment = make_payment(transaction_id="pi_1", intent_id="pi_1")
    deliver(make_event("payment_intent.succeeded", intent_object(payment)))
    with counted() as cost:
        deliver(make_event("payment_intent.succeeded", intent_object(payment)))
    assert cost.statements == ["INSERT", "SELECT"]


def test_refund() -> None:
    payment = make_paid_payment()
    with counted() as cost:
        deliver(make_event("refund.created", refund_object(payment, 300, metadata={"token": str(payment.token)})))
    assert len(cost.statements) <= 8
    assert_one_transaction(cost.bounds)


@pytest.mark.parametrize("count", [0, 300])
def test_flat_in_stored_rows(count: int) -> None:
    for index in range(count // 10):
        payment = make_paid_payment()
        deliver(make_event("customer.created", {"id": f"cus_{index}"}))
    WebhookEvent.objects.bulk_create(
        WebhookEvent(provider="stripe", variant="stripe", event_id=f"evt_{index}", type="a", body="{}")
        for index in range(count)
    )
    payment = make_payment()
    event = make_event("checkout.session.completed", session_object(payment))
    with counted() as cost:
        deliver(event)
    assert len(cost.statements) == 5


@pytest.mark.parametrize(
    ("column", "lookup"),
    [("token", lambda p: p.token), ("intent_id", lambda p: "pi_7"), ("transaction_id", lambda p: "cs_7")],
)
def test_found_by_an_index(column: str, lookup: Callable[[Any], str]) -> None:
    """Each of the columns that events are matched by is indexed."""
    model = type(make_payment())
    field = model._meta.get_field(column)
    assert field.unique or field.db_index
    plan = model.objects.filter(**{column: lookup(make_payment())}).order_by().explain()
    if connection.vendor == "sqlite":
        assert "USING INDEX" in plan
