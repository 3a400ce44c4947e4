"""Who refunds invoices and issues credit notes over HTTP, and what the owner sees of it."""

from __future__ import annotations

import uuid
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from rest_framework.test import APIClient

from django_stripe_gateway.models import CreditNote, Invoice, InvoiceRefund
from tests.factories import make_user
from tests.test_admin.pages import own_url, run_action
from tests.test_billing.host import SubscriptionHost
from tests.test_billing.test_access import client_of
from tests.test_billing.test_cancel import refunded
from tests.test_billing.test_refund_invoice import paid_invoice

pytestmark = pytest.mark.django_db(transaction=True)

BODIES: dict[str, dict[str, Any]] = {
    "refund": {"amount": "5.00"},
    "credit_note": {"amount": "5.00", "refund_amount": "5.00"},
}
PERMISSIONS = {"refund": "refund_invoice", "credit_note": "issue_credit_note"}
#: A credit note whose money goes back is a refund as well.
NEEDED = {"refund": ("refund_invoice",), "credit_note": tuple(PERMISSIONS.values())}
#: Who asks → what they are answered, if they lack the permission of the endpoint, or have it.
ROLES = {
    "anonymous": (401, None),
    "owner": (403, 200),
    "other": (404, 200),
    "viewer": (404, 200),
    "terms": (404, 200),
}


def client_for(role: str, host: SubscriptionHost, *permissions: str) -> APIClient:
    """Return the client of somebody in a role, with further permissions."""
    if role == "anonymous":
        return APIClient()
    user = host.user if role == "owner" else make_user()
    named = {"viewer": ("view_subscription", "view_invoice"), "terms": ("change_terms",)}.get(role, ())
    user.user_permissions.add(*Permission.objects.filter(codename__in=(*named, *permissions)))
    return client_of(type(user).objects.get(pk=user.pk))


def act(client: APIClient, host: SubscriptionHost, invoice: Invoice, endpoint: str, **headers: str) -> Any:
    path = f"invoices/{invoice.provider_id}/{endpoint}"
    return host.post(path, BODIES[endpoint], client=client, headers=headers)


@pytest.mark.parametrize("endpoint", BODIES)
@pytest.mark.parametrize("role", ROLES)
def test_matrix(host: SubscriptionHost, role: str, endpoint: str) -> None:
    invoice = paid_invoice(host)
    refused, allowed = ROLES[role]
    (other,) = set(PERMISSIONS.values()) - {PERMISSIONS[endpoint]}
    needed = NEEDED[endpoint]
    assert act(client_for(role, host), host, invoice, endpoint).status_code == refused
    if allowed is None:
        return
    assert act(client_for(role, host, other), host, invoice, endpoint).status_code == refused
    assert not InvoiceRefund.objects.exists()
    assert act(client_for(role, host, *needed), host, invoice, endpoint).status_code == allowed
    assert refunded(host) == 500


@pytest.mark.parametrize("role", ["owner", "other"])
@pytest.mark.parametrize("amount", ["5.00", "0.01"])
def test_credit_note__refunds_nothing_without_the_permission_to_refund(
    host: SubscriptionHost, settings: Any, role: str, amount: str
) -> None:
    """Also where customers may have credit notes."""
    settings.STRIPE_GATEWAY_CUSTOMER_ACTIONS = ["default", "issue_credit_note"]
    invoice = paid_invoice(host)
    client = client_for(role, host, "issue_credit_note")
    path = f"invoices/{invoice.provider_id}/credit_note"
    body = {"amount": "5.00", "refund_amount": amount, "credit_amount": str(5 - Decimal(amount))}
    refused = host.post(path, body, client=client)
    assert (refused.status_code, refused.json()["code"]) == (403, "not_allowed")
    assert not CreditNote.objects.exists()
    assert host.post(path, {"amount": "5.00", "credit_amount": "5.00"}, client=client).status_code == 200
    assert refunded(host) == 0


