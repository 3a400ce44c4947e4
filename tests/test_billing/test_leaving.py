"""An account that leaves: closed, exported, erased; stopped anywhere and run again."""

from __future__ import annotations

import json
from decimal import Decimal
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from payments import get_payment_model

from django_stripe_gateway.exceptions import InvalidInput, ProviderUnavailable, WrongState
from django_stripe_gateway.models import (
    BillingOperation,
    Customer,
    IdempotencyKey,
    Invoice,
    Subscription,
    WebhookEvent,
)
from django_stripe_gateway.payments import create_payment, refund_payment
from django_stripe_gateway.services.operations import engine
from django_stripe_gateway.subscriptions import cancel_subscription, close_account, erase_owner, export_owner
from tests.billing_factories import make_subscription
from tests.factories import make_payment
from tests.test_billing.host import SubscriptionHost
from tests.test_billing.rows import only_one
from tests.test_billing.test_recovery import run_out_leases

pytestmark = pytest.mark.django_db(transaction=True)


class Killed(BaseException):
    """The process ends here."""


def outcomes(report: Any) -> list[str]:
    return [step.outcome for step in report.steps]


def statuses(host: SubscriptionHost) -> list[str]:
    return [subscription["status"] for subscription in host.fake.all("subscription")]


def pay(host: SubscriptionHost, **fields: Any) -> Any:
    values = {"gateway": "stripe", "amount": Decimal("10.00"), "currency": "USD", "owner": host.user}
    return create_payment(**values | fields)


# Closed


@pytest.mark.usefixtures("one_per_plan")
def test_close__everything(host: SubscriptionHost) -> None:
    host.subscribed()
    host.subscribe(host.premium, mode="checkout")
    waiting = pay(host, order_id="1")
    held = pay(host, order_id="2", capture_method="manual")
    host.fake.complete_checkout(held.transaction_id)
    report = close_account(owner=host.user)
    assert sorted(outcomes(report)) == ["abandoned", "cancelled", "ended", "for staff"]
    assert statuses(host) == ["canceled"]
    pages = {page["id"]: page["status"] for page in host.fake.all("checkout.session")}
    assert sorted(pages.values()) == ["complete", "expired", "expired"]
    waiting.refresh_from_db()
    held.refresh_from_db()
    assert (waiting.status, held.status) == ("cancelled", "preauth")
    assert [step.subject for step in report.remaining] == [f"payment {held.pk} ({held.transaction_id})"]
    host.fake.forget_requests()
    # What is done is done; what staff have to decide is said again.
    assert outcomes(close_account(owner=host.user)) == ["for staff"]
    assert [(request.method, request.path) for request in host.fake.requests] == [("GET", "/v1/subscriptions")]


@pytest.mark.usefixtures("one_per_plan")
def test_close__at_period_end(host: SubscriptionHost) -> None:
    host.subscribed()
    host.subscribe(host.premium)
    report = close_account(owner=host.user, at_period_end=True)
    assert sorted(outcomes(report)) == ["ended", "ends with its period"]
    by_plan = {row.plan.slug: row for row in Subscription.objects.select_related("plan")}
    assert by_plan["basic"].cancel_at_period_end
    assert by_plan["premium"].has_ended
    assert close_account(owner=host.user, at_period_end=True).steps == []
    assert outcomes(close_account(owner=host.user)) == ["ended"]


def test_close__first_payment_open(host: SubscriptionHost) -> None:
    """It cannot be paid any more."""
    host.subscribe()
    assert outcomes(close_account(owner=host.user)) == ["ended"]
    assert only_one().has_ended
    assert [invoice["status"] for invoice in host.fake.all("invoice")] == ["void"]


@pytest.mark.parametrize("fault", ["error_500_before", "error_500_after", "reset_after"])
def test_close__silent_stripe(host: SubscriptionHost, fault: Any) -> None:
    host.subscribed()
    host.fake.fault("DELETE", "/v1/subscriptions/*", kind=fault)
    report = close_account(owner=host.user)
    assert (outcomes(report), len(report.remaining)) == (["silent"], 1)
    assert outcomes(close_account(owner=host.user)) == ["settled"]
    assert statuses(host) == ["canceled"]
    assert len(host.fake.events("customer.subscription.deleted")) == 1


@pytest.mark.usefixtures("one_per_plan")
@pytest.mark.parametrize("point", ["call", "settle"])
def test_close__killed(host: SubscriptionHost, monkeypatch: pytest.MonkeyPatch, point: str) -> None:
    """Between the stored intention and the call, or between the call and its written answer."""
    host.subscribed()
    host.subscribe(host.premium, mode="checkout")
    owner = only_one_of("sub").customer.owner

    def die(*args: Any, **kwargs: Any) -> None:
        raise Killed

    monkeypatch.setattr(engine, {"call": "_call", "settle": "settle"}[point], die)
    with pytest.raises(Killed):
        close_account(owner=owner)
    monkeypatch.undo()
    run_out_leases()
    assert close_account(owner=owner).remaining == []
    assert statuses(host) == ["canceled"]
    assert {row.has_ended for row in Subscription.objects.all()} == {True}
    assert not BillingOperation.objects.pending().exists()


