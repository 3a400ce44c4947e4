"""Orders say what was really paid for them, whatever somebody does through the API beside the shop's pages."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.test_example.site import Demo, Process, Site, free_port
from tests.test_example.visitor import Page, Visitor, call
from tests.waiting import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.localstripe]

# The demo's own, in place of what stands in the .env file beside it.
AS_THE_DEMO = {"DJANGO_CONFIGURATION": "Development", "USE_LOCALSTRIPE": "True", "STRIPE_API_BASE": ""}
RIVAL_TOKEN = "rival" * 8
ADD_RIVAL = f"""
from django.contrib.auth import get_user_model
from rest_framework.authtoken.models import Token
rival = get_user_model().objects.create_user("rival", password="rival-of-demo")
Token.objects.create(user=rival, key="{RIVAL_TOKEN}")
"""


class Client:
    """Calls the API of the demo with a token."""

    def __init__(self, url: str, token: str = "demo" * 10) -> None:
        self.url = f"{url}/api/v1/payments/"
        self.headers = {"Authorization": f"Token {token}", "Content-Type": "application/json"}

    def post(self, path: str, **body: Any) -> tuple[int, Any]:
        """Send a request."""
        return call("POST", f"{self.url}{path}/", body=json.dumps(body), headers=self.headers)

    def pay(self, number: str, amount: str, currency: str = "USD", **fields: Any) -> tuple[int, Any]:
        """Ask for a payment."""
        body = {"gateway": "Stripe", "amount": amount, "currency": currency, "order_id": number} | fields
        return self.post("create_payment", **body)


@pytest.fixture
def customer(running_demo: Demo) -> Visitor:
    """Return the demo user, logged in."""
    return Visitor(running_demo.url).log_in()


@pytest.fixture
def staff(running_demo: Demo) -> Visitor:
    """Return somebody who works in the shop."""
    return Visitor(running_demo.url).log_in("admin", "admin")


@pytest.fixture
def client(running_demo: Demo) -> Client:
    """Return the demo user's program."""
    return Client(running_demo.url)


@pytest.fixture(scope="module")
def rival(running_demo: Demo) -> Client:
    """Return the program of another customer."""
    python(running_demo.site, ADD_RIVAL)
    return Client(running_demo.url, RIVAL_TOKEN)


def python(site: Site, code: str) -> None:
    """Run code in the site's shell."""
    done = site.manage("shell", "-c", code, **AS_THE_DEMO)
    assert done.returncode == 0, done.stderr


def number_of(order: str) -> str:
    """Return the number in an order's address."""
    return order.split("/")[2]


def payment_of(demo: Demo, order: str) -> int:
    """Return the id of the first payment for an order."""
    query = "SELECT min(id) FROM django_stripe_gateway_payment WHERE order_id = ?"
    [(payment_id,)] = demo.site.rows(query, number_of(order))
    return int(payment_id)


def shown(page: Page) -> tuple[str, str]:
    """Return what an order's page says about its payments."""
    return page.field("order-status"), page.field("standing")


def test_dear_order__costs_what_it_costs(customer: Visitor, client: Client) -> None:
    order = customer.buy("declined").location
    status, answer = client.pay(number_of(order), "0.01", "JPY", capture_method="manual")
    assert (status, answer["amount"], answer["currency"], answer["capture_method"]) == (201, "5.00", "USD", "automatic")
    assert shown(customer.get(order)) == ("Paid", "Paid: 5.00 of 5.00 USD")
    assert "/pay/" not in customer.get(order).text


def test_paid_and_closed_orders__are_sold_once(running_demo: Demo, customer: Visitor, client: Client) -> None:
    bought, reserved, released = (customer.buy(slug).location for slug in ("mug", "cabin", "cabin"))
    customer.post(f"{released}release/")
    for order in (bought, reserved, released):
        status, answer = client.pay(number_of(order), "18.00")
        assert (status, answer["field"]) == (400, "order_id")
        assert customer.post(f"{order}pay/").location == order
    query = "SELECT count(*) FROM django_stripe_gateway_payment WHERE order_id IN (?, ?, ?)"
    assert running_demo.site.rows(query, *map(number_of, (bought, reserved, released))) == [(3,)]


def test_captured_a_little(running_demo: Demo, customer: Visitor, client: Client) -> None:
    order = customer.buy("cabin").location
    assert shown(customer.get(order)) == ("Reserved", "Authorised, not taken: 240.00 of 240.00 EUR")
    status, answer = client.post(f"{payment_of(running_demo, order)}/capture_payment", amount="0.50")
    assert (status, answer["captured_amount"]) == (200, "0.50")
    assert shown(customer.get(order)) == ("Partly paid", "Partly paid: 0.50 of 240.00 EUR")
    assert "Partly paid" in customer.get("/orders/").text


def test_refunded_nearly_all(running_demo: Demo, customer: Visitor, client: Client) -> None:
    order = customer.buy("mug").location
    assert client.post(f"{payment_of(running_demo, order)}/refund_payment", amount="17.99")[0] == 200
    assert shown(customer.get(order)) == ("Partly refunded", "Refunded: 17.99 of 18.00 USD")
    assert client.post(f"{payment_of(running_demo, order)}/refund_payment")[0] == 200
    assert shown(customer.get(order)) == ("Refunded", "Refunded: 18.00 of 18.00 USD")


