"""The admin moves money under ``ATOMIC_REQUESTS``, and refuses to inside of any other transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import Client

from tests.fake_stripe import FakeStripe
from tests.test_admin.pages import run_action, run_confirmed, shown_messages, submit

pytestmark = pytest.mark.django_db(transaction=True)


def open_transaction(get_response: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Be a host's middleware that opens a transaction around each request."""

    def middleware(request: Any) -> Any:
        with transaction.atomic():
            return get_response(request)

    return middleware


@pytest.fixture
def atomic_requests() -> Iterator[None]:
    """Switch ``ATOMIC_REQUESTS`` on."""
    connection.settings_dict["ATOMIC_REQUESTS"] = True
    yield
    connection.settings_dict["ATOMIC_REQUESTS"] = False


@pytest.mark.usefixtures("atomic_requests")
def test_atomic_requests__actions(admin_client: Client, paid_payment: Any) -> None:
    payment = paid_payment()
    run_confirmed(admin_client, "refund_selected", payment)
    payment.refresh_from_db()
    assert payment.status == "refunded"


@pytest.mark.usefixtures("atomic_requests")
def test_atomic_requests__page(admin_client: Client, paid_payment: Any) -> None:
    payment = paid_payment()
    submit(admin_client, "refund", payment, amount="3.00")
    payment.refresh_from_db()
    assert payment.refunded_amount == 3


def test_middleware__is_reported(
    admin_client: Client, paid_payment: Any, stripe_server: FakeStripe, settings: Any
) -> None:
    payment = paid_payment()
    settings.MIDDLEWARE = [f"{__name__}.open_transaction", *settings.MIDDLEWARE]
    for response in (
        run_action(admin_client, "refund_selected", payment, confirmed="yes"),
        submit(admin_client, "refund", payment, amount="3.00"),
    ):
        assert "a transaction is open" in shown_messages(response)[0]
    assert stripe_server.all("refund") == []
