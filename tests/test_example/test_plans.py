"""The shop's page of plans, on localstripe."""

from __future__ import annotations

import json
import re

import pytest

from tests.test_example.site import Demo
from tests.test_example.visitor import Page, Visitor, call

pytestmark = [pytest.mark.slow, pytest.mark.localstripe]

HEADERS = {"Authorization": f"Token {'demo' * 10}", "Content-Type": "application/json"}


def choose(visitor: Visitor, plan: str) -> Page:
    """Press a plan's button and return the page that follows."""
    page = visitor.get("/plans/")
    found = re.search(rf'id="{plan}">.*?action="(/plans/choose/\d+/)"', page.text, re.DOTALL)
    assert found, page.text
    assert visitor.post(found[1]).location == "/plans/"
    return visitor.get("/plans/")


def test_subscribe_change_cancel_and_resume(running_demo: Demo) -> None:
    visitor = Visitor(running_demo.url)
    assert "Log in to subscribe" in visitor.get("/plans/").text
    page = choose(visitor.log_in(), "free")
    assert (page.field("plan"), page.field("subscription-status")) == ("Free", "Active")

    page = choose(visitor, "premium")
    assert "You have changed to Premium" in page.text
    assert page.field("plan") == "Premium"
    status, answer = call("GET", f"{running_demo.url}/api/v1/subscriptions/status/", headers=HEADERS)
    assert (status, [found["plan"]["slug"] for found in answer["results"]]) == (200, ["premium"])

    assert visitor.post("/plans/cancel/").location == "/plans/"
    page = visitor.get("/plans/")
    assert "You keep your plan" in page.text
    assert "<dt>Ends</dt>" in page.text
    visitor.post("/plans/resume/")
    assert "<dt>Renews</dt>" in visitor.get("/plans/").text
    visitor.post("/plans/resume/")
    assert 'role="alert"' in visitor.get("/plans/").text
    assert visitor.post("/plans/explode/").status == 404
    assert visitor.post("/plans/choose/999/").status == 404


def test_the_page_shows_what_the_api_has_done(running_demo: Demo) -> None:
    """A visitor's own: the administrator subscribes through the page, and sees nothing of the demo user's."""
    admin = Visitor(running_demo.url).log_in("admin", "admin")
    assert "data-testid" not in admin.get("/plans/").text
    page = choose(admin, "premium")
    assert page.field("subscription-status") == "Active"
    assert re.search(r"<dt>Invoice .*?200.00 USD, paid", page.text)
    status, answer = call("GET", f"{running_demo.url}/api/v1/subscriptions/plans/", headers=HEADERS)
    assert status == 200
    assert {plan["slug"] for plan in answer["results"]} >= {"free", "premium"}, json.dumps(answer)
