"""A customer of the shop's has a card kept, and pays with it."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import pytest

from tests.test_example.paying import Shop
from tests.test_example.visitor import Visitor

pytestmark = pytest.mark.slow

BOX = "Save this card for my next orders"


@pytest.fixture
def customer(shop: Shop) -> Visitor:
    """Return the demo user, logged in."""
    return Visitor(shop.url).log_in()


def pay_on_page(shop: Shop, customer: Visitor, slug: str, **fields: str) -> str:
    """Buy on Stripe's page, and return the id of its session."""
    page = customer.buy(slug, **fields).location
    session_id = urlsplit(page).path.rpartition("/")[2]
    shop.fake.complete_checkout(session_id)
    shop.fake.flush_deliveries()
    return session_id


def cards(customer: Visitor) -> dict[str, str]:
    """Return the cards that the shop offers, by what it calls them."""
    found = re.findall(r'<option value="(pm_[^"]+)">([^<]+)</option>', customer.get("/").text)
    return {name.replace("&bull;", "•"): card for card, name in found}


def charges(shop: Shop) -> int:
    return len([intent for intent in shop.fake.all("payment_intent") if intent["status"] == "succeeded"])


def test_card_is_kept_and_pays(shop: Shop, customer: Visitor) -> None:
    assert BOX in customer.get("/").text
    known = cards(customer)
    session = shop.fake.get(pay_on_page(shop, customer, "mug"))
    assert (session["customer"], cards(customer)) == (None, known)
    session = shop.fake.get(pay_on_page(shop, customer, "mug", save="on"))
    assert session["customer"]
    card = cards(customer)["Visa •••• 4242"]
    before = charges(shop)
    answer = customer.buy("mug", card=card)
    assert answer.location.startswith("/orders/")
    page = customer.get(answer.location)
    assert (page.field("order-status"), page.field("captured")) == ("Paid", "18.00 USD")
    assert "Visa &bull;&bull;&bull;&bull; 4242" in page.text
    assert charges(shop) == before + 1


def test_pressed_twice__is_charged_once(shop: Shop, customer: Visitor) -> None:
    pay_on_page(shop, customer, "mug", save="on")
    card, before = next(iter(cards(customer).values())), charges(shop)
    found = re.search(r'action="/buy/mug/".*?name="number" value="(\d+)"', customer.get("/").text, re.DOTALL)
    assert found
    orders = {customer.post("/buy/mug/", number=found[1], card=card).location for _time in range(2)}
    assert (len(orders), charges(shop)) == (1, before + 1)


def test_anybody_elses_card__pays_nothing(shop: Shop, customer: Visitor) -> None:
    before = charges(shop)
    page = customer.get(customer.buy("mug", card="pm_of_somebody_else").location)
    assert 'role="alert"' in page.text
    assert "There is no payment yet." in page.text
    assert charges(shop) == before


def test_bank_wants_to_hear_from_the_customer(shop: Shop, customer: Visitor) -> None:
    """They are there: the browser goes to the bank's page, and the order is paid when it comes back."""
    session = shop.fake.get(pay_on_page(shop, customer, "mug", save="on"))
    shop.fake.customer_changes_card(session["customer"], "pm_card_authenticationRequired")
    card = list(cards(customer).values())
    known = {method["id"] for method in shop.fake.all("payment_method") if method["card"]["last4"] != "4242"}
    answer = customer.buy("mug", card=next(one for one in card if one in known))
    assert not answer.location.startswith("/")
    intent = shop.fake.all("payment_intent")[-1]
    shop.fake.customer_authenticates(intent["id"])
    shop.fake.flush_deliveries()
    found = re.search(r'href="(/orders/\d+/)"', customer.get("/orders/").text)
    assert found
    assert customer.get(found[1]).field("order-status") == "Paid"


def test_another_way_is_chosen_meanwhile__is_charged_once(shop: Shop, customer: Visitor) -> None:
    """The order goes on with the payment that it has, whatever is pressed."""
    session = shop.fake.get(pay_on_page(shop, customer, "mug", save="on"))
    shop.fake.customer_changes_card(session["customer"], "pm_card_authenticationRequired")
    known = {method["id"] for method in shop.fake.all("payment_method") if method["card"]["last4"] != "4242"}
    card = next(one for one in cards(customer).values() if one in known)
    found = re.search(r'action="/buy/mug/".*?name="number" value="(\d+)"', customer.get("/").text, re.DOTALL)
    assert found
    pages = shop.fake.all("checkout.session")
    at_bank = customer.post("/buy/mug/", number=found[1], card=card).location
    assert customer.post("/buy/mug/", number=found[1]).location == at_bank
    assert shop.fake.all("checkout.session") == pages
