"""``import_account`` brings what a running account holds, once, and announces none of it."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.core.management.base import CommandError
from django.utils import timezone

from django_stripe_gateway.gateways import patience
from django_stripe_gateway.gateways.stripe import account_reader
from django_stripe_gateway.models import (
    Customer,
    Invoice,
    Refund,
    Subscription,
    SubscriptionItem,
    WebhookEvent,
    get_payment_model,
)
from django_stripe_gateway.models.provider_accounts import known_accounts
from django_stripe_gateway.payments import create_payment
from django_stripe_gateway.services.subscriptions.sync import sync_subscription
from django_stripe_gateway.subscriptions import has_plan
from tests.conftest import SignalRecorder
from tests.fake_stripe import connecting, payments
from tests.fake_stripe.releasing import WAYS
from tests.test_imports.running_account import RunningAccount, counts, run_import
from tests.test_imports.tables import make_djstripe_by_hand, other_database, stored_by_djstripe
from tests.test_webhooks.support import deliver_all

pytestmark = pytest.mark.django_db(transaction=True)
Payment = get_payment_model()


def test_customer_with_all_that_is_theirs(
    account: RunningAccount, ada: str, user: Any, recorded_signals: SignalRecorder
) -> None:
    page, intent = account.paid_page(ada, 2500), account.intent(amount=3000, customer=ada)
    account.fake.dashboard_refund(intent["id"], 1000)
    account.begin()
    printed = run_import()
    new = {kind: found["new"] for kind, found in counts(printed).items()}
    assert new == {"customers": 1, "subscriptions": 1, "invoices": 1, "payments": 2}
    customer = Customer.objects.get()
    assert (customer.owner, customer.provider_id, customer.livemode) == (user, ada, False)
    assert customer.default_payment_method == account.fake.get(ada)["invoice_settings"]["default_payment_method"]
    subscription = Subscription.objects.get()
    assert (subscription.status, subscription.plan, subscription.price_id) == ("active", account.plan, account.basic)
    assert SubscriptionItem.objects.get().plan == account.plan
    assert Invoice.objects.get().subscription == subscription
    assert has_plan(user, account.plan.slug)
    of_page, of_intent = Payment.objects.get(transaction_id=page["id"]), Payment.objects.get(intent_id=intent["id"])
    assert of_page.intent_id == page["payment_intent"]
    assert (of_page.status, of_page.total, of_page.captured_amount) == ("confirmed", Decimal("25"), Decimal("25"))
    assert (of_intent.status, of_intent.captured_amount, of_intent.refunded_amount) == ("confirmed", 30, 10)
    assert [(refund.amount, refund.status) for refund in Refund.objects.all()] == [(10, "succeeded")]
    assert {of_page.owner, of_intent.owner} == {user}
    assert int(of_intent.created.timestamp()) == account.fake.get(intent["id"])["created"]
    assert recorded_signals.sent == []
    assert account.written() == []


def test_again(account: RunningAccount, ada: str) -> None:
    account.paid_page(ada)
    run_import()
    before = [model.objects.count() for model in (Customer, Subscription, Invoice, Payment)]
    printed = run_import()
    assert all(set(found) == {"known"} for found in counts(printed).values())
    assert before == [model.objects.count() for model in (Customer, Subscription, Invoice, Payment)]


def test_again__what_has_changed_meanwhile_is_announced(
    account: RunningAccount, ada: str, recorded_signals: SignalRecorder
) -> None:
    run_import()
    subscription = Subscription.objects.get()
    account.fake.cancel_subscription(subscription.provider_id)
    run_import()
    subscription.refresh_from_db()
    assert subscription.status == "canceled"
    assert "subscription_ended" in [name for name, _values in recorded_signals.sent]


def test_events_go_on_after_it(account: RunningAccount, ada: str, recorded_signals: SignalRecorder) -> None:
    run_import()
    before = len(account.fake.events())
    account.fake.advance(days=32)
    later = [event for event in account.fake.events()[before:] if event["type"].startswith(("customer.", "invoice."))]
    assert {"processed"} <= set(deliver_all(later)) <= {"processed", "ignored"}
    subscription = Subscription.objects.get()
    assert subscription.current_period_end > timezone.now() + timedelta(days=32)
    assert "subscription_renewed" in [name for name, _values in recorded_signals.sent]


def test_late_and_ended_subscriptions(account: RunningAccount, ada: str) -> None:
    ended = account.subscribe(ada, account.basic)
    account.fake.cancel_subscription(ended["id"])
    account.fake.customer_changes_card(ada, "pm_card_chargeCustomerFail")
    account.fake.advance(days=32)
    run_import()
    assert {row.status for row in Subscription.objects.all()} == {"past_due", "canceled"}
    late = Subscription.objects.get(status="past_due")
    assert late.past_due_since is not None
    assert late.first_paid_at is not None
    assert Invoice.objects.filter(subscription=late, status="open").exists()
    assert sync_subscription(subscription=late).past_due_since == late.past_due_since


def test_unknown_price_stays_an_unknown_item(account: RunningAccount, user: Any) -> None:
    customer = account.customer(metadata={"owner_id": str(user.pk)})
    unknown = account.price(700)
    account.subscribe(customer, unknown)
    run_import()
    item = SubscriptionItem.objects.get()
    assert (item.price_id, item.pricing, item.amount) == (unknown, None, Decimal("7"))


def test_invoices_are_no_payments(account: RunningAccount, ada: str) -> None:
    run_import()
    assert Payment.objects.count() == 0
    assert Invoice.objects.get().intent_id == account.fake.all("payment_intent")[0]["id"]


def test_guests_and_strangers(account: RunningAccount) -> None:
    stranger = account.customer(email="who@example.org")
    guest, foreign = account.intent(), account.intent(customer=stranger)
    authorised = account.intent(capture_method="manual")
    account.session()
    printed = run_import()
    assert counts(printed)["payments"] == {"new": 2, "left out": 1}
    found = {payment.transaction_id: payment for payment in Payment.objects.all()}
    assert found.keys() == {guest["id"], authorised["id"]}
    assert found[guest["id"]].owner is None
    assert (found[authorised["id"]].status, found[authorised["id"]].capture_method) == ("preauth", "manual")
    assert foreign["id"] not in printed


def test_imported_payment_can_be_refunded_here(account: RunningAccount, user: Any) -> None:
    page = account.paid_page(account.customer(metadata={"owner_id": str(user.pk)}))
    run_import()
    Payment.objects.get().refund(Decimal("5.00"))
    assert Payment.objects.get().refunded_amount == 5
    assert account.fake.get(account.fake.get(page["payment_intent"])["latest_charge"])["amount_refunded"] == 500


def test_money_that_has_gone_on_comes_back_with_a_refund(account: RunningAccount, user: Any) -> None:
    seller = account.v1.accounts.create({"capabilities": {"transfers": {"requested": True}}}).id
    account.fake.act(seller, connecting.onboard)
    terms = {"transfer_data": {"destination": seller}, "on_behalf_of": seller, "application_fee_amount": 150}
    account.fake.complete_checkout(account.session(payment_intent_data=terms)["id"])
    run_import()
    payment = Payment.objects.get()
    assert (payment.destination_id, payment.on_behalf_of_id, payment.application_fee) == (
        seller,
        seller,
        Decimal("1.5"),
    )
    payment.refund()
    assert [transfer["reversed"] for transfer in account.fake.all("transfer")] == [True]
    assert [fee["refunded"] for fee in account.fake.all("application_fee")] == [True]


@pytest.mark.parametrize("way", WAYS)
def test_what_was_released_is_no_refund(account: RunningAccount, way: str) -> None:
    account.fake.state.releases = way
    page = account.session(1000, payment_intent_data={"capture_method": "manual"})
    account.fake.complete_checkout(page["id"])
    intent_id = account.fake.get(page["id"])["payment_intent"]
    account.fake.act(intent_id, lambda scope, intent: payments.capture(scope, intent, 600))
    account.fake.dashboard_refund(intent_id, 100)
    for _time in range(2):
        run_import()
        payment = Payment.objects.get()
        assert (payment.authorized_amount, payment.captured_amount, payment.refunded_amount) == (10, 6, 1)


def test_what_was_made_here_is_found_again(account: RunningAccount, user: Any) -> None:
    payment = create_payment(owner=user, gateway="stripe", amount=Decimal("20.00"), currency="USD")
    account.fake.complete_checkout(payment.transaction_id, deliver=False)
    assert counts(run_import())["payments"] == {"known": 1}
    assert Payment.objects.get().status == "confirmed"


def test_dry_run(account: RunningAccount, ada: str) -> None:
    account.paid_page(ada)
    printed = run_import("import_account", "--dry-run")
    assert counts(printed)["subscriptions"] == counts(printed)["payments"] == {"new": 1}
    assert "Nothing was written" in printed
    assert [model.objects.count() for model in (Customer, Subscription, Invoice, Payment)] == [0, 0, 0, 0]


@pytest.mark.parametrize("command", ["import_account", "import_dj_stripe"])
def test_dry_run__writes_no_row_at_all(
    account: RunningAccount, ada: str, settings: Any, tmp_path: Path, command: str
) -> None:
    """Not even whose the key is, which it asks for to tell the rows of accounts apart."""
    settings.STRIPE_GATEWAY_ACCOUNT_ID = ""
    known_accounts.forget()
    make_djstripe_by_hand(tmp_path / "old.sqlite3", stored_by_djstripe(account, {}))
    own = list(apps.get_app_config("django_stripe_gateway").get_models())
    before = [list(model._base_manager.values_list()) for model in own]
    with other_database(tmp_path / "old.sqlite3") as alias:
        run_import(command, "--dry-run", *(["--database", alias] if command == "import_dj_stripe" else []))
    known_accounts.forget()
    assert [list(model._base_manager.values_list()) for model in own] == before
    assert "/v1/account" in [one.path for one in account.fake.requests]


def test_chosen_time_and_kinds(account: RunningAccount, ada: str) -> None:
    account.fake.advance(days=40)
    account.paid_page(ada)
    printed = run_import("import_account", "--only", "customers,payments", "--days", "10")
    assert counts(printed).keys() == {"customers", "payments"}
    assert not Subscription.objects.exists()
    assert counts(run_import("import_account", "--only=subscriptions,invoices"))["subscriptions"] == {"new": 1}


@pytest.mark.parametrize(
    "arguments",
    [
        ["--only", "payouts"],
        ["--days", "0"],
        ["--days", "3", "--since", "2026-01-01"],
        ["--since", "2999-01-01"],
        ["--variant", "nothing"],
        ["--map", "/nowhere.csv"],
    ],
)
def test_refused_options(account: RunningAccount, arguments: list[str]) -> None:
    account.begin()
    with pytest.raises(CommandError):
        run_import("import_account", *arguments)
    assert account.fake.requests == []


def test_killed_anywhere(
    account: RunningAccount, ada: str, recorded_signals: SignalRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever request is the last one, another run ends where one run would have ended."""
    monkeypatch.setattr(patience, "PAUSES", ())
    account.paid_page(ada)
    intent = account.intent(customer=ada)
    account.fake.dashboard_refund(intent["id"], 500)
    account.begin()
    run_import("import_account", "--dry-run")
    paths = list(dict.fromkeys(one.path for one in account.fake.requests))
    for path in [*paths, "/v1/refunds"]:
        account.fake.fault("GET", path, kind="reset_before", times=9)
        with pytest.raises(CommandError):
            run_import()
        account.fake.clear_faults()
    run_import()
    assert (Customer.objects.count(), Subscription.objects.count(), Payment.objects.count()) == (1, 1, 2)
    assert Payment.objects.get(intent_id=intent["id"]).refunded_amount == 5
    assert recorded_signals.sent == []


