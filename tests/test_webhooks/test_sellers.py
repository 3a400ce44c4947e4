"""Events about sellers' accounts, as a platform's endpoint brings them."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from django_stripe_gateway import payments
from django_stripe_gateway.models import ConnectedAccount, ConnectOperation
from django_stripe_gateway.services.arrivals import handle_arrivals, known_objects
from django_stripe_gateway.services.transactions import money_transaction
from tests.conftest import SignalRecorder
from tests.factories import make_event
from tests.fake_stripe import connecting
from tests.fake_stripe.server import FakeStripe
from tests.test_webhooks.support import deliver, row_of

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def account(stripe_server: FakeStripe, user: Any) -> ConnectedAccount:
    """Return the account of a seller who has still to be onboarded."""
    return payments.create_connected_account(owner=user, gateway="stripe")


def test_onboarded(stripe_server: FakeStripe, account: ConnectedAccount, recorded_signals: SignalRecorder) -> None:
    (event,) = stripe_server.act(account.provider_id, connecting.onboard)
    assert event["account"] == account.provider_id
    for _delivery in range(2):
        assert deliver(event).json()["state"] == "processed"
    account.refresh_from_db()
    assert account.is_payable
    assert account.currently_due == []
    (sent,) = recorded_signals.values("connected_account_updated")
    assert set(sent["changed"]) >= {"charges_enabled", "payouts_enabled", "currently_due"}
    assert row_of(event).account_id == account.provider_id


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_any_order(stripe_server: FakeStripe, account: ConnectedAccount, order: tuple[int, ...]) -> None:
    changes = [
        connecting.onboard,
        lambda scope, obj: connecting.require(scope, obj, "individual.id_number"),
        connecting.onboard,
    ]
    events = [stripe_server.act(account.provider_id, change)[0] for change in changes]
    for number in order:
        assert deliver(events[number]).json()["state"] == "processed"
    account.refresh_from_db()
    assert account.is_payable
    assert account.disabled_reason == ""


def test_left(stripe_server: FakeStripe, account: ConnectedAccount) -> None:
    onboarded = stripe_server.act(account.provider_id, connecting.onboard)
    (left,) = stripe_server.act(account.provider_id, connecting.leave)
    for event in (left, *onboarded, left):
        assert deliver(event).json()["state"] == "processed"
    account.refresh_from_db()
    assert account.deauthorized
    assert not account.is_payable


def test_left__before_the_account_is_known(stripe_server: FakeStripe, account: ConnectedAccount) -> None:
    """The object is the application: the event waits for the account that it names."""
    account_id = account.provider_id or ""
    (left,) = stripe_server.act(account_id, connecting.leave)
    ConnectedAccount.objects.update(provider_id=None)
    ConnectOperation.objects.update(state="pending")
    assert deliver(left).json()["state"] == "unmatched"
    assert row_of(left).related_id == account_id
    assert not known_objects([account_id])
    ConnectedAccount.objects.update(provider_id=account_id)
    assert known_objects([account_id]) == {account_id}
    with money_transaction():
        handle_arrivals(account_id)
    assert row_of(left).state == "processed"
    account.refresh_from_db()
    assert account.deauthorized


def test_of_somebody_else(account: ConnectedAccount) -> None:
    stranger = "acct_1Stranger"
    obj = {"id": account.provider_id, "object": "account", "charges_enabled": True}
    ignored = make_event("account.updated", obj, account=stranger)
    assert deliver(ignored).json()["state"] == "ignored"
    assert deliver(make_event("account.application.deauthorized", obj, account=stranger)).json()["state"] == "ignored"
    # The own account's events name no account, or itself, and are about no seller.
    assert deliver(make_event("account.updated", obj)).json()["state"] == "ignored"
    account.refresh_from_db()
    assert not account.charges_enabled
    assert not account.deauthorized


@pytest.mark.parametrize("fields", [{"id": "acct_1Stranger"}, {"id": None}, {"requirements": {"currently_due": [1]}}])
def test_contradiction(account: ConnectedAccount, fields: dict[str, Any]) -> None:
    obj = {"id": account.provider_id, "object": "account", "charges_enabled": True} | fields
    event = make_event("account.updated", obj, account=account.provider_id, created=4_000_000_000)
    assert deliver(event).json()["state"] == "mismatched"
    account.refresh_from_db()
    assert not account.charges_enabled


def test_other_mode(account: ConnectedAccount) -> None:
    obj = {"id": account.provider_id, "object": "account", "charges_enabled": True}
    event = make_event("account.updated", obj, account=account.provider_id, livemode=True)
    assert deliver(event).json()["state"] == "mismatched"
