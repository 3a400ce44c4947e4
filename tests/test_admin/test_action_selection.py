"""The actions of the list of payments."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from django_stripe_gateway.admin import PaymentAdmin
from django_stripe_gateway.models import PaymentLog
from tests.factories import make_paid_payment, make_payment
from tests.fake_stripe import FakeStripe
from tests.test_admin.pages import payment_url, run_action, run_confirmed, shown_messages

pytestmark = pytest.mark.django_db(transaction=True)


def test_refund__asks_first(admin_client: Client, paid_payment: Any, stripe_server: FakeStripe) -> None:
    payment = paid_payment()
    response = run_action(admin_client, "refund_selected", payment)
    assert "10.00 USD" in response.content.decode()
    assert stripe_server.all("refund") == []
    payment.refresh_from_db()
    assert payment.status == "confirmed"


def test_refund__the_rest_of_each(
    admin_client: Client, admin_user: Any, paid_payment: Any, stripe_server: FakeStripe
) -> None:
    first, second = paid_payment("10.00"), paid_payment("20.00")
    stripe_server.dashboard_refund(first.intent_id, 400)
    run_action(admin_client, "sync_selected", first)
    response = run_confirmed(admin_client, "refund_selected", first, second)
    for payment in (first, second):
        payment.refresh_from_db()
        assert payment.status == "refunded"
    texts = shown_messages(response)
    assert any(f"Payment {first.pk}" in text and "6.00 USD" in text for text in texts)
    assert any(f"Payment {second.pk}" in text and "20.00 USD" in text for text in texts)
    log = PaymentLog.objects.filter(payment=second, event="refund_created").get()
    assert (log.source, log.actor) == ("admin", f"user:{admin_user.pk}")


def test_refund__one_that_fails_does_not_stop_the_others(admin_client: Client, paid_payment: Any) -> None:
    good, waiting, foreign = paid_payment(), make_payment(), make_paid_payment(variant="unknown")
    response = run_confirmed(admin_client, "refund_selected", waiting, foreign, good)
    good.refresh_from_db()
    assert good.status == "refunded"
    levels = {str(message): message.level_tag for message in response.context["messages"]}
    assert sorted(levels.values()) == ["error", "error", "success"]


def test_refund__unexpected_failure_does_not_stop_the_others(
    admin_client: Client, paid_payment: Any, monkeypatch: Any
) -> None:
    good, bad = paid_payment(), paid_payment()
    from django_stripe_gateway.services.payments import line

    original = line.get_gateway

    def broken(variant: str) -> Any:
        if variant == "broken":
            raise RuntimeError("a bug")
        return original(variant)

    monkeypatch.setattr(line, "get_gateway", broken)
    type(bad).objects.filter(pk=bad.pk).update(variant="broken")
    response = run_confirmed(admin_client, "refund_selected", bad, good)
    good.refresh_from_db()
    assert good.status == "refunded"
    assert any("unexpectedly" in text for text in shown_messages(response))
    assert not any("a bug" in text for text in shown_messages(response))


def test_refund__second_submission(admin_client: Client, paid_payment: Any, stripe_server: FakeStripe) -> None:
    payment = paid_payment()
    key = str(run_action(admin_client, "refund_selected", payment).context["key"])
    for _click in range(2):
        run_action(admin_client, "refund_selected", payment, confirmed="yes", key=key)
    assert len(stripe_server.all("refund")) == 1


def test_capture(admin_client: Client, authorized_payment: Any) -> None:
    payment = authorized_payment()
    response = run_confirmed(admin_client, "capture_selected", payment)
    payment.refresh_from_db()
    assert payment.status == "confirmed"
    assert "10.00 USD captured" in shown_messages(response)[0]


def test_cancel(admin_client: Client, authorized_payment: Any, waiting_payment: Any) -> None:
    payments = [authorized_payment(), waiting_payment(), make_payment()]
    run_confirmed(admin_client, "cancel_selected", *payments)
    for payment in payments:
        payment.refresh_from_db()
        assert payment.status == "cancelled"


def test_sync__at_once(admin_client: Client, waiting_payment: Any, stripe_server: FakeStripe) -> None:
    payment, unstarted = waiting_payment(), make_payment()
    stripe_server.complete_checkout(payment.transaction_id)
    response = run_action(admin_client, "sync_selected", payment, unstarted)
    payment.refresh_from_db()
    assert payment.status == "confirmed"
    assert sorted(message.level_tag for message in response.context["messages"]) == ["error", "success"]


def test_actions__limited_in_number(admin_client: Client, monkeypatch: Any) -> None:
    monkeypatch.setattr(PaymentAdmin, "max_objects_per_action", 1)
    payments = [make_payment(), make_payment()]
    response = run_action(admin_client, "cancel_selected", *payments, confirmed="yes")
    assert "at most 1" in shown_messages(response)[0]
    payments[0].refresh_from_db()
    assert payments[0].status == "waiting"


def test_actions__without_the_permission(staff_client: Any, paid_payment: Any, stripe_server: FakeStripe) -> None:
    payment = paid_payment()
    run_action(staff_client("view_payment"), "refund_selected", payment, confirmed="yes")
    payment.refresh_from_db()
    assert payment.status == "confirmed"
    assert stripe_server.all("refund") == []


def test_actions__permission_on_the_payment(admin_client: Client, paid_payment: Any, monkeypatch: Any) -> None:
    payment = paid_payment()
    monkeypatch.setattr(PaymentAdmin, "has_refund_permission", lambda self, request, obj=None: obj is None)
    response = run_confirmed(admin_client, "refund_selected", payment)
    payment.refresh_from_db()
    assert payment.status == "confirmed"
    assert "may not" in shown_messages(response)[0]


def test_actions__need_the_csrf_token(admin_user: Any) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(admin_user)
    payment = make_payment()
    assert run_action(strict, "cancel_selected", payment, confirmed="yes").status_code == 403


def test_actions__keep_the_filters_of_the_list(admin_client: Client) -> None:
    payment = make_payment()
    url = f"{payment_url('changelist')}?status__exact=waiting"
    response = run_action(admin_client, "cancel_selected", payment, url=url, confirmed="yes")
    assert response.redirect_chain[-1][0].endswith("?status__exact=waiting")
