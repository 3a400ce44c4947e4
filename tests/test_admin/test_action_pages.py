"""The pages that move the money of one payment."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client

from django_stripe_gateway.models import PaymentLog
from tests.factories import make_paid_payment, make_payment
from tests.fake_stripe import FakeStripe
from tests.test_admin.pages import payment_url, shown_messages, submit

pytestmark = pytest.mark.django_db(transaction=True)


def test_refund__partial_then_the_rest(admin_client: Client, paid_payment: Any, admin_user: Any) -> None:
    payment = paid_payment()
    response = submit(admin_client, "refund", payment, amount="3.00", reason="duplicate")
    payment.refresh_from_db()
    assert payment.refunded_amount == 3
    assert any("3.00 USD" in text for text in shown_messages(response))
    assert payment.refunds.get().reason == "duplicate"
    log = PaymentLog.objects.filter(payment=payment, event="refund_created").get()
    assert (log.source, log.actor) == ("admin", f"user:{admin_user.pk}")
    assert LogEntry.objects.filter(object_id=str(payment.pk), user=admin_user).count() == 1
    opened = admin_client.get(payment_url("refund", payment.pk))
    assert opened.context["form"]["amount"].value() == "7.00"
    assert "Amount:</label>" in opened.content.decode()
    submit(admin_client, "refund", payment, amount="7.00", reason="")
    payment.refresh_from_db()
    assert payment.status == "refunded"


def test_refund__second_click_moves_nothing(admin_client: Client, paid_payment: Any, stripe_server: FakeStripe) -> None:
    payment = paid_payment()
    url = payment_url("refund", payment.pk)
    key = str(admin_client.get(url).context["form"]["key"].value())
    for _click in range(2):
        response = admin_client.post(url, {"key": key, "amount": "3.00"}, follow=True)
    assert "3.00 USD" in shown_messages(response)[0]
    assert len(stripe_server.all("refund")) == 1
    # Back, another amount, again: the person is warned instead of paying twice.
    response = admin_client.post(url, {"key": key, "amount": "4.00"}, follow=True)
    assert len(stripe_server.all("refund")) == 1
    assert "already" in shown_messages(response)[0]


@pytest.mark.parametrize("amount", ["0", "-1", "10.01", "1.005", "", "abc", "NaN"])
def test_refund__amount_that_cannot_be(
    admin_client: Client, paid_payment: Any, stripe_server: FakeStripe, amount: str
) -> None:
    response = submit(admin_client, "refund", paid_payment(), amount=amount)
    assert response.context["form"].errors["amount"]
    assert stripe_server.all("refund") == []


def test_refund__silent_provider_can_be_repeated(
    admin_client: Client, paid_payment: Any, stripe_server: FakeStripe
) -> None:
    payment = paid_payment()
    stripe_server.fault("POST", "/v1/refunds", kind="reset_after")
    url = payment_url("refund", payment.pk)
    key = str(admin_client.get(url).context["form"]["key"].value())
    first = admin_client.post(url, {"key": key, "amount": "3.00"})
    assert first.status_code == 200
    assert first.context["form"]["key"].value() == key
    assert "not known" in shown_messages(first)[0]
    admin_client.post(url, {"key": key, "amount": "3.00"})
    payment.refresh_from_db()
    assert payment.refunded_amount == 3
    assert len(stripe_server.all("refund")) == 1


def test_capture__partial(admin_client: Client, authorized_payment: Any) -> None:
    payment = authorized_payment()
    assert payment.status == "preauth"
    response = submit(admin_client, "capture", payment, amount="4.00")
    payment.refresh_from_db()
    assert (payment.status, payment.captured_amount) == ("confirmed", Decimal("4.00"))
    assert "4.00 USD captured" in shown_messages(response)[0]


def test_capture__above_the_authorisation(admin_client: Client, authorized_payment: Any) -> None:
    response = submit(admin_client, "capture", authorized_payment(), amount="10.01")
    assert response.context["form"].errors["amount"]


def test_cancel__releases(admin_client: Client, authorized_payment: Any, stripe_server: FakeStripe) -> None:
    payment = authorized_payment()
    submit(admin_client, "cancel", payment)
    payment.refresh_from_db()
    assert payment.status == "cancelled"
    assert stripe_server.get(payment.intent_id)["status"] == "canceled"


def test_cancel__waiting(admin_client: Client, waiting_payment: Any, stripe_server: FakeStripe) -> None:
    payment = waiting_payment()
    submit(admin_client, "cancel", payment)
    payment.refresh_from_db()
    assert payment.status == "cancelled"
    assert stripe_server.get(payment.transaction_id)["status"] == "expired"


def test_sync__finds_a_refund_made_at_the_dashboard(
    admin_client: Client, paid_payment: Any, stripe_server: FakeStripe
) -> None:
    payment = paid_payment()
    stripe_server.dashboard_refund(payment.intent_id, 250)
    response = submit(admin_client, "sync", payment)
    payment.refresh_from_db()
    assert payment.refunded_amount == Decimal("2.50")
    assert "refunded 2.50 USD" in shown_messages(response)[0]


def test_action__provider_refuses(admin_client: Client, paid_payment: Any, stripe_server: FakeStripe) -> None:
    payment = paid_payment()
    stripe_server.dashboard_refund(payment.intent_id)
    response = submit(admin_client, "refund", payment, amount="3.00")
    assert response.redirect_chain
    assert shown_messages(response)
    assert len(stripe_server.all("refund")) == 1


@pytest.mark.parametrize("action", ["capture", "refund", "cancel"])
def test_action__wrong_state(admin_client: Client, action: str) -> None:
    payment = make_paid_payment(status="refunded")
    response = admin_client.get(payment_url(action, payment.pk), follow=True)
    assert "does not allow" in shown_messages(response)[0]
    data = {"key": "0f8fad5b-d9cb-469f-a165-70867728950e", "amount": "1.00"}
    response = admin_client.post(payment_url(action, payment.pk), data, follow=True)
    payment.refresh_from_db()
    assert payment.status == "refunded"
    assert shown_messages(response)


def test_action__without_a_key(admin_client: Client, paid_payment: Any, stripe_server: FakeStripe) -> None:
    response = admin_client.post(payment_url("refund", paid_payment().pk), {"amount": "1.00"})
    assert "key" in response.context["form"].errors
    assert stripe_server.all("refund") == []


@pytest.mark.parametrize("action", ["capture", "refund", "cancel", "sync"])
def test_action__needs_the_permission(client: Client, staff_client: Any, action: str) -> None:
    payment = make_payment()
    url = payment_url(action, payment.pk)
    assert client.post(url).status_code == 302
    viewer = staff_client("view_payment")
    assert viewer.get(url).status_code == 403
    assert viewer.post(url).status_code == 403


@pytest.mark.parametrize("action", ["capture", "refund", "cancel", "sync"])
def test_action__needs_the_csrf_token(admin_user: Any, action: str) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(admin_user)
    payment = make_payment()
    assert strict.post(payment_url(action, payment.pk)).status_code == 403


def test_action__unknown_payment(admin_client: Client) -> None:
    assert admin_client.get(payment_url("refund", 424242)).status_code == 404
    assert admin_client.get(payment_url("refund", "nonsense")).status_code == 404


def test_action__separate_permission(admin_client: Client, monkeypatch: Any) -> None:
    from django_stripe_gateway.admin import PaymentAdmin

    monkeypatch.setattr(PaymentAdmin, "has_refund_permission", lambda self, request, obj=None: False)
    payment = make_paid_payment()
    assert admin_client.get(payment_url("refund", payment.pk)).status_code == 403
    response = admin_client.get(payment_url("changelist"))
    assert "refund_selected" not in response.content.decode()
    assert "capture_selected" in response.content.decode()
