"""Staff bill a customer on their page: an invoice at once, or a line on the next one."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from django_stripe_gateway.models import Customer, Invoice
from tests.billing_factories import make_customer
from tests.fake_stripe import FakeStripe
from tests.test_admin.pages import own_url, shown_messages
from tests.test_billing.host import SubscriptionHost

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def host(stripe_server: FakeStripe, user: Any, api_client: Any) -> SubscriptionHost:
    """Return a host with a subscriber who has a card."""
    host = SubscriptionHost(stripe_server, user, api_client)
    subscription = host.subscribed()
    host.fake.customer_changes_card(subscription.customer.provider_id or "", "pm_card_visa")
    return host


def asked(client: Client, page: str, **values: Any) -> Any:
    """Open the page of an action, fill its form in and send it."""
    url = own_url("customer", page, Customer.objects.get().pk)
    form = client.get(url).context["form"]
    filled = {name: form.get_initial_for_field(field, name) for name, field in form.fields.items()}
    return client.post(url, {name: value for name, value in (filled | values).items() if value}, follow=True)


def test_invoice(host: SubscriptionHost, staff_client: Callable[..., Client]) -> None:
    client = staff_client("view_customer", "create_invoice")
    lines = {"description_1": "Hours", "amount_1": "50", "quantity_1": "2", "description_3": "Travel", "amount_3": "9"}
    answer = asked(client, "invoice", **lines, memo="As agreed")
    made = Invoice.objects.get(billing_reason="manual")
    assert (made.status, made.total, made.currency) == ("paid", Decimal(109), "USD")
    assert any("109" in message and "Paid" in message for message in shown_messages(answer))
    assert host.fake.get(made.provider_id)["description"] == "As agreed"


def test_invoice__sent_twice_is_made_once(host: SubscriptionHost, staff_client: Callable[..., Client]) -> None:
    client = staff_client("view_customer", "create_invoice")
    url = own_url("customer", "invoice", Customer.objects.get().pk)
    key = str(client.get(url).context["form"]["key"].value())
    values = {"key": key, "currency": "USD", "description_1": "Hours", "amount_1": "50", "quantity_1": "1"}
    values |= {"collection": "send_invoice", "days_until_due": "14"}
    for _ in range(2):
        client.post(url, values)
    made = Invoice.objects.get(billing_reason="manual")
    assert (made.status, made.due is not None) == ("open", True)


def test_item(host: SubscriptionHost, staff_client: Callable[..., Client]) -> None:
    client = staff_client("view_customer", "create_invoice")
    answer = asked(client, "item", description="Extra seats", amount="7.50", quantity="3")
    assert any("waits for the next invoice" in message for message in shown_messages(answer))
    (item,) = [one for one in host.fake.all("invoiceitem") if one["description"] == "Extra seats"]
    assert (item["amount"], item["currency"]) == (2250, "usd")


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({}, "needs an item"),
        ({"description_1": "Hours"}, "A line needs a text and an amount"),
        ({"amount_2": "5"}, "A line needs a text and an amount"),
        ({"description_1": "Hours", "amount_1": "5", "currency": "XXX"}, "This is not a currency"),
        ({"description_1": "Hours", "amount_1": "5.001"}, "USD amounts must be multiples of 0.01"),
        ({"description_1": "Hours", "amount_1": "5", "collection": "send_invoice"}, "days_until_due"),
        ({"description_1": "Hours", "amount_1": "-5"}, "greater than or equal to 0"),
    ],
)
def test_bad_input(
    host: SubscriptionHost, staff_client: Callable[..., Client], values: dict[str, str], sentence: str
) -> None:
    answer = asked(staff_client("view_customer", "create_invoice"), "invoice", **values)
    assert sentence in answer.content.decode()
    assert not Invoice.objects.filter(billing_reason="manual").exists()


def test_declined__says_so_and_leaves_the_invoice_open(
    host: SubscriptionHost, staff_client: Callable[..., Client]
) -> None:
    host.fake.customer_changes_card(Customer.objects.get().provider_id or "", "pm_card_chargeCustomerFail")
    client = staff_client("view_customer", "create_invoice")
    answer = asked(client, "invoice", description_1="Hours", amount_1="50")
    assert any("declined" in message for message in shown_messages(answer))
    assert Invoice.objects.get(billing_reason="manual").status == "open"


def test_nobody_to_bill(staff_client: Callable[..., Client], stripe_server: FakeStripe) -> None:
    customer = make_customer()
    Customer.objects.update(owner=None)
    client = staff_client("view_customer", "create_invoice")
    page = client.get(own_url("customer", "change", customer.pk))
    assert page.context["possible_actions"] == []
    assert client.get(own_url("customer", "invoice", customer.pk)).status_code == 302
