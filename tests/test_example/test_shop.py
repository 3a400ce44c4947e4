"""The shop's pages, on localstripe."""

from __future__ import annotations

import re

import pytest

from tests.test_example.site import Demo
from tests.test_example.visitor import Page, Visitor
from tests.waiting import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.localstripe]


@pytest.fixture
def customer(running_demo: Demo) -> Visitor:
    """Return the demo user, logged in."""
    return Visitor(running_demo.url).log_in()


def act(visitor: Visitor, order: str, action: str, **fields: str) -> Page:
    """Press a button of an order's page and return the page that follows."""
    assert visitor.post(f"{order}{action}/", **fields).location == order
    return visitor.get(order)


def test_anonymous_visitors_are_asked_to_log_in(running_demo: Demo) -> None:
    visitor = Visitor(running_demo.url)
    shop = visitor.get("/")
    assert "Log in to buy" in shop.text
    assert visitor.get("/orders/").location == "/login/?next=/orders/"
    assert "<code>demo</code>" in visitor.get("/login/").text


def test_buy_and_refund(customer: Visitor) -> None:
    order = customer.buy("mug").location
    page = customer.get(order)
    assert (page.field("order-status"), page.field("captured")) == ("Paid", "18.00 USD")
    assert "Thank you" in page.text

    page = act(customer, order, "refund", amount="3.00")
    assert (page.field("order-status"), page.field("refunded")) == ("Partly refunded", "3.00 USD")
    assert "Refund the rest (15.00 USD)" in page.text

    page = act(customer, order, "refund", amount="15.01")
    assert (page.field("refunded"), 'role="alert"' in page.text) == ("3.00 USD", True)
    page = act(customer, order, "refund", amount="three")
    assert "Type an amount" in page.text

    page = act(customer, order, "refund")
    assert (page.field("order-status"), page.field("refunded")) == ("Refunded", "18.00 USD")
    assert "/refund/" not in page.text
    page = act(customer, order, "refund")
    assert 'role="alert"' in page.text


def test_the_webhook_shows_on_the_order(customer: Visitor) -> None:
    order = customer.buy("mug").location
    wait_until(lambda: "payment_intent.succeeded" in customer.get(order).text, what="the webhook")


def test_usage__the_meter_moves(customer: Visitor) -> None:
    assert customer.get("/usage/").field("used-minutes") == "0 of 180 used, 180 left"
    for used in range(25, 180, 25):
        assert customer.post("/usage/").location == "/usage/"
        page = customer.get("/usage/")
        assert page.field("used-minutes") == f"{used} of 180 used, {180 - used} left"
        assert f'max="180" value="{used}"' in page.text
    customer.post("/usage/")
    page = customer.get("/usage/")
    assert 'role="alert"' in page.text
    assert page.field("used-minutes") == "175 of 180 used, 5 left"


def test_usage__anonymous(running_demo: Demo) -> None:
    assert Visitor(running_demo.url).get("/usage/").location == "/login/?next=/usage/"


def test_currency_without_decimals(customer: Visitor) -> None:
    page = customer.get(customer.buy("kettle").location)
    assert page.field("captured") == "6800 JPY"


def test_reserve_and_capture_a_part(customer: Visitor) -> None:
    order = customer.buy("cabin").location
    page = customer.get(order)
    assert (page.field("order-status"), page.field("captured")) == ("Reserved", "0.00 EUR")
    page = act(customer, order, "capture", amount="100.00")
    assert (page.field("order-status"), page.field("captured")) == ("Partly paid", "100.00 EUR")
    assert "Captured 100.00 EUR" in page.text


def test_reserve_and_release(customer: Visitor) -> None:
    order = customer.buy("cabin").location
    page = act(customer, order, "release")
    assert (page.field("order-status"), page.field("captured")) == ("Cancelled", "0.00 EUR")
    assert "Nothing was charged" in page.text


def test_decline_and_try_again(customer: Visitor) -> None:
    order = customer.buy("declined").location
    page = customer.get(order)
    assert (page.field("order-status"), page.field("captured")) == ("Not paid", "0.00 USD")
    assert "Nothing was charged. You can try again" in page.text
    page = act(customer, order, "pay")
    assert (page.field("order-status"), page.field("captured")) == ("Paid", "5.00 USD")


def test_a_second_click_pays_once(running_demo: Demo, customer: Visitor) -> None:
    found = re.search(r'action="/buy/mug/".*?name="number" value="(\d+)"', customer.get("/").text, re.DOTALL)
    assert found
    number = found[1]
    orders = {customer.post("/buy/mug/", number=number).location for _ in range(2)}
    assert orders == {f"/orders/{number}/"}
    query = "SELECT count(*) FROM django_stripe_gateway_payment WHERE order_id = ?"
    assert running_demo.site.rows(query, number) == [(1,)]


def test_other_peoples_orders(running_demo: Demo, customer: Visitor) -> None:
    order = Visitor(running_demo.url).log_in("admin", "admin").buy("mug").location
    number = order.split("/")[2]
    assert customer.get(order).status == 404
    assert customer.post(f"{order}refund/").status == 404
    assert customer.post("/buy/mug/", number=number).status == 404
    assert number not in customer.get("/orders/").text


def test_unknown_things(customer: Visitor) -> None:
    order = customer.buy("mug").location
    assert customer.get("/orders/000000000000/").status == 404
    assert customer.post(f"{order}explode/").status == 404
    assert customer.post("/buy/yacht/", number="1" * 12).status == 404
    assert customer.post("/buy/mug/", number="1; --").status == 404
    assert customer.get(f"{order}refund/").status == 405


def test_return_page_shows_strangers_nothing(running_demo: Demo, customer: Visitor) -> None:
    order = customer.buy("mug").location
    number = order.split("/")[2]
    [(payment_id,)] = running_demo.site.rows("SELECT id FROM django_stripe_gateway_payment WHERE order_id = ?", number)
    assert customer.get(f"/payments/{payment_id}/paid/").location == order
    stranger = Visitor(running_demo.url)
    page, missing = stranger.get(f"/payments/{payment_id}/paid/"), stranger.get("/payments/999999/paid/")
    assert page.text == missing.text
    assert number not in page.text


@pytest.mark.parametrize(
    ("path", "heading"),
    [
        ("paid/?status=confirmed", "Thank you"),
        ("paid/", "Thank you"),
        ("paid/?status=waiting", "Payment under way"),
        ("unpaid/?status=waiting", "Not paid yet"),
        ("unpaid/?status=error", "Payment failed"),
        ("unpaid/?status=rejected", "Payment cancelled"),
        ("paid/?status=refunded", "Payment refunded"),
        ("paid/?status=%3Cscript%3E", "Thank you"),
    ],
)
def test_return_page(running_demo: Demo, path: str, heading: str) -> None:
    page = Visitor(running_demo.url).get(f"/payments/1/{path}")
    assert f"<h1>{heading}</h1>" in page.text
    assert "<script>" not in page.text


def test_return_page__reserved(running_demo: Demo) -> None:
    assert "The money is reserved." in Visitor(running_demo.url).get("/payments/1/paid/?status=preauth").text


def test_hint__beside_buttons_only(customer: Visitor) -> None:
    hint = "Everybody gets these buttons in development"
    order = customer.buy("cabin").location
    page = customer.get(order)
    assert hint in page.text
    assert "localstripe sends none about a reservation" in page.text
    assert hint not in act(customer, order, "release").text
