"""The production path: the example site against the fake Stripe, with signed webhooks, paid in a real browser."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.test_example.paying import Shop
from tests.test_example.visitor import Visitor

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    """Run a browser without a window."""
    with sync_playwright() as playwright:
        # In containers the browser runs as root, where its sandbox does not work.
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser, shop: Shop) -> Iterator[Page]:
    """Return a page of a new visitor, on which no script may fail and nothing be missing."""
    context = browser.new_context(base_url=shop.url)
    page = context.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("response", lambda answer: problems.append(answer.url) if answer.status >= 400 else None)
    yield page
    context.close()
    assert problems == []


def log_in(page: Page) -> None:
    """Log in as the demo user."""
    page.goto("/login/")
    page.get_by_label("User name").fill("demo")
    page.get_by_label("Password").fill("demo")
    page.get_by_role("main").get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Good things")


def test_create_payment_returns_the_page_to_pay_on(shop: Shop) -> None:
    status, answer = shop.api(
        "POST", "payments/create_payment/", gateway="Stripe", amount="25.00", currency="USD", order_id="ord_1"
    )
    assert status == 201, answer
    assert (answer["status"], answer["amount"], answer["currency"]) == ("waiting", "25.00", "USD")
    assert answer["gateway_url"].startswith(shop.fake.url)


def test_unsigned_webhooks_are_refused(shop: Shop) -> None:
    status, _answer = shop.api("POST", "webhooks/stripe/", id="evt_1", type="payment_intent.succeeded")
    assert status == 400


def test_signed_webhook_confirms_then_refunds(shop: Shop) -> None:
    _status, payment = shop.api("POST", "payments/create_payment/", gateway="Stripe", amount="10.00", currency="USD")
    path = f"payments/{payment['payment_id']}/"
    shop.fake.complete_checkout(urlsplit(payment["gateway_url"]).path.rpartition("/")[2])
    shop.fake.flush_deliveries()
    _status, paid = shop.api("GET", path)
    assert (paid["status"], paid["captured_amount"]) == ("confirmed", "10.00")

    status, _answer = shop.api("POST", f"{path}refund_payment/", amount="3.00")
    assert status // 100 == 2
    assert shop.api("GET", path)[1]["refunded_amount"] == "3.00"
    status, _answer = shop.api("POST", f"{path}refund_payment/")
    assert status // 100 == 2
    assert shop.api("GET", path)[1]["status"] == "refunded"
    status, answer = shop.api("POST", f"{path}refund_payment/", amount="0.01")
    assert status == 409, answer


def test_subscribe_on_the_page_of_stripe(shop: Shop) -> None:
    visitor = Visitor(shop.url).log_in()
    found = re.search(r'id="premium">.*?action="(/plans/choose/\d+/)"', visitor.get("/plans/").text, re.DOTALL)
    assert found
    page = visitor.post(found[1]).location
    assert page.startswith(shop.fake.url)
    assert visitor.get("/plans/").field("subscription-status") == "Starting"
    shop.fake.complete_checkout(urlsplit(page).path.rpartition("/")[2])
    shop.fake.flush_deliveries()
    assert visitor.get("/plans/").field("subscription-status") == "Active"
    assert visitor.post("/plans/manage/").location.startswith(shop.fake.url)


def test_card_that_fails_is_not_offered(shop: Shop) -> None:
    assert 'id="declined"' not in Visitor(shop.url).get("/").text


@pytest.mark.browser
def test_buy_in_a_browser(page: Page) -> None:
    log_in(page)
    page.get_by_role("button", name="Buy: Enamel mug").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("18.00")
    page.get_by_role("button", name="Pay").click()

    expect(page.get_by_test_id("order-status")).to_have_text("Paid")
    expect(page.get_by_role("status")).to_contain_text("Your payment went through")
    expect(page.get_by_test_id("captured")).to_have_text("18.00 USD")
    expect(page.get_by_text("checkout.session.completed")).to_be_visible()

    page.get_by_label("Refund a part").fill("3.00")
    page.get_by_role("button", name="Refund", exact=True).click()
    expect(page.get_by_test_id("refunded")).to_have_text("3.00 USD")
    page.get_by_role("button", name="Refund the rest (15.00 USD)").click()
    expect(page.get_by_test_id("order-status")).to_have_text("Refunded")
    expect(page.get_by_role("button", name="Refund")).to_have_count(0)


@pytest.mark.browser
def test_reserve_in_a_browser(page: Page) -> None:
    log_in(page)
    page.get_by_role("button", name="Reserve: Weekend in the cabin").click()
    page.get_by_role("button", name="Pay").click()
    expect(page.get_by_test_id("order-status")).to_have_text("Reserved")
    page.get_by_role("button", name="Capture").click()
    expect(page.get_by_test_id("order-status")).to_have_text("Paid")
    expect(page.get_by_test_id("captured")).to_have_text("240.00 EUR")


@pytest.mark.browser
def test_give_up_and_come_back_in_a_browser(page: Page) -> None:
    log_in(page)
    page.get_by_role("button", name="Buy: Pour-over kettle").click()
    page.get_by_label("Pay with").select_option("pm_card_chargeDeclined")
    page.get_by_role("button", name="Pay").click()
    expect(page.get_by_role("alert")).to_contain_text("declined")
    page.get_by_role("link", name="Cancel and go back").click()

    expect(page.get_by_test_id("order-status")).to_have_text("Not paid")
    expect(page.get_by_role("status")).to_contain_text("You have not paid yet")
    page.get_by_role("button", name="Pay 6800 JPY").click()
    page.get_by_role("button", name="Pay").click()
    expect(page.get_by_test_id("captured")).to_have_text("6800 JPY")


@pytest.mark.browser
def test_slow_payment_method_in_a_browser(page: Page) -> None:
    log_in(page)
    page.get_by_role("button", name="Buy: Enamel mug").click()
    page.get_by_label("Pay with").select_option("async")
    page.get_by_role("button", name="Pay").click()
    expect(page.get_by_role("status")).to_contain_text("being processed")
    expect(page.get_by_test_id("order-status")).to_have_text("Not paid")
    expect(page.get_by_role("button", name="Pay")).to_have_count(0)


@pytest.mark.browser
def test_without_a_session_the_browser_still_lands(page: Page, shop: Shop) -> None:
    _status, payment = shop.api("POST", "payments/create_payment/", gateway="Stripe", amount="10.00", currency="USD")
    page.goto(payment["gateway_url"])
    page.get_by_role("button", name="Pay").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Thank you")
    assert shop.api("GET", f"payments/{payment['payment_id']}/")[1]["status"] == "confirmed"


@pytest.mark.browser
@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_fit_the_screen(page: Page, width: int, scheme: Any) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    page.emulate_media(color_scheme=scheme)
    log_in(page)
    for path in ("/", "/orders/", "/plans/"):
        page.goto(path)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
