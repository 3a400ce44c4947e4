"""Invoices of no subscription, and what is put on the next one; whatever is refused leaves nothing behind."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from django_stripe_gateway.exceptions import (
    GatewayError,
    InvalidInput,
    PaymentDeclined,
    ProviderUnavailable,
    UnsupportedByGateway,
    WrongState,
)
from django_stripe_gateway.models import BillingOperation, Customer, Invoice, Subscription
from django_stripe_gateway.services.accounts import billing_gateway_of
from django_stripe_gateway.subscriptions import (
    InvoiceItem,
    add_invoice_item,
    create_invoice,
    ensure_customer,
    pay_invoice,
)
from tests.test_billing.host import SubscriptionHost

pytestmark = pytest.mark.django_db(transaction=True)

HOURS = InvoiceItem("Hours", Decimal("50.00"), 3)
TRAVEL = InvoiceItem("Travel", Decimal("9.90"))


def with_card(host: SubscriptionHost, name: str = "pm_card_visa") -> None:
    ensure_customer(owner=host.user)
    host.fake.customer_changes_card(Customer.objects.get().provider_id or "", name)
    host.deliver_new()


def invoice_of(host: SubscriptionHost, *items: InvoiceItem, **fields: Any) -> Invoice:
    values = {"owner": host.user, "items": items or (HOURS, TRAVEL), "currency": "USD"} | fields
    return create_invoice(**values)


def test_paid_at_once(either_host: SubscriptionHost) -> None:
    with_card(either_host)
    invoice = invoice_of(either_host, description="November")
    assert (invoice.status, invoice.total, invoice.amount_paid) == ("paid", Decimal("159.90"), Decimal("159.90"))
    assert (invoice.subscription, invoice.billing_reason) == (None, "manual")
    either_host.deliver_new()
    assert Invoice.objects.get().status == "paid"
    (shown,) = either_host.get("invoices").json()["results"]
    assert shown["total"] == "159.90"
    assert [item["invoice"] for item in either_host.fake.all("invoiceitem")] == [invoice.provider_id] * 2


def test_sent__and_paid_by_its_customer(host: SubscriptionHost) -> None:
    invoice = invoice_of(host, collection="send_invoice", days_until_due=14)
    assert (invoice.status, bool(invoice.due), bool(invoice.hosted_url)) == ("open", True, True)
    assert len(host.fake.events("invoice.sent")) == 1
    assert not host.fake.all("charge")
    with_card(host)
    paid = host.post(
        f"invoices/{invoice.provider_id}/pay", {"payment_method": host.fake.all("payment_method")[-1]["id"]}
    )
    assert paid.json()["status"] == "paid", paid.content


def test_left_to_the_provider(host: SubscriptionHost) -> None:
    with_card(host)
    invoice = invoice_of(host, pay=False)
    assert (invoice.status, host.fake.get(invoice.provider_id)["auto_advance"]) == ("open", True)
    assert pay_invoice(invoice=invoice).status == "paid"


def test_draft(host: SubscriptionHost) -> None:
    invoice = invoice_of(host, finalize=False)
    assert (invoice.status, host.fake.get(invoice.provider_id)["auto_advance"]) == ("draft", False)
    assert Invoice.objects.shown().count() == 0


def test_declined__it_is_open(host: SubscriptionHost) -> None:
    with_card(host, "pm_card_chargeCustomerFail")
    with pytest.raises(PaymentDeclined) as caught:
        invoice_of(host, idempotency_key="k")
    invoice = Invoice.objects.get(pk=caught.value.extra["invoice_pk"])
    assert (caught.value.code, invoice.status) == ("card_declined", "open")
    with_card(host)
    assert invoice_of(host, idempotency_key="k").pk == invoice.pk, "the same invoice, which is paid now"
    assert Invoice.objects.get().status == "paid"


def test_authentication_required__its_customer_pays(host: SubscriptionHost) -> None:
    with_card(host, "pm_card_authenticationRequired")
    invoice = invoice_of(host, idempotency_key="k")
    assert (invoice.status, invoice.requires_action, bool(invoice.hosted_url)) == ("open", True, True)
    again = invoice_of(host, idempotency_key="k")
    assert (again.pk, again.requires_action) == (invoice.pk, True)
    assert host.post(f"invoices/{invoice.provider_id}/pay").json()["requires_action"]
    host.fake.customer_authenticates(invoice.intent_id or Invoice.objects.get().intent_id)
    host.deliver_new()
    assert Invoice.objects.get().status == "paid"


def test_a_repeat_makes_nothing_again(host: SubscriptionHost) -> None:
    with_card(host)
    first, again = (invoice_of(host, idempotency_key="k") for _ in range(2))
    assert first.pk == again.pk
    assert len(host.fake.all("charge")) == len(host.fake.all("invoice")) == 1


def assert_nothing_is_left(host: SubscriptionHost) -> None:
    assert host.fake.all("invoice") == host.fake.all("invoiceitem") == []
    assert not Invoice.objects.exists()
    assert not BillingOperation.objects.pending().exists()


PALACE = InvoiceItem("Palace", Decimal("1000000.00"))


@pytest.mark.parametrize("before", [[], [HOURS]], ids=["first item", "second item"])
def test_refused__nothing_ends_on_the_next_renewal(host: SubscriptionHost, before: list[InvoiceItem]) -> None:
    """Let Stripe refuse an item that is more than it charges."""
    with pytest.raises(GatewayError, match=r"999,999\.99"):
        invoice_of(host, *before, PALACE)
    assert_nothing_is_left(host)


def test_refused__what_had_waited_waits_again(host: SubscriptionHost) -> None:
    waits = add_invoice_item(owner=host.user, amount=Decimal(5), currency="USD", description="Setup")
    with pytest.raises(GatewayError):
        invoice_of(host, HOURS, PALACE, include_pending=True)
    (left,) = host.fake.all("invoiceitem")
    assert (left["id"], left["invoice"]) == (waits.item_id, None)


def test_refused__and_killed_before_it_is_taken_back(host: SubscriptionHost) -> None:
    host.fake.fault("GET", "/v1/invoices", kind="reset_before", times=10)
    with pytest.raises(ProviderUnavailable):
        invoice_of(host, HOURS, PALACE, idempotency_key="k")
    assert host.fake.all("invoice")
    host.fake.clear_faults()
    with pytest.raises(GatewayError, match=r"999,999\.99"):
        invoice_of(host, HOURS, PALACE, idempotency_key="k")
    assert_nothing_is_left(host)


def test_unknown__carried_on_with_what_is_there(host: SubscriptionHost) -> None:
    host.fake.fault("POST", "/v1/invoiceitems", kind="reset_before", times=10, after=1)
    with pytest.raises(ProviderUnavailable):
        invoice_of(host, idempotency_key="k", pay=False)
    host.fake.clear_faults()
    host.fake.forget_idempotency_keys()
    invoice = invoice_of(host, idempotency_key="k", pay=False)
    assert invoice.total == Decimal("159.90")
    assert len(host.fake.all("invoiceitem")) == 2
    assert len(host.fake.all("invoice")) == 1


def test_item__waits_for_the_next_renewal(host: SubscriptionHost) -> None:
    subscription = host.subscribed()
    host.change_card(subscription, "pm_card_visa")
    one = add_invoice_item(subscription=subscription, amount=Decimal(5), currency="USD", description="Setup")
    two = add_invoice_item(owner=host.user, amount=Decimal(2), currency="USD", description="Seats", quantity=2)
    assert (one.amount, one.subscription_id, two.amount, two.subscription_id) == (
        Decimal(5),
        subscription.provider_id,
        Decimal(4),
        "",
    )
    host.fake.advance(days=32)
    host.deliver_new()
    renewal = Invoice.objects.get(billing_reason="subscription_cycle")
    assert renewal.total == Decimal("29.00")


def test_item__is_taken_along(host: SubscriptionHost) -> None:
    add_invoice_item(owner=host.user, amount=Decimal(5), currency="USD", description="Setup", idempotency_key="i")
    add_invoice_item(owner=host.user, amount=Decimal(5), currency="USD", description="Setup", idempotency_key="i")
    assert len(host.fake.all("invoiceitem")) == 1
    assert invoice_of(host, TRAVEL, pay=False).total == Decimal("9.90"), "what waits is for another one"
    assert invoice_of(host, pay=False, items=[], include_pending=True).total == Decimal("5.00")


@pytest.mark.parametrize(
    "wrong",
    [
        {"items": []},
        {"items": [InvoiceItem("x", Decimal(0))]},
        {"items": [InvoiceItem("x", Decimal(-1))]},
        {"items": [InvoiceItem("x", Decimal("1.001"))]},
        {"items": [InvoiceItem("x", Decimal(1), 0)]},
        {"items": [HOURS] * 51},
        {"currency": "XXX"},
        {"collection": "by_hand"},
        {"collection": "send_invoice"},
        {"days_until_due": 3},
        {"collection": "send_invoice", "days_until_due": -1},
    ],
    ids=str,
)
def test_refused_before_anybody_is_asked(host: SubscriptionHost, wrong: dict[str, Any]) -> None:
    host.fake.forget_requests()
    with pytest.raises(InvalidInput):
        invoice_of(host, **wrong)
    assert host.fake.requests == []


def test_item__refused(host: SubscriptionHost) -> None:
    fields: dict[str, Any] = {"amount": Decimal(5), "currency": "USD", "description": "x"}
    with pytest.raises(InvalidInput):
        add_invoice_item(**fields)
    with pytest.raises(InvalidInput):
        add_invoice_item(owner=host.user, subscription=Subscription(), **fields)
    with pytest.raises(WrongState):
        add_invoice_item(subscription=Subscription(status="canceled", provider_id="sub_1"), **fields)


def test_localstripe__cannot(host: SubscriptionHost, settings: Any) -> None:
    ensure_customer(owner=host.user)
    settings.STRIPE_GATEWAY_USE_LOCALSTRIPE = True
    customer = Customer.objects.get()
    assert not billing_gateway_of(customer).supports_invoicing
    with pytest.raises(UnsupportedByGateway):
        add_invoice_item(
            subscription=Subscription(customer=customer, provider_id="sub_1", status="active"),
            amount=Decimal(1),
            currency="USD",
            description="x",
        )


def test_a_customer_that_was_deleted_unheard_is_made_anew(host: SubscriptionHost) -> None:
    customer = ensure_customer(owner=host.user)
    host.fake.delete_customer(customer.provider_id or "")
    assert invoice_of(host, pay=False).customer.provider_id != customer.provider_id