def test_credit_note_in_the_admin__refunds_nothing_without_the_permission_to_refund(host: SubscriptionHost) -> None:
    invoice = paid_invoice(host)
    clerk, client = make_user(is_staff=True), Client()
    clerk.user_permissions.set(Permission.objects.filter(codename__in=("view_invoice", "issue_credit_note")))
    client.force_login(clerk)
    page, rows = own_url("invoice", "credit", invoice.pk), own_url("invoice", "changelist")
    key = str(client.get(page).context["form"]["key"].value())
    refused = client.post(page, {"key": key, "amount": "5.00", "way": "refund_amount"})
    assert refused.context["form"].errors["way"]
    run_action(client, "credit_selected", invoice, url=rows, confirmed="yes", key=str(uuid.uuid4()))
    assert not CreditNote.objects.exists()
    client.post(page, {"key": key, "amount": "5.00", "way": "credit_amount"})
    assert CreditNote.objects.get().credit_amount == 5
    assert refunded(host) == 0
    clerk.user_permissions.add(Permission.objects.get(codename="refund_invoice"))
    run_action(client, "credit_selected", invoice, url=rows, confirmed="yes", key=str(uuid.uuid4()))
    assert refunded(host) == 1500


@pytest.mark.parametrize("endpoint", BODIES)
def test_once_for_each_key(host: SubscriptionHost, endpoint: str) -> None:
    invoice = paid_invoice(host)
    client = client_for("other", host, *NEEDED[endpoint])
    first, again = (act(client, host, invoice, endpoint, **{"Idempotency-Key": "k1"}) for _time in range(2))
    assert (first.status_code, first.json()) == (200, again.json())
    assert again.headers["Idempotent-Replayed"] == "true"
    assert refunded(host) == 500


def test_what_the_owner_sees(host: SubscriptionHost) -> None:
    invoice = paid_invoice(host)
    act(client_for("other", host, *NEEDED["credit_note"]), host, invoice, "credit_note")
    CreditNote.objects.create(invoice=invoice, amount=1, currency="USD", status="failed")
    host.fake.dispute(host.fake.intent_of(invoice.provider_id), 1500)
    host.deliver_new()
    (shown,) = host.get("invoices").json()["results"]
    sums = (shown["amount_paid"], shown["refunded_amount"], shown["credited_amount"])
    assert sums == ("20.00", "5.00", "5.00")
    (refund,), (note,), (dispute,) = shown["refunds"], shown["credit_notes"], shown["disputes"]
    assert set(refund) == {"refund_id", "amount", "status", "created"}
    assert (refund["amount"], refund["status"]) == ("5.00", "succeeded")
    assert set(note) == {"credit_note_id", "number", "amount", "status", "pdf_url", "issued"}
    assert (note["amount"], note["status"]) == ("5.00", "issued")
    assert dispute == {"amount": "15.00", "status": "needs_response", "opened": dispute["opened"]}


WRONG: list[tuple[str, dict[str, Any], int]] = [
    ("refund", {"amount": "20.01"}, 400),
    ("refund", {"amount": "0"}, 400),
    ("refund", {"amount": "5.00", "reason": "nonsense"}, 400),
    ("refund", {"amount": "5.00", "to": "me"}, 400),
    ("credit_note", {}, 400),
    ("credit_note", {"amount": "5.00"}, 400),
    ("credit_note", {"amount": "5.00", "refund_amount": "4.00"}, 400),
    ("credit_note", {"amount": "5.00", "credit_amount": "5.00", "reason": "requested_by_customer"}, 400),
]


@pytest.mark.parametrize(("endpoint", "body", "status"), WRONG)
def test_what_is_refused(host: SubscriptionHost, endpoint: str, body: dict[str, Any], status: int) -> None:
    invoice = paid_invoice(host)
    client = client_for("other", host, *PERMISSIONS.values())
    answer = host.post(f"invoices/{invoice.provider_id}/{endpoint}", body, client=client)
    assert answer.status_code == status, answer.content
    assert refunded(host) == 0


def test_unknown_and_used_up(host: SubscriptionHost) -> None:
    invoice = paid_invoice(host)
    client = client_for("other", host, "refund_invoice")
    assert host.post("invoices/in_unknown/refund", client=client).status_code == 404
    assert host.post(f"invoices/{invoice.provider_id}/refund", client=client).status_code == 200
    answer = host.post(f"invoices/{invoice.provider_id}/refund", client=client)
    assert (answer.status_code, answer.json()["code"]) == (409, "wrong_state")
    assert Invoice.objects.get().refunded_amount == Decimal(20)
