"""``import_django_payments`` brings each payment of a host's own model once, and asks nobody unless told to."""

from __future__ import annotations

import contextlib
import io
import itertools
import json
import sqlite3
import uuid
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connections

from django_stripe_gateway.gateways import patience
from django_stripe_gateway.models import PaymentLog, Refund, get_payment_model
from django_stripe_gateway.payments import sync_payment
from django_stripe_gateway.services.imports.django_payments import PATHS
from django_stripe_gateway.transitions import can_transition
from tests.conftest import SignalRecorder
from tests.test_imports.running_account import RunningAccount, counts, run_import
from tests.test_imports.tables import other_database
from tests.test_webhooks.support import in_threads

pytestmark = pytest.mark.django_db(transaction=True)
Payment = get_payment_model()

AMOUNTS = ("total", "delivery", "tax", "captured_amount")
TEXTS = (
    "variant status fraud_status fraud_message created modified transaction_id currency description billing_first_name "
    "billing_last_name billing_address_1 billing_address_2 billing_city billing_postcode billing_country_code "
    "billing_country_area billing_email billing_phone customer_ip_address extra_data message token order_number"
).split()


class OldShop:
    """A table as django-payments' model makes it, in a file."""

    def __init__(self, path: Path) -> None:
        self.database = sqlite3.connect(path)
        amounts, texts = (
            f"{', '.join(f'{name} {kind}' for name in names)}"
            for names, kind in ((AMOUNTS, "decimal"), (TEXTS, "text"))
        )
        self.database.execute(
            f"CREATE TABLE shop_payment (id integer PRIMARY KEY, {amounts}, {texts}, user_id integer)"
        )

    def add(self, status: str = "confirmed", **fields: Any) -> str:
        """Add a payment of 25.00 and return its token."""
        row = dict.fromkeys(TEXTS, "") | dict.fromkeys(AMOUNTS, "0") | {"user_id": None, "customer_ip_address": None}
        row |= {"variant": "stripe", "currency": "USD", "total": "25.00", "token": str(uuid.uuid4()), "status": status}
        row |= {"captured_amount": "25.00" if status == "confirmed" else "0", "fraud_status": "unknown"}
        row |= {"created": "2024-02-29 12:30:00.250000", "modified": "2024-03-01 00:00:00"} | fields
        marks = ", ".join("?" * len(row))
        self.database.execute(f"INSERT INTO shop_payment ({', '.join(row)}) VALUES ({marks})", list(row.values()))
        self.database.commit()
        return str(row["token"])


@pytest.fixture
def old(db: None, tmp_path: Path) -> Iterator[OldShop]:
    """Return a shop that django-payments has served."""
    path = tmp_path / "old.sqlite3"
    shop = OldShop(path)
    with other_database(path):
        yield shop
    shop.database.close()


def bring(*arguments: str) -> str:
    """Import the table."""
    return run_import("import_django_payments", "--database=legacy", "--table=shop_payment", *arguments)


def test_fields(old: OldShop, user: Any, recorded_signals: SignalRecorder) -> None:
    session = {"id": "cs_test_1", "payment_intent": "pi_1", "livemode": True}
    fields = {"billing_email": "ada@example.com", "billing_city": "Berlin", "description": "Tea", "delivery": "2.50"}
    token = old.add(
        transaction_id="cs_test_1",
        extra_data=json.dumps({"session": session}),
        user_id=user.pk,
        order_number="A-7",
        **fields,
    )
    bring("--owner-column=user_id", "--order-column=order_number")
    payment = Payment.objects.get()
    assert (payment.token, payment.transaction_id, payment.intent_id) == (token, "cs_test_1", "pi_1")
    assert (payment.owner, payment.order_id, payment.livemode, payment.gateway) == (user, "A-7", True, "Stripe")
    assert (payment.total, payment.delivery, payment.captured_amount) == (25, Decimal("2.5"), 25)
    assert (payment.billing_email, payment.billing_city, payment.description) == ("ada@example.com", "Berlin", "Tea")
    assert payment.created.isoformat() == "2024-02-29T12:30:00.250000+00:00"
    assert payment.attrs.session["id"] == "cs_test_1"
    assert next(log.message for log in PaymentLog.objects.order_by("pk")) == "brought from shop_payment"
    assert recorded_signals.sent == []


