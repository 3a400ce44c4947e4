"""An open invoice is paid at once, with the default payment method or a named one."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

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


def remove_all_cards(host: SubscriptionHost) -> None:
    """Let the customer remove their cards on a page of Stripe's, and hear of it."""
    for method in host.get("payment_methods").json()["results"]:
        method_id = method["payment_method_id"]
        get_billing_gateway("stripe").detach_payment_method(method_id, idempotency_key=f"remove-{method_id}")
    host.deliver_new()


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


def test_events_of_invoices_are_lost(either_host: SubscriptionHost) -> None:
    """The one about the subscription names an invoice that nobody here knows, or only as a draft."""
    host = either_host

    def hear() -> None:
        host.deliver(event for event in host.new_events() if event["type"].startswith("customer.subscription"))

    mine = host.subscribed()
    host.change_card(mine, "pm_card_chargeCustomerFail")
    host.deliver_new()
    host.fake.advance(days=31)
    for _hours in range(8):
        hear()
        host.fake.advance(hours=6)
    hear()
    mine.refresh_from_db()
    assert mine.status == "past_due"
    assert host.post(f"payment_methods/{add_card(host, 'pm_card_visa')}/default").status_code == 200
    assert pay(host, Invoice.objects.get(provider_id=mine.latest_invoice_id)).status_code == 200
    mine.refresh_from_db()
    assert mine.status == "active"


@pytest.mark.parametrize("known", ["open", "draft", None])
def test_stripe_is_asked_for_what_is_not_known(host: SubscriptionHost, known: str | None) -> None:
    invoice = past_due(host)
    Subscription.objects.update(provider_time=timezone.now() - timedelta(days=60), fetched_at=None)
    Invoice.objects.filter(pk=invoice.pk).update(status=known or "open", provider_time=None, fetched_at=None)
    if known is None:
        invoice.delete()
    host.fake.change_subscription(Subscription.objects.get().provider_id, {"metadata": {"note": "called"}})
    host.fake.forget_requests()
    assert host.deliver_new() == ["processed"]
    assert bool(host.fake.requests) == (known != "open")
    assert Invoice.objects.get(provider_id=invoice.provider_id).status == "open"


def charged_cards(host: SubscriptionHost) -> list[str]:
    intents = [host.fake.get(host.fake.intent_of(one["id"])) for one in host.fake.all("invoice")]
    return [intent["payment_method"] for intent in intents if intent["status"] == "succeeded"]


def next_month(host: SubscriptionHost) -> None:
    host.fake.advance(days=31)
    host.deliver_new()


def own_card(host: SubscriptionHost) -> str | None:
    return host.fake.get(Subscription.objects.get().provider_id)["default_payment_method"]


@pytest.mark.parametrize("of", ["customer", "subscription"])
def test_named_payment_method(either_host: SubscriptionHost, of: str) -> None:
    host = either_host
    invoice, default = past_due(host), add_card(host, "pm_card_amex")
    if of == "customer":
        assert host.post(f"payment_methods/{default}/default").status_code == 200
    else:
        host.fake.change_subscription(Subscription.objects.get().provider_id, {"default_payment_method": default})
    kept, before = host.customer.default_payment_method, own_card(host)
    card = add_card(host, "pm_card_mastercard")
    paid = pay(host, invoice, payment_method=card)
    assert (paid.status_code, paid.json()["status"]) == (200, "paid")
    assert (host.customer.default_payment_method, own_card(host)) == (kept, before)
    assert Subscription.objects.get().default_payment_method == (before or "")
    host.deliver_new()
    next_month(host)
    assert charged_cards(host)[1:] == [card, default]
    assert Subscription.objects.get().status == "active"


def test_first_payment_is_what_renews(host: SubscriptionHost) -> None:
    made = host.subscribe(host.basic)
    default, card = add_card(host, "pm_card_amex"), add_card(host, "pm_card_mastercard")
    assert host.post(f"payment_methods/{default}/default").status_code == 200
    host.deliver_new()
    invoice = Invoice.objects.get(subscription__provider_id=made["subscription_id"])
    assert pay(host, invoice, payment_method=card).json()["status"] == "paid"
    next_month(host)
    assert charged_cards(host) == [card, card]


def test_only_card_goes_on(host: SubscriptionHost) -> None:
    invoice = past_due(host)
    remove_all_cards(host)
    card = add_card(host, "pm_card_mastercard")
    assert pay(host, invoice, payment_method=card).json()["status"] == "paid"
    next_month(host)
    assert charged_cards(host)[1:] == [card, card]


def test_killed_before_the_card_is_put_back(host: SubscriptionHost) -> None:
    invoice, default = past_due(host), add_card(host, "pm_card_amex")
    assert host.post(f"payment_methods/{default}/default").status_code == 200
    card = add_card(host, "pm_card_mastercard")
    before = charges(host)
    host.fake.forget_requests()
    host.fake.fault("POST", "/v1/subscriptions/*", kind="reset_before")
    assert pay(host, invoice, payment_method=card, headers=KEY).json()["code"] == "provider_unavailable"
    assert own_card(host) == card
    # Not even its events lose what was kept.
    host.deliver_new()
    call_command("reconcile")
    assert not BillingOperation.objects.pending().exists()
    assert (own_card(host), Subscription.objects.get().default_payment_method) == (None, "")
    operation = BillingOperation.objects.get(kind="pay_invoice")
    sent = [one for one in host.fake.requests if one.method == "POST" and "/subscriptions/" in one.path]
    assert {one.idempotency_key for one in sent} == {
        f"{operation.idempotency_key}-{Subscription.objects.get().provider_id}"
    }
    assert pay(host, invoice, payment_method=card, headers=KEY).json()["status"] == "paid"
    assert charges(host) == before + 1


