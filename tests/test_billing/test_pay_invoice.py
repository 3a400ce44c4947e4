"""An open invoice is paid at once, with the default payment method or a named one."""

from __future__ import annotations

from typing import Any

import pytest

from django_stripe_gateway.exceptions import PaymentDeclined, WrongState
from django_stripe_gateway.gateways.registry import get_billing_gateway
from django_stripe_gateway.models import BillingOperation, Invoice, Subscription
from django_stripe_gateway.services.subscriptions.pay_invoice import pay_invoice
from tests.factories import make_user
from tests.test_billing.host import SubscriptionHost
from tests.test_billing.test_access import client_of

pytestmark = pytest.mark.django_db(transaction=True)

KEY = {"Idempotency-Key": "k1"}


def past_due(host: SubscriptionHost) -> Invoice:
    """Return the open invoice of a renewal that was declined."""
    subscription = host.subscribed()
    host.change_card(subscription, "pm_card_chargeCustomerFail")
    host.fake.advance(days=32)
    host.deliver_new()
    subscription.refresh_from_db()
    assert subscription.status == "past_due"
    return Invoice.objects.get(status="open")


def add_card(host: SubscriptionHost, card: str) -> str:
    gateway = get_billing_gateway("stripe")
    added = gateway.attach_payment_method(card, host.customer.provider_id or "", idempotency_key=f"add-{card}")
    return added.payment_method_id


def pay(host: SubscriptionHost, invoice: Invoice, *, client: Any = None, headers: Any = None, **body: Any) -> Any:
    return host.post(f"invoices/{invoice.provider_id}/pay", body, client=client, headers=headers or {})


def charges(host: SubscriptionHost) -> int:
    return sum(one["status"] == "succeeded" for one in host.fake.all("charge"))


def test_new_default_pays(either_host: SubscriptionHost) -> None:
    host = either_host
    invoice = past_due(host)
    assert host.post(f"payment_methods/{add_card(host, 'pm_card_visa')}/default").status_code == 200
    before = charges(host)
    paid = pay(host, invoice, headers=KEY)
    assert paid.status_code == 200, paid.content
    body = paid.json()
    assert (body["status"], body["amount_remaining"], body["requires_action"]) == ("paid", "0.00", False)
    assert "client_secret" not in body
    # Nobody waits for the webhooks.
    invoice.refresh_from_db()
    subscription = Subscription.objects.get()
    assert (invoice.status, subscription.status, subscription.past_due_since) == ("paid", "active", None)
    again = pay(host, invoice, headers=KEY)
    assert (again.json(), again.headers["Idempotent-Replayed"]) == (body, "true")
    assert charges(host) == before + 1
    assert set(host.deliver_new()).isdisjoint({"mismatched", "failed"})
    assert (Invoice.objects.get(pk=invoice.pk).status, Subscription.objects.get().status) == ("paid", "active")


def test_named_payment_method(host: SubscriptionHost) -> None:
    invoice, card = past_due(host), add_card(host, "pm_card_mastercard")
    default = host.customer.default_payment_method
    paid = pay(host, invoice, payment_method=card)
    assert (paid.status_code, paid.json()["status"]) == (200, "paid")
    assert host.fake.get(host.fake.intent_of(invoice.provider_id))["payment_method"] == card
    assert host.customer.default_payment_method == default


