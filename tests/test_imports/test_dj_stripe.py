"""``import_dj_stripe`` takes from dj-stripe's tables whose the customers are, and brings what is theirs."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management.base import CommandError

from django_stripe_gateway.gateways import patience
from django_stripe_gateway.models import Customer, Invoice, Subscription, get_payment_model
from django_stripe_gateway.services.imports import tables
from tests.conftest import SignalRecorder
from tests.test_imports.running_account import RunningAccount, counts, run_import
from tests.test_imports.tables import make_djstripe_by_hand, other_database, stored_by_djstripe

pytestmark = pytest.mark.django_db(transaction=True)
Payment = get_payment_model()
Change = Callable[[str], None]


@pytest.fixture
def ada(account: RunningAccount) -> str:
    """Return a customer whom only dj-stripe knows, with a subscription, a payment and a refund."""
    customer = account.customer(email="nobody@example.org")
    account.subscribe(customer, account.basic)
    account.paid_page(customer)
    account.fake.dashboard_refund(account.intent(customer=customer)["id"], 700)
    account.begin()
    return customer


@pytest.fixture
def path(account: RunningAccount, ada: str, user: Any, tmp_path: Path) -> Path:
    """Return the file with dj-stripe's tables."""
    found = tmp_path / "djstripe.sqlite3"
    make_djstripe_by_hand(found, stored_by_djstripe(account, {ada: user.pk}))
    return found


@pytest.fixture
def legacy(path: Path) -> Iterator[str]:
    """Return the alias of dj-stripe's database."""
    with other_database(path) as alias:
        yield alias


@pytest.fixture
def change(path: Path) -> Change:
    """Return a function that changes dj-stripe's rows."""

    def execute(sql: str) -> None:
        with sqlite3.connect(path) as database:
            database.execute(sql)
        database.close()

    return execute


def bring(*arguments: str, database: str = "legacy") -> str:
    """Import from dj-stripe's tables."""
    return run_import("import_dj_stripe", f"--database={database}", *arguments)


def test_with_stripe(
    account: RunningAccount, legacy: str, ada: str, user: Any, recorded_signals: SignalRecorder
) -> None:
    new = {kind: found["new"] for kind, found in counts(bring()).items()}
    assert new == {"customers": 1, "subscriptions": 1, "invoices": 1, "payments": 2}
    customer = Customer.objects.get()
    assert (customer.provider_id, customer.owner) == (ada, user)
    assert sorted(payment.refunded_amount for payment in Payment.objects.all()) == [0, 7]
    assert (recorded_signals.sent, account.written()) == ([], [])
    assert all(set(found) == {"known"} for found in counts(bring()).values())


def test_offline(account: RunningAccount, legacy: str, user: Any) -> None:
    assert counts(bring("--offline")) == {
        "customers": {"new": 1},
        "subscriptions": {"new": 1},
        "invoices": {"new": 1},
        # Nothing that is stored says of the other one that it has paid no invoice.
        "payments": {"new": 1},
        "refunds": {"left out": 1},
    }
    assert account.fake.requests == []
    assert Subscription.objects.get().plan == account.plan
    assert Invoice.objects.get().status == "paid"
    assert Payment.objects.get().owner == user
    account.fake.forget_requests()
    assert counts(bring())["payments"] == {"new": 1, "known": 1}


def test_offline__intents_that_name_their_invoice(
    account: RunningAccount, legacy: str, change: Change, user: Any
) -> None:
    """As those do that were stored before 2025."""
    change("UPDATE djstripe_paymentintent SET stripe_data = json_set(stripe_data, '$.invoice', null)")
    of_invoice = account.fake.intent_of(account.fake.all("subscription")[0]["id"])
    change(
        "UPDATE djstripe_paymentintent SET stripe_data = json_set(stripe_data, '$.invoice', 'in_1') "
        f"WHERE id = '{of_invoice}'"
    )
    assert counts(bring("--offline"))["payments"] == {"new": 2}
    assert sorted(payment.refunded_amount for payment in Payment.objects.all()) == [0, 7]


def test_dry_run(legacy: str) -> None:
    assert counts(bring("--dry-run"))["subscriptions"] == {"new": 1}
    assert not Customer.objects.exists()


def test_customers_without_a_subscriber(legacy: str, change: Change, ada: str) -> None:
    change("UPDATE djstripe_customer SET subscriber_id = NULL")
    printed = bring()
    assert counts(printed)["customers"] == {"unmatched": 1}
    assert ada in printed


def test_subscriber_who_is_gone(legacy: str, change: Change, ada: str) -> None:
    change("UPDATE djstripe_customer SET subscriber_id = 987654")
    assert f"{ada}: unmatched dj-stripe names the owner 987654, who does not exist" in bring()