def only_one_of(prefix: str) -> Subscription:
    return Subscription.objects.get(provider_id__startswith=prefix)


def test_close__while_another_process_waits(host: SubscriptionHost, monkeypatch: pytest.MonkeyPatch) -> None:
    subscription = host.subscribed()

    def die(*args: Any, **kwargs: Any) -> None:
        raise Killed

    monkeypatch.setattr(engine, "_call", die)
    with pytest.raises(Killed):
        cancel_subscription(subscription=subscription)
    monkeypatch.undo()
    report = close_account(owner=host.user)
    assert set(outcomes(report)) == {"in progress"}
    run_out_leases()
    assert outcomes(close_account(owner=host.user)) == ["settled", "ended"]


def test_close__page_that_was_used_unheard(host: SubscriptionHost) -> None:
    host.subscribe(mode="checkout")
    host.fake.complete_checkout(only_one().checkout_id, deliver=False)
    assert close_account(owner=host.user).remaining == []
    assert (statuses(host), only_one().status) == (["canceled"], "canceled")


def test_close__another_provider(host: SubscriptionHost, settings: Any) -> None:
    settings.PAYMENT_VARIANTS = settings.PAYMENT_VARIANTS | {"dummy": ("payments.dummy.DummyProvider", {})}
    make_payment(owner=host.user, variant="dummy", status="waiting")
    assert outcomes(close_account(owner=host.user)) == ["at the provider"]


def test_whom(host: SubscriptionHost) -> None:
    subscription = make_subscription()
    for verb in (close_account, export_owner, erase_owner):
        with pytest.raises(InvalidInput):
            verb()  # type: ignore[operator]
        with pytest.raises(InvalidInput):
            verb(owner=host.user, customer=subscription.customer)  # type: ignore[operator]
    # Nobody else's.
    assert close_account(owner=host.user).steps == []
    assert export_owner(owner=host.user)["subscriptions"] == []


# Exported and erased


@pytest.fixture
def left(host: SubscriptionHost, user: Any) -> SubscriptionHost:
    """Return a host on which somebody has left traces everywhere, and has closed the account."""
    user.first_name, user.last_name, user.email = "Ada", "Lovelace", "ada@example.com"
    user.save()
    host.subscribed()
    subscription = only_one()
    api = {"gateway": "stripe", "amount": "12.00", "currency": "USD", "description": "A letter to Ada Lovelace"}
    api |= {"order_id": "A-1", "metadata": {"gift_for": "ada@example.com"}}
    answer = host.client.post("/api/v1/payments/create_payment/", api, format="json", HTTP_IDEMPOTENCY_KEY="k")
    assert answer.status_code == 201
    payment = get_payment_model().objects.get()
    host.fake.complete_checkout(payment.transaction_id)
    host.deliver_new()
    payment.refresh_from_db()
    payment.billing_first_name, payment.billing_email = "Ada", "ada@example.com"
    payment.customer_ip_address = "203.0.113.9"
    payment.save()
    refund_payment(payment=payment, amount=Decimal("2.00"))
    cancel_subscription(subscription=subscription, at_period_end=False, comment="Ada says goodbye")
    host.deliver_new()
    Subscription.objects.update(metadata={"who": "Ada Lovelace"})
    return host


def everything() -> str:
    """Return all that is stored, but for the owner's own row."""
    from django.apps import apps

    rows = []
    for model in [*apps.get_app_config("django_stripe_gateway").get_models(), get_payment_model()]:
        rows += [list(map(str, row)) for row in model._base_manager.values_list()]
    return json.dumps(rows)


PERSONAL = ("Ada", "Lovelace", "ada@", "203.0.113.9", "gift_for")


def test_export(left: SubscriptionHost, user: Any) -> None:
    exported = export_owner(owner=user)
    text = json.dumps(exported)
    for word in PERSONAL:
        assert word in text
    payment = exported["payments"][0]
    assert (payment["order_id"], payment["currency"]) == ("A-1", "USD")
    assert [Decimal(payment["total"]), Decimal(payment["refunds"][0]["amount"])] == [12, 2]
    assert payment["logs"]
    assert exported["customers"][0]["provider_id"] == left.customer.provider_id
    assert exported["subscriptions"][0]["items"]
    assert exported["invoices"]
    assert {event["type"] for event in exported["events"]} >= {"customer.subscription.created", "invoice.paid"}
    row = get_payment_model().objects.get()
    for secret in ("_secret_", row.token, only_one().token, "whsec_", "cs_test_pay", "signature="):
        assert secret not in text
    assert not any(key in text for key in BillingOperation.objects.values_list("idempotency_key", flat=True))