def test_card_that_cannot_be_put_back(host: SubscriptionHost) -> None:
    invoice, card = past_due(host), add_card(host, "pm_card_mastercard")
    old = own_card(host)
    with (
        host.fake.hold("POST", f"/v1/invoices/{invoice.provider_id}/pay", when="after") as hold,
        ThreadPoolExecutor(1) as threads,
    ):
        paid = threads.submit(pay_in_thread, host, invoice, card)
        hold.wait()
        get_billing_gateway("stripe").detach_payment_method(str(old), idempotency_key="gone")
        hold.release()
        assert paid.result().json()["status"] == "paid"
    assert own_card(host) == card
    assert not BillingOperation.objects.pending().exists()


@pytest.mark.parametrize("how", ["confirmed", "slow", "another default", "another card"])
def test_named_payment_method_that_pays_later(either_host: SubscriptionHost, how: str) -> None:
    host = either_host
    invoice, subscription = past_due(host), Subscription.objects.get()
    default, other = add_card(host, "pm_card_amex"), add_card(host, "pm_card_visa")
    host.fake.change_subscription(subscription.provider_id, {"default_payment_method": default})
    host.deliver_new()
    slow = how != "confirmed"
    card = add_card(host, "pm_usBankAccount_success" if slow else "pm_card_authenticationRequired")
    assert pay(host, invoice, payment_method=card).json()["status"] == "open"
    if how == "another default":
        assert host.post(f"payment_methods/{other}/default").status_code == 200
    intent = host.fake.intent_of(invoice.provider_id)
    if how == "another card":
        host.fake.settle_intent(intent, False)
        host.fake.customer_pays(subscription.provider_id, other)
    elif slow:
        host.fake.settle_intent(intent)
    else:
        host.fake.customer_authenticates(intent)
    host.deliver_new()
    expected = {"another default": None, "another card": other}.get(how, default)
    subscription.refresh_from_db()
    assert (own_card(host), subscription.default_payment_method) == (expected, expected or "")
    assert not BillingOperation.objects.pending().exists()
    assert BillingOperation.objects.filter(kind="pay_invoice").count() == 2


def pay_in_thread(host: SubscriptionHost, invoice: Invoice, card: str) -> Any:
    try:
        return pay(host, invoice, payment_method=card)
    finally:
        connection.close()


@pytest.mark.parametrize("succeeds", [True, False])
def test_slow_payment_method(either_host: SubscriptionHost, succeeds: bool) -> None:
    host = either_host
    invoice, bank = past_due(host), add_card(host, "pm_usBankAccount_success")
    before = len(host.fake.all("charge"))
    answer = pay(host, invoice, payment_method=bank)
    assert (answer.status_code, answer.json()["status"], answer.json()["requires_action"]) == (200, "open", False)
    for headers in (KEY, {}):
        again = pay(host, invoice, payment_method=bank, headers=headers)
        assert (again.status_code, again.json()["type"]) == (409, "invalid_request_error")
        assert "processing" in again.json()["detail"]
    # Nor does Stripe's own next attempt.
    host.fake.advance(days=4)
    assert len(host.fake.all("charge")) == before + 1
    host.fake.settle_intent(host.fake.intent_of(invoice.provider_id), succeeds)
    host.deliver_new()
    invoice.refresh_from_db()
    expected = ("paid", "active") if succeeds else ("open", "past_due")
    assert (invoice.status, Subscription.objects.get().status) == expected
    assert not BillingOperation.objects.pending().exists()


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
    remove_all_cards(host)
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


def test_written_off__is_paid_by_who_wants_to(either_host: SubscriptionHost) -> None:
    """Stripe lets it be paid, and what is left of its period can be credited then."""
    host = either_host
    invoice = past_due(host)
    host.v1.invoices.mark_uncollectible(invoice.provider_id)
    host.deliver_new()
    invoice.refresh_from_db()
    assert (invoice.status, invoice.is_open, invoice.is_payable) == ("uncollectible", False, True)
    declined = pay(host, invoice, payment_method=add_card(host, "pm_card_chargeCustomerFail"))
    assert (declined.status_code, Invoice.objects.get(pk=invoice.pk).status) == (402, "uncollectible")
    before = charges(host)
    paid = pay(host, invoice, payment_method=add_card(host, "pm_card_visa"), headers=KEY)
    assert (paid.status_code, paid.json()["status"], charges(host)) == (200, "paid", before + 1)
    again = pay(host, invoice)
    assert (again.status_code, again.json()["code"]) == (409, "wrong_state")
    assert set(host.deliver_new()).isdisjoint({"mismatched", "failed"})
    assert (Invoice.objects.get(pk=invoice.pk).status, Subscription.objects.get().status) == ("paid", "active")


def test_written_off__has_to_be_authenticated(host: SubscriptionHost) -> None:
    invoice = past_due(host)
    host.v1.invoices.mark_uncollectible(invoice.provider_id)
    host.deliver_new()
    asked = pay(host, invoice, payment_method=add_card(host, "pm_card_authenticationRequired")).json()
    assert (asked["status"], asked["requires_action"], bool(asked["client_secret"])) == ("uncollectible", True, True)