@pytest.mark.parametrize(
    ("status", "left", "captured", "refunded"),
    [
        ("waiting", "0", 0, 0),
        ("input", "0", 0, 0),
        ("preauth", "0", 0, 0),
        ("confirmed", "25.00", 25, 0),
        ("confirmed", "20.00", 25, 5),
        ("refunded", "0.00", 25, 25),
        ("rejected", "0", 0, 0),
        ("error", "0", 0, 0),
        ("cancelled", "0", 0, 0),
    ],
)
def test_statuses(old: OldShop, status: str, left: str, captured: int, refunded: int) -> None:
    old.add(status, captured_amount=left)
    bring()
    payment = Payment.objects.get()
    assert (payment.status, payment.captured_amount, payment.refunded_amount) == (status, captured, refunded)
    assert payment.refundable_amount() == captured - refunded


@pytest.mark.parametrize("status", PATHS)
def test_statuses_follow_the_table(status: str) -> None:
    steps = ["waiting", *PATHS[status]]
    assert steps[-1] == status
    assert all(can_transition(*move) for move in itertools.pairwise(steps))


def test_partial_capture(old: OldShop) -> None:
    old.add(captured_amount="20.00")
    bring("--partial-captures")
    payment = Payment.objects.get()
    assert (payment.captured_amount, payment.refunded_amount) == (20, 0)


def test_once(old: OldShop) -> None:
    for _number in range(3):
        old.add()
    old.add(token="")
    old.add(token="", transaction_id="cs_without_a_token")
    assert counts(bring())["payments"] == {"new": 5}
    assert counts(bring())["payments"] == {"known": 5}
    assert Payment.objects.count() == 5


def test_two_at_once(old: OldShop) -> None:
    for _number in range(5):
        old.add()

    def bring_alone() -> str:
        # A thread has connections of its own.
        connections["legacy"].connect()
        return bring()

    in_threads([bring_alone] * 2, 2)
    assert Payment.objects.count() == 5


def test_left_out(old: OldShop) -> None:
    old.add(variant="paypal-of-then")
    old.add()
    assert counts(bring())["payments"] == {"new": 1, "left out": 1}


def test_failed(old: OldShop) -> None:
    old.add("lost")
    old.add(currency="BITCOIN")
    with pytest.raises(CommandError, match="2 could not be brought"):
        bring()


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"total": "99999999999999999999.00"}, "its total"),
        ({"total": "9" * 40}, "its total"),
        ({"total": "abc"}, "its total 'abc' is no amount"),
        ({"total": "NaN"}, "its total"),
        ({"tax": "Infinity"}, "its tax"),
        ({"captured_amount": "-5"}, "captured_amount -5.00 is less than nothing"),
        ({"total": "-5"}, "its total -5.00"),
        ({"transaction_id": "p" * 300}, "its transaction_id has more than 255 characters"),
        ({"billing_email": "y" * 500}, "its billing_email has more than 254 characters"),
        ({"billing_country_code": "DEU"}, "its billing_country_code has more than 2 characters"),
        ({"token": "z" * 60}, "its token has more than 36 characters"),
        ({"customer_ip_address": "not-an-ip"}, "its customer_ip_address not-an-ip"),
        ({"currency": "US$"}, "a currency"),
        ({"currency": ""}, "a currency"),
        ({"created": "yesterday"}, "its created 'yesterday' is no time"),
        ({"created": "2024-13-45 00:00:00"}, ""),
        ({"status": "lost"}, "its status 'lost' is unknown"),
    ],
)
def test_row_that_cannot_be_brought_stops_no_other(old: OldShop, fields: dict[str, Any], said: str) -> None:
    old.add(**fields)
    token = old.add()
    for arguments, brought in ((["--dry-run"], []), ([], [token]), ([], [token])):
        out = io.StringIO()
        arguments = ["--database=legacy", "--table=shop_payment", *arguments]
        with pytest.raises(CommandError, match="1 could not be brought"):
            call_command("import_django_payments", *arguments, stdout=out, stderr=out)
        (line,) = (line for line in out.getvalue().splitlines() if ": failed row 1: " in line)
        assert said in line
        assert [payment.token for payment in Payment.objects.all()] == brought


def test_row_that_the_database_refuses_stops_no_other(old: OldShop, monkeypatch: Any) -> None:
    """On PostgreSQL, whose texts hold no NUL; others take it."""
    monkeypatch.setattr(patience, "PAUSES", ())
    old.add(message="a\x00b", transaction_id="cs_\x00")
    old.add()
    with contextlib.suppress(CommandError):
        bring("--verify")
    assert Payment.objects.count() in (1, 2)
    assert Payment.objects.filter(message="").count() == 1


def test_values_that_are_read_for_what_they_mean(old: OldShop) -> None:
    old.add(customer_ip_address="", currency="usd", billing_email="ada@localhost")
    bring()
    payment = Payment.objects.get()
    assert (payment.customer_ip_address, payment.currency) == (None, "USD")