def test_somebody_elses_order(customer: Visitor, rival: Client) -> None:
    order = customer.buy("declined").location
    status, answer = rival.pay(number_of(order), "0.50")
    assert (status, answer["field"], answer["detail"]) == (400, "order_id", "You have no such order.")
    assert shown(customer.get(order))[0] == "Not paid"


@pytest.mark.parametrize("stray", ["another owner", "another currency"])
def test_payments_that_do_not_count(
    running_demo: Demo, customer: Visitor, staff: Visitor, client: Client, rival: Client, stray: str
) -> None:
    """Made while the order did not exist yet, or by a shop that did not look."""
    order = customer.buy("declined").location
    number = number_of(order)
    payer, currency = (rival, "USD") if stray == "another owner" else (client, "EUR")
    status, answer = payer.pay("", "5.00", currency)
    assert (status, answer["status"]) == (201, "confirmed")
    rename(running_demo.site, answer["payment_id"], number)

    page = customer.get(order)
    assert shown(page) == ("Not paid", "Paid: 0.00 of 5.00 USD")
    assert 'data-testid="stray"' not in page.text
    name = "rival" if stray == "another owner" else "demo"
    assert staff.get(order).field("stray") == f"5.00 {currency} by {name}"
    assert f"by {name}" in staff.get(f"/admin/shop/order/{order_pk(running_demo, number)}/change/").text


def test_two_payments__too_much_is_shown_to_staff(
    running_demo: Demo, customer: Visitor, staff: Visitor, client: Client
) -> None:
    order = customer.buy("mug").location
    fulfilled = f"SELECT fulfilled FROM shop_order WHERE number = '{number_of(order)}'"
    first = running_demo.site.rows(fulfilled)
    assert first[0][0] is not None
    _status, answer = client.pay("", "18.00")
    rename(running_demo.site, answer["payment_id"], number_of(order))
    assert shown(customer.get(order)) == ("Paid", "Paid: 36.00 of 18.00 USD")
    assert staff.get(order).field("surplus") == "18.00 USD"
    # Giving the surplus back leaves a paid order.
    assert client.post(f"{answer['payment_id']}/refund_payment")[0] == 200
    assert shown(customer.get(order)) == ("Paid", "Paid: 18.00 of 18.00 USD")
    # Delivered once.
    assert running_demo.site.rows(fulfilled) == first


def test_dispute(running_demo: Demo, customer: Visitor) -> None:
    order = customer.buy("mug").location
    payment_id = payment_of(running_demo, order)
    change = f"UPDATE django_stripe_gateway_payment SET fraud_status = 'review' WHERE id = {payment_id}"
    python(running_demo.site, f"from django.db import connection; connection.cursor().execute({change!r})")
    assert shown(customer.get(order)) == ("Disputed", "Disputed: 18.00 of 18.00 USD")


def test_lost_signal(running_demo: Demo, customer: Visitor) -> None:
    order, seen = customer.buy("mug").location, customer.buy("mug").location
    forget = "UPDATE shop_order SET status = 'open'"
    python(running_demo.site, f"from django.db import connection; connection.cursor().execute({forget!r})")
    assert shown(customer.get(seen))[0] == "Paid"
    done = running_demo.site.manage("settle_orders", **AS_THE_DEMO)
    assert f"Order {number_of(order)}: Paid: 18.00 of 18.00 USD" in done.stdout
    assert number_of(seen) not in done.stdout
    assert running_demo.site.manage("settle_orders", **AS_THE_DEMO).stdout == ""


def test_no_order_of_the_shop__in_development(client: Client) -> None:
    status, answer = client.pay("ord_123", "12.34", "EUR", capture_method="manual")
    assert (status, answer["amount"], answer["currency"], answer["status"]) == (201, "12.34", "EUR", "preauth")


@pytest.fixture
def selling_orders_only(running_demo: Demo) -> Iterator[str]:
    """Run the demo's site once more as the public one decides, beside the first."""
    port = free_port()
    localstripe = f"http://127.0.0.1:{running_demo.stripe_port}"
    variables = AS_THE_DEMO | {"LOCALSTRIPE_URL": localstripe, "SHOP_SELLS_ORDERS_ONLY": "True", "ALLOWED_HOSTS": ""}
    manage = str(Path(running_demo.site.example) / "manage.py")
    with Process(running_demo.site, manage, "runserver", "--noreload", str(port), **variables) as site:
        url = f"http://127.0.0.1:{port}"
        wait_until(lambda: answers(url, site), what="the site")
        yield url


def answers(url: str, process: Process) -> bool:
    """Return whether a site answers."""
    assert process.popen.poll() is None, process.output
    try:
        return Visitor(url).get("/").status == 200
    except OSError:
        return False


def test_no_order_of_the_shop__where_only_orders_are_sold(customer: Visitor, selling_orders_only: str) -> None:
    client = Client(selling_orders_only)
    for number in ("ord_123", ""):
        status, answer = client.pay(number, "0.01")
        assert (status, answer["field"]) == (400, "order_id")
    order = customer.buy("declined").location
    assert client.pay(number_of(order), "0.01")[1]["captured_amount"] == "5.00"


def rename(site: Site, payment_id: int, number: str) -> None:
    """Let a payment name another order."""
    change = f"UPDATE django_stripe_gateway_payment SET order_id = '{number}' WHERE id = {int(payment_id)}"
    python(site, f"from django.db import connection; connection.cursor().execute({change!r})")


def order_pk(demo: Demo, number: str) -> int:
    """Return an order's primary key."""
    [(found,)] = demo.site.rows("SELECT id FROM shop_order WHERE number = ?", number)
    return int(found)