def test_erase(left: SubscriptionHost, user: Any) -> None:
    before = get_payment_model().objects.get()
    invoices = list(Invoice.objects.order_by("pk").values_list("number", "total", "currency", "provider_id"))
    assert all(word in everything() for word in PERSONAL)
    states = dict(WebhookEvent.objects.values_list("pk", "state"))
    report = erase_owner(owner=user)
    left.deliver_new()
    # What Stripe says of the deletion names the customer once more.
    assert WebhookEvent.objects.filter(type="customer.deleted", body__contains="ada@").exists()
    call_command("reconcile", stdout=StringIO())
    text = everything()
    assert [word for word in PERSONAL if word in text] == []
    assert report.erased["payments"] == report.erased["subscriptions"] == report.erased["customers"] == 1
    assert report.erased["events"] > 5
    assert IdempotencyKey.objects.count() == 0
    assert "books" in report.kept["payments"]
    after = get_payment_model().objects.get()
    for name in ("total", "captured_amount", "refunded_amount", "currency", "transaction_id", "order_id", "token"):
        assert getattr(after, name) == getattr(before, name)
    assert list(Invoice.objects.order_by("pk").values_list("number", "total", "currency", "provider_id")) == invoices
    assert left.fake.all("customer") == []
    assert Customer.objects.get().deleted
    # Nothing comes back: neither by an event that is replayed, nor by what is told of the owner.
    call_command("replay_webhooks", "--all", stdout=StringIO())
    user.save()
    call_command("reconcile", stdout=StringIO())
    assert [word for word in PERSONAL if word in everything()] == []
    assert dict(WebhookEvent.objects.filter(pk__in=states).values_list("pk", "state")) == states
    assert erase_owner(owner=user).erased["events"] == 0
    # What is left can still be given back.
    refund_payment(payment=after, amount=Decimal("1.00"))
    user.delete()


def test_erase__dry_run(left: SubscriptionHost, user: Any) -> None:
    before = everything()
    report = erase_owner(owner=user, dry_run=True)
    assert report.erased["payments"] == 1
    assert everything() == before
    assert len(left.fake.all("customer")) == 1


def test_erase__while_something_runs(host: SubscriptionHost, user: Any) -> None:
    host.subscribed()
    waiting = pay(host)
    with pytest.raises(WrongState, match="close_account") as refused:
        erase_owner(owner=user)
    assert refused.value.code == "still_running"
    assert f"payment {waiting.pk}" in str(refused.value)
    close_account(owner=user)
    erase_owner(owner=user)
    assert Customer.objects.get().erased


def test_erase__owner_who_is_gone(left: SubscriptionHost, user: Any) -> None:
    customer = left.customer
    user.delete()
    customer.refresh_from_db()
    assert "Lovelace" in json.dumps(export_owner(customer=customer))
    erase_owner(customer=customer)
    customer.refresh_from_db()
    assert customer.deleted
    assert "Ada says goodbye" not in everything()
    assert "Ada Lovelace" not in json.dumps(export_owner(customer=customer))


@pytest.mark.parametrize("fault", ["error_500_before", "reset_after"])
def test_erase__silent_stripe(left: SubscriptionHost, user: Any, fault: Any) -> None:
    left.fake.fault("DELETE", "/v1/customers/*", kind=fault)
    with pytest.raises(ProviderUnavailable):
        erase_owner(owner=user)
    with pytest.raises(WrongState, match="delete_customer"):
        erase_owner(owner=user)
    assert outcomes(close_account(owner=user)) == ["settled"]
    erase_owner(owner=user)
    assert left.fake.all("customer") == []


# By command


def test_commands(left: SubscriptionHost, user: Any, tmp_path: Path) -> None:
    out, path = StringIO(), tmp_path / "ada.json"
    call_command("export_owner", str(user.pk), "--output", str(path), stdout=out)
    assert "customers  1" in out.getvalue()
    assert json.loads(path.read_text())["customers"]
    out = StringIO()
    call_command("export_owner", str(user.pk), stdout=out)
    assert json.loads(out.getvalue()) == json.loads(path.read_text())
    out = StringIO()
    call_command("erase_owner", str(user.pk), "--dry-run", stdout=out)
    assert "would be erased" in out.getvalue()
    call_command("erase_owner", str(user.pk), stdout=out)
    assert "kept: invoices" in out.getvalue()
    assert "Lovelace" not in everything()


def test_commands__close(host: SubscriptionHost, user: Any) -> None:
    host.subscribed()
    out = StringIO()
    call_command("close_account", str(user.pk), "--dry-run", stdout=out)
    assert "active" in out.getvalue()
    assert "1 would be ended." in out.getvalue()
    assert statuses(host) == ["active"]
    with pytest.raises(CommandError, match="close_account"):
        call_command("erase_owner", str(user.pk))
    host.fake.fault("DELETE", "/v1/subscriptions/*", kind="error_500_before")
    with pytest.raises(CommandError, match="again"):
        call_command("close_account", str(user.pk), stdout=StringIO())
    out = StringIO()
    call_command("close_account", str(user.pk), stdout=out)
    assert "settled  1" in out.getvalue()
    assert statuses(host) == ["canceled"]


@pytest.mark.parametrize(
    "arguments", [[], ["1", "--customer", "cus_1"], ["999999"], ["nobody"], ["--customer", "cus_unknown"]]
)
@pytest.mark.parametrize("command", ["close_account", "export_owner", "erase_owner"])
def test_commands__nobody(db: None, command: str, arguments: list[str]) -> None:
    with pytest.raises(CommandError):
        call_command(command, *arguments)