def test_many_pages(account: RunningAccount, user: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(account_reader, "PAGE", 2)
    for number in range(5):
        account.customer(method="", email=f"{number}@example.org")
    account.customer(method="", email=user.email)
    assert counts(run_import())["customers"] == {"new": 1, "unmatched": 5}


def test_older_api(account: RunningAccount, ada: str, settings: Any, recorded_signals: SignalRecorder) -> None:
    """An intent names its invoice there, and periods are on the subscription."""
    settings.STRIPE_GATEWAY_API_VERSION = "2024-06-20"
    page = account.paid_page(ada)
    run_import()
    assert Payment.objects.get().transaction_id == page["id"]
    subscription = Subscription.objects.get()
    assert subscription.current_period_end is not None
    assert Invoice.objects.get().subscription == subscription
    assert recorded_signals.sent == []


def test_events_that_came_before(account: RunningAccount, ada: str, recorded_signals: SignalRecorder) -> None:
    """They were kept as unmatched, and are handled once the customer is known."""
    events = [event for event in account.fake.events() if event["type"].startswith(("customer.sub", "invoice."))]
    assert set(deliver_all(events)) <= {"unmatched", "ignored"}
    run_import()
    assert not WebhookEvent.objects.filter(state="unmatched").exists()
    assert (Subscription.objects.count(), Invoice.objects.count()) == (1, 1)
    assert Subscription.objects.get().status == "active"


def test_scheduled_change(account: RunningAccount, ada: str) -> None:
    """What a list only names is asked for."""
    subscription = account.fake.all("subscription")[0]
    later = account.price(9000)
    account.fake.schedule_subscription(subscription["id"], [{"items": [{"price": later, "quantity": 1}]}])
    run_import()
    assert Subscription.objects.get().scheduled_price_id == later
