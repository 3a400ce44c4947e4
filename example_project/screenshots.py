"""Take the pictures of the README: run the demo, then `python screenshots.py` with playwright and Chromium there."""

from __future__ import annotations

import argparse
import os
import shutil
from pathlib import Path

from playwright.sync_api import Browser, Page, expect, sync_playwright

from shop.demo import CREDENTIALS

PICTURES = Path(__file__).resolve().parent.parent / "docs" / "_static"
SIZE = {"width": 1200, "height": 800}


class Photographer:
    """Takes pictures of a running demo."""

    def __init__(self, browser: Browser, url: str, folder: Path) -> None:
        self.browser = browser
        self.url = url
        self.folder = folder

    def open(self, username: str, password: str, *, dark: bool = False) -> Page:
        """Return a page of somebody who has logged in."""
        page = self.browser.new_page(
            base_url=self.url, viewport=SIZE, color_scheme="dark" if dark else "light", reduced_motion="reduce"
        )
        page.goto("/login/")
        page.get_by_label("User name").fill(username)
        page.get_by_label("Password").fill(password)
        page.get_by_role("main").get_by_role("button", name="Log in").click()
        return page

    def take(self, page: Page, name: str) -> None:
        """Write the visible part of a page."""
        path = self.folder / f"{name}.png"
        page.screenshot(path=path)
        print(f"{path} ({path.stat().st_size // 1024} KB)")

    def take_all(self) -> None:
        """Buy something, refund a part of it, and show what the shop, the admin and the API make of it."""
        page = self.open(CREDENTIALS.username, CREDENTIALS.password)
        self.take(page, "shop")
        page.get_by_role("button", name="Buy: Enamel mug").click()
        page.get_by_label("Refund a part").fill("3.00")
        page.get_by_role("button", name="Refund", exact=True).click()
        expect(page.get_by_test_id("refunded")).to_have_text("3.00 USD")
        order = page.url
        # The webhook follows a second later; the page does not ask for it.
        for _attempt in range(20):
            page.goto(order)
            if page.get_by_text("payment_intent.succeeded").count():
                break
            page.wait_for_timeout(250)
        self.take(page, "order")
        page.emulate_media(color_scheme="dark")
        self.take(page, "order-dark")
        number = page.locator("dd", has_text="#").first.inner_text()
        payment_id = number.partition("#")[2].partition(",")[0]

        page.emulate_media(color_scheme="light")
        page.goto("/api/v1/docs/")
        expect(page.get_by_text("create_payment", exact=False).first).to_be_visible()
        self.take(page, "api-docs")

        page = self.open(CREDENTIALS.admin_username, CREDENTIALS.admin_password)
        page.goto(f"/admin/django_stripe_gateway/payment/{payment_id}/change/")
        self.take(page, "admin-payment")


def main() -> None:
    """Take all pictures."""
    parser = argparse.ArgumentParser(description="Take the pictures of the README.")
    parser.add_argument("--url", default="http://127.0.0.1:8000", help="where the demo runs")
    parser.add_argument("--folder", type=Path, default=PICTURES)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    chromium = os.environ.get("TEST_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        Photographer(browser, options.url, options.folder).take_all()
        browser.close()


if __name__ == "__main__":
    main()