@pytest.mark.parametrize(
    ("key", "transaction_id", "livemode"),
    [
        ("sk_live_fake", "cs_test_abc", False),
        ("sk_test_fake", "cs_live_abc", True),
        ("sk_live_fake", "pi_abc", True),
        ("sk_test_fake", "pi_abc", False),
    ],
)
def test_mode_is_what_the_id_says(old: OldShop, settings: Any, key: str, transaction_id: str, livemode: bool) -> None:
    settings.STRIPE_GATEWAY_API_KEY = key
    old.add(transaction_id=transaction_id)
    bring()
    assert Payment.objects.get().livemode is livemode


def test_dry_run_and_variant(old: OldShop) -> None:
    old.add()
    assert counts(bring("--dry-run"))["payments"] == {"new": 1}
    assert counts(bring("--variant=another")) == {}
    assert not Payment.objects.exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "Choose one of"),
        (["--table=shop_payment", "--model=shop.Payment"], "Choose one of"),
        (["--model=shop.Payment"], "shop"),
        (["--table=auth_user"], "no column variant"),
        (["--table=nothing"], "no table nothing"),
        (["--model=django_stripe_gateway.Payment"], "PAYMENT_MODEL itself"),
    ],
)
def test_tables_that_are_others(db: None, arguments: list[str], said: str) -> None:
    with pytest.raises(CommandError, match=said):
        run_import("import_django_payments", *arguments)


def test_column_that_is_not_there(old: OldShop) -> None:
    with pytest.raises(CommandError, match="no column buyer"):
        bring("--owner-column=buyer")


@pytest.mark.parametrize("there", [["5.00"], ["2.00", "3.00"]])
def test_refunds_that_the_provider_names_later_count_once(
    old: OldShop, account: RunningAccount, there: list[str]
) -> None:
    page = account.paid_page(amount=2500)
    for amount in there:
        account.fake.dashboard_refund(page["payment_intent"], int(Decimal(amount) * 100))
    old.add(transaction_id=page["id"], captured_amount="20.00")
    bring()
    assert Refund.objects.get().provider_id is None
    payment = sync_payment(payment=Payment.objects.get(), with_refunds=True)
    assert (payment.refunded_amount, payment.status, payment.refundable_amount()) == (5, "confirmed", 20)
    assert sorted(refund.amount for refund in Refund.objects.all()) == [Decimal(amount) for amount in there]
    assert not Refund.objects.filter(provider_id=None).exists()


def test_refund_that_django_payments_has_kept(old: OldShop) -> None:
    kept = json.dumps({"id": "re_1", "object": "refund", "amount": 500})
    old.add(captured_amount="20.00", extra_data=json.dumps({"refund": kept}))
    bring()
    assert Refund.objects.get().provider_id == "re_1"


def test_verify(old: OldShop, account: RunningAccount) -> None:
    same, other = account.paid_page(amount=2500), account.paid_page(amount=2500)
    account.fake.dashboard_refund(other["payment_intent"], 700)
    old.add(transaction_id=same["id"])
    token = old.add(transaction_id=other["id"])
    gone = old.add(transaction_id="cs_test_gone")
    old.add("waiting")
    account.begin()
    bring()
    assert account.fake.requests == []
    printed = bring("--verify")
    assert counts(printed)["verified"] == {"known": 1, "ambiguous": 2}
    assert f"verified: {token}: ambiguous refunded is 0.000 here, 7.00 there" in printed
    assert f"verified: {gone}: ambiguous the provider does not know it" in printed
    assert account.written() == []
    assert {payment.refunded_amount for payment in Payment.objects.all()} == {0}


def test_verify__busy_and_unreadable(old: OldShop, account: RunningAccount, monkeypatch: Any) -> None:
    """Who is busy is asked again, and one answer that nobody can read stops no other."""
    monkeypatch.setattr(patience, "PAUSES", (0.0, 0.0))
    first, second = account.paid_page(amount=2500), account.paid_page(amount=2500)
    old.add(transaction_id=first["id"])
    old.add(transaction_id=second["id"])
    account.fake.fault("GET", "/v1/checkout/sessions/*", kind="rate_limit", times=2)
    assert counts(bring("--verify"))["verified"] == {"known": 2}
    account.fake.fault("GET", f"/v1/checkout/sessions/{first['id']}", kind="garbage", times=9)
    with pytest.raises(CommandError, match="1 could not be brought"):
        bring("--verify")