def test_declined(host: SubscriptionHost) -> None:
    invoice = past_due(host)
    for headers in ({}, KEY, KEY):
        answer = pay(host, invoice, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (402, "card_declined")
    assert Invoice.objects.get(pk=invoice.pk).is_open
    assert not BillingOperation.objects.pending().exists()
    with pytest.raises(PaymentDeclined):
        pay_invoice(invoice=invoice)
    card = add_card(host, "pm_card_visa")
    assert pay(host, invoice, payment_method=card, headers={"Idempotency-Key": "k2"}).status_code == 200


def test_nothing_to_pay_with(host: SubscriptionHost) -> None:
    invoice = past_due(host)
    assert host.client.delete(f"/api/v1/subscriptions/payment_methods/{host.customer.default_payment_method}/")
    for method in host.get("payment_methods").json()["results"]:
        host.client.delete(f"/api/v1/subscriptions/payment_methods/{method['payment_method_id']}/")
    answer = pay(host, invoice)
    assert (answer.status_code, answer.json()["code"]) == (402, "payment_method_missing")


def test_customer_has_to_authenticate(either_host: SubscriptionHost) -> None:
    host = either_host
    invoice, card = past_due(host), add_card(host, "pm_card_authenticationRequired")
    answer = pay(host, invoice, payment_method=card, headers=KEY)
    assert answer.status_code == 200, answer.content
    body = answer.json()
    assert (body["status"], body["requires_action"]) == ("open", True)
    assert body["client_secret"] == host.fake.get(host.fake.intent_of(invoice.provider_id))["client_secret"]
    # The secret is asked for again, and kept nowhere.
    assert pay(host, invoice, payment_method=card, headers=KEY).json() == body
    assert body["client_secret"] not in str(list(BillingOperation.objects.values()))
    assert "client_secret" not in host.get("invoices").json()["results"][0]
    host.fake.customer_authenticates(host.fake.intent_of(invoice.provider_id))
    host.deliver_new()
    assert Subscription.objects.get().status == "active"
    late = pay(host, invoice, payment_method=card, headers=KEY)
    assert (late.status_code, late.json()["client_secret"]) == (200, "")


def test_answer_that_was_lost(host: SubscriptionHost) -> None:
    invoice, card = past_due(host), add_card(host, "pm_card_visa")
    before = charges(host)
    host.fake.fault("POST", "/v1/invoices/*/pay", kind="reset_after")
    lost = pay(host, invoice, payment_method=card, headers=KEY)
    assert (lost.status_code, lost.json()["code"]) == (502, "provider_unavailable")
    host.fake.forget_idempotency_keys()
    host.deliver_new()
    again = pay(host, invoice, payment_method=card, headers=KEY)
    assert (again.status_code, again.json()["status"]) == (200, "paid")
    assert charges(host) == before + 1


def test_invoice_that_is_not_open(host: SubscriptionHost) -> None:
    invoice = past_due(host)
    host.fake.void_invoice(invoice.provider_id)
    # The row has not heard of it yet.
    late = pay(host, invoice)
    assert late.status_code == 409, late.content
    invoice.refresh_from_db()
    assert invoice.status == "void"
    host.fake.forget_requests()
    for one in Invoice.objects.all():
        assert pay(host, one).status_code == 409
    Invoice.objects.filter(pk=invoice.pk).update(status="draft")
    assert pay(host, invoice).status_code == 409
    assert host.fake.requests == []
    with pytest.raises(WrongState):
        pay_invoice(invoice=invoice)


def test_invoice_that_was_paid_elsewhere(host: SubscriptionHost) -> None:
    invoice = past_due(host)
    host.fake.customer_pays(Subscription.objects.get().provider_id, "pm_card_visa")
    assert pay(host, invoice).status_code == 409
    assert Invoice.objects.get(pk=invoice.pk).is_paid
    assert Subscription.objects.get().status == "active"


def test_others(host: SubscriptionHost) -> None:
    invoice = past_due(host)
    stranger = client_of(make_user(username="mallory", is_staff=True))
    theirs, unknown = host.customer.default_payment_method, Invoice(provider_id="in_unknown")
    host.fake.forget_requests()
    answers = [pay(host, one, client=stranger) for one in (invoice, unknown)]
    assert [answer.status_code for answer in answers] == [404, 404]
    assert answers[0].json() == answers[1].json()
    assert host.fake.requests == []
    assert host.post("subscribe", {"plan_id": host.basic.plan_id}, client=stranger).status_code == 201
    host.deliver_new()
    own = Invoice.objects.get(customer__owner__username="mallory")
    answer = pay(host, own, client=stranger, payment_method=theirs)
    assert (answer.status_code, answer.json()["code"], answer.json()["field"]) == (
        400,
        "unknown_payment_method",
        "payment_method",
    )


@pytest.mark.parametrize("body", [{"payment_method": 7}, {"payment_method": "../x"}])
def test_body(host: SubscriptionHost, body: dict[str, Any]) -> None:
    answer = pay(host, past_due(host), **body)
    assert (answer.status_code, answer.json()["field"]) == (400, next(iter(body)))