def test_file_decides_first(legacy: str, other_user: Any, ada: str, tmp_path: Path) -> None:
    decisions = tmp_path / "decided.csv"
    decisions.write_text(f"{ada},{other_user.pk}", encoding="utf-8")
    bring("--map", str(decisions))
    assert Customer.objects.get().owner == other_user


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE djstripe_customer SET livemode = 1",
        "UPDATE djstripe_customer SET date_purged = '2026-01-01'",
        "UPDATE djstripe_customer SET stripe_data = json_set(stripe_data, '$.deleted', json('true'))",
    ],
)
def test_rows_of_another_mode_and_what_is_gone(legacy: str, change: Change, sql: str) -> None:
    change(sql)
    bring()
    assert not Customer.objects.exists()


def test_several_accounts(legacy: str, change: Change, ada: str) -> None:
    change("INSERT INTO djstripe_account (djstripe_id, id, livemode) VALUES (9, 'acct_other', 0)")
    # As with DJSTRIPE_FOREIGN_KEY_TO_FIELD = "djstripe_id".
    change("INSERT INTO djstripe_customer (id, livemode, djstripe_owner_account_id) VALUES ('cus_other', 0, '9')")
    with pytest.raises(CommandError, match=r"several accounts.* acct_fake, acct_other"):
        bring()
    with pytest.raises(CommandError, match="no customer of the account acct_none"):
        bring("--account", "acct_none")
    bring("--account", "acct_fake")
    assert Customer.objects.get().provider_id == ada


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("DROP TABLE djstripe_customer", "no table djstripe_customer"),
        ("ALTER TABLE djstripe_customer DROP COLUMN stripe_data", "no column stripe_data"),
        ("DROP TABLE djstripe_account", "no table djstripe_account"),
    ],
)
def test_tables_that_are_others(legacy: str, change: Change, sql: str, said: str) -> None:
    change(sql)
    with pytest.raises(CommandError, match=said):
        bring()


REFERENCE = "ALTER TABLE djstripe_customer RENAME COLUMN subscriber_id TO former"


@pytest.mark.parametrize(("table", "is_refused"), [("auth_user", False), ("teams_organisation", True)])
def test_subscribers_of_another_model(
    legacy: str, change: Change, user: Any, table: str, is_refused: bool, account: RunningAccount
) -> None:
    """The organisation 5 is not the user 5; the table says of whom its keys are."""
    change(REFERENCE)
    change(f"CREATE TABLE {table} (id integer PRIMARY KEY)")
    change(f"ALTER TABLE djstripe_customer ADD COLUMN subscriber_id integer REFERENCES {table} (id)")
    change("UPDATE djstripe_customer SET subscriber_id = former")
    account.begin()
    if is_refused:
        with pytest.raises(CommandError, match="subscribers are in the table teams_organisation"):
            bring()
        assert not Customer.objects.exists()
        assert account.fake.requests == []
    else:
        bring()
        assert Customer.objects.get().owner == user


@pytest.mark.parametrize(
    ("model", "said"), [("auth.Group", "subscribers are auth.Group"), ("teams.Gone", "names teams.Gone, which is not")]
)
def test_subscribers_of_another_model__as_the_setting_says(legacy: str, settings: Any, model: str, said: str) -> None:
    """A table that was copied without its references says nothing."""
    settings.DJSTRIPE_SUBSCRIBER_MODEL = model
    with pytest.raises(CommandError, match=said):
        bring()
    assert not Customer.objects.exists()


def test_database_that_is_not_there(account: RunningAccount) -> None:
    with pytest.raises(CommandError, match="DATABASES has no entry 'legacy'"):
        bring()


def test_killed_and_run_again(account: RunningAccount, legacy: str, monkeypatch: Any) -> None:
    monkeypatch.setattr(patience, "PAUSES", ())
    account.fake.fault("GET", "/v1/invoices", kind="reset_before")
    with pytest.raises(CommandError, match="it goes on"):
        bring()
    printed = bring()
    assert counts(printed)["customers"] == {"known": 1}
    assert (Subscription.objects.count(), Invoice.objects.count(), Payment.objects.count()) == (1, 1, 2)


def test_many_rows(account: RunningAccount, ada: str, user: Any, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(tables, "CHUNK", 2)
    for number in range(4):
        account.customer(method="", email=f"{number}@example.org")
    found = tmp_path / "many.sqlite3"
    make_djstripe_by_hand(found, stored_by_djstripe(account, {ada: user.pk}))
    with other_database(found):
        assert counts(bring())["customers"] == {"new": 1, "unmatched": 4}
