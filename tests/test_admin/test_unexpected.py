"""Unexpected money in the admin: shown on its payment's page, decided about by an action."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from django_stripe_gateway.payments import create_payment, sync_payment
from tests.factories import make_payment
from tests.test_admin.pages import payment_url

pytestmark = pytest.mark.django_db(transaction=True)


def unexpected(stripe_server: Any) -> Any:
    payment = create_payment(owner=None, gateway="Stripe", amount=Decimal(10), currency="USD")
    stripe_server.act(payment.transaction_id, lambda _scope, session: session.update(amount_total=800))
    stripe_server.complete_checkout(payment.transaction_id)
    return sync_payment(payment=payment)


def test_shown_and_accepted(admin_client: Client, stripe_server: Any) -> None:
    payment = unexpected(stripe_server)
    page = admin_client.get(payment_url("change", payment.pk)).content.decode()
    assert "8.00 USD" in page
    assert "Accept what was paid" in page
    assert admin_client.get(reverse("admin:django_stripe_gateway_unexpectedpayment_changelist")).status_code == 200
    assert decide(admin_client, payment, "accept_unexpected") == ("confirmed", 8)


@pytest.mark.parametrize("action", ["accept_unexpected", "refund_unexpected"])
def test_asked_with_the_amount(admin_client: Client, stripe_server: Any, action: str) -> None:
    page = admin_client.get(payment_url(action, unexpected(stripe_server).pk)).content.decode()
    assert "Not expected: 8.00 USD" in page


def test_nothing_unexpected(admin_client: Client) -> None:
    page = admin_client.get(payment_url("change", make_payment().pk)).content.decode()
    shown = page.partition("Not expected:")[2].partition('<div class="readonly">')[2].partition("</div>")[0]
    assert shown == "-"


def test_given_back(admin_client: Client, stripe_server: Any) -> None:
    assert decide(admin_client, unexpected(stripe_server), "refund_unexpected") == ("rejected", 0)


def test_needs_its_permission(client: Client, staff_user: Any, stripe_server: Any) -> None:
    payment = unexpected(stripe_server)
    names = ["view_payment", "refund_payment", "capture_payment"]
    staff_user.user_permissions.set(Permission.objects.filter(codename__in=names))
    client.force_login(staff_user)
    assert decide(client, payment, "accept_unexpected") == ("waiting", 0)
    staff_user.user_permissions.add(Permission.objects.get(codename="decide_unexpected"))
    assert decide(client, payment, "accept_unexpected") == ("confirmed", 8)


def decide(client: Client, payment: Any, action: str) -> tuple[str, Any]:
    asked = {"action": f"{action}_selected", "_selected_action": payment.pk, "confirmed": "yes"}
    client.post(reverse("admin:django_stripe_gateway_payment_changelist"), asked)
    payment.refresh_from_db()
    return payment.status, payment.captured_amount
