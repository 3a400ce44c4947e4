"""What is wrong with one object stops no other, and who is busy is asked again."""

from __future__ import annotations

import io
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import DataError
from django.utils import timezone

from django_stripe_gateway.gateways import patience
from django_stripe_gateway.gateways.registry import get_account_reader
from django_stripe_gateway.models import Customer, Invoice, Subscription, get_payment_model
from django_stripe_gateway.services.imports import subscriptions
from django_stripe_gateway.services.imports.account import import_account
from tests.factories import make_user
from tests.test_imports.running_account import RunningAccount, counts, run_import

pytestmark = pytest.mark.django_db(transaction=True)
Payment = get_payment_model()


def test_one_unreadable_object_stops_no_other(account: RunningAccount, ada: str) -> None:
    bad = account.subscribe(ada, account.basic)
    with account.fake.state.acting():
        _scope, obj = account.fake.state.locate(bad["id"])
        obj["cancel_at"] = "soon"
    with pytest.raises(CommandError, match="1 could not be brought"):
        run_import()
    assert Subscription.objects.count() == 1


def test_busy_stripe(account: RunningAccount, ada: str, monkeypatch: Any) -> None:
    monkeypatch.setattr(patience, "PAUSES", (0.0, 0.0))
    account.fake.fault("GET", "/v1/customers", kind="rate_limit")
    account.fake.fault("GET", "/v1/invoices", kind="error_500_before")
    assert counts(run_import())["customers"] == {"new": 1}
    account.fake.fault("GET", "/v1/invoices", kind="rate_limit", times=3)
    with pytest.raises(CommandError, match="it goes on, and brings nothing twice"):
        run_import()


@pytest.fixture
def late(account: RunningAccount, ada: str) -> str:
    """Return the subscription of which a list does not say since when it is late."""
    account.fake.customer_changes_card(ada, "pm_card_chargeCustomerFail")
    account.fake.advance(days=32)
    account.begin()
    return str(account.fake.all("subscription")[0]["id"])


def looked_up(account: RunningAccount, subscription_id: str) -> int:
    """Return how often Stripe was asked about one subscription."""
    return [one.path for one in account.fake.requests].count(f"/v1/subscriptions/{subscription_id}")


def test_busy_stripe__single_look(account: RunningAccount, late: str, monkeypatch: Any) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(patience.time, "sleep", pauses.append)
    account.fake.fault("GET", "/v1/subscriptions/*", kind="rate_limit", times=2)
    assert counts(run_import())["subscriptions"] == {"new": 1}
    assert Subscription.objects.get().past_due_since is not None
    assert pauses == [1.0, 4.0]


@pytest.mark.parametrize(
    ("said", "pause"), [("7", 7.0), ("0", 1.0), ("", 1.0), ("86400", 120.0), ("Wed, 21 Oct 2026 07:28:00 GMT", 1.0)]
)
def test_busy_stripe__says_for_how_long(
    account: RunningAccount, ada: str, monkeypatch: Any, said: str, pause: float
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(patience.time, "sleep", pauses.append)
    account.fake.fault("GET", "/v1/customers", kind="rate_limit", retry_after=said)
    assert counts(run_import())["customers"] == {"new": 1}
    assert pauses == [pause]


def test_unpaid_ones_are_not_asked_about_by_each_run(account: RunningAccount, late: str) -> None:
    run_import()
    run_import()
    assert looked_up(account, late) == 1
    Subscription.objects.update(fetched_at=timezone.now() - timedelta(hours=2))
    run_import()
    assert looked_up(account, late) == 2


def test_unpaid_ones_are_asked_about_when_they_have_changed(account: RunningAccount, late: str) -> None:
    run_import()
    account.fake.cancel_subscription(late)
    run_import()
    assert Subscription.objects.get().status == "canceled"


def test_one_that_stripe_fails_with_stops_no_other(
    account: RunningAccount, ada: str, late: str, user: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr(patience, "PAUSES", ())
    page = account.paid_page(ada)
    account.fake.fault("GET", f"/v1/subscriptions/{late}", kind="error_500_before", times=99)
    with pytest.raises(CommandError, match="be brought; the lines above say why"):
        run_import()
    assert Payment.objects.get().transaction_id == page["id"]


@pytest.mark.parametrize(
    "error", [DataError("too long\nDETAIL: Failing row"), ValueError("a NUL"), Customer.DoesNotExist("gone")]
)
def test_one_that_cannot_be_written_stops_no_other(
    account: RunningAccount, ada: str, monkeypatch: Any, error: Exception
) -> None:
    def refuse(*_arguments: Any, **_options: Any) -> Any:
        raise error

    monkeypatch.setattr(subscriptions, "take_subscription", refuse)
    page, out = account.paid_page(ada), io.StringIO()
    with pytest.raises(CommandError, match="could not be brought"):
        call_command("import_account", stdout=out)
    assert Payment.objects.get().transaction_id == page["id"]
    assert str(error).splitlines()[0] in out.getvalue()
    assert "Failing row" not in out.getvalue()


@pytest.mark.parametrize("arguments", [[], ["--dry-run"]])
@pytest.mark.parametrize(("kind", "model"), [("subscription", Subscription), ("invoice", Invoice)])
def test_status_that_nobody_here_knows(
    account: RunningAccount, ada: str, kind: str, model: Any, arguments: list[str]
) -> None:
    """A row without it would never be what it is at Stripe, and nobody would hear of it."""
    found = account.fake.all(kind)[0]["id"]
    with account.fake.state.acting():
        _scope, obj = account.fake.state.locate(found)
        obj["status"] = "of_tomorrow"
    out = io.StringIO()
    with pytest.raises(CommandError, match="could not be brought"):
        call_command("import_account", *arguments, stdout=out)
    assert f"{kind}s: {found}: failed its status 'of_tomorrow' is unknown to this version" in out.getvalue()
    assert not model.objects.exists()


def test_owner_who_is_deleted_meanwhile(account: RunningAccount) -> None:
    users = [make_user(email=f"{number}@example.org") for number in range(3)]
    for one in users:
        account.customer(method="", email=one.email)
    since = timezone.now() - timedelta(days=1)
    outcomes = []
    for number, result in enumerate(import_account(get_account_reader("stripe"), "stripe", since=since)):
        outcomes.append((str(result.outcome), result.detail))
        if number == 0:
            get_user_model().objects.exclude(pk=Customer.objects.get().owner_id).delete()
    assert sorted(outcome for outcome, _detail in outcomes) == ["new", "unmatched", "unmatched"]
    assert sum("was deleted meanwhile" in detail for _outcome, detail in outcomes) == 2
