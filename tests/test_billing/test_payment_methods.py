"""Invoices, payment methods and the portal, as customers expect them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from django_stripe_gateway.models import Invoice
from django_stripe_gateway.services.subscriptions.cancel import cancel_subscription
from django_stripe_gateway.services.subscriptions.default_payment_method import set_default_payment_method
from tests.test_billing.host import ROOT, SubscriptionHost

pytestmark = pytest.mark.django_db(transaction=True)


def test_payment_methods(host: SubscriptionHost) -> None:
    assert host.get("payment_methods").json()["results"] == []
    host.fake.forget_requests()
    setup = host.post("payment_methods", headers={"Idempotency-Key": "k1"})
    assert setup.status_code == 201
    again = host.post("payment_methods", headers={"Idempotency-Key": "k1"})
    assert again.json() == setup.json()
    assert len(host.fake.all("setup_intent")) == 1
    host.fake.customer_sets_up(setup.json()["setup_id"])
    (method,) = host.get("payment_methods").json()["results"]
    assert (method["kind"], method["is_default"]) == ("card", False)
    shown = "payment_method_id kind brand last4 exp_month exp_year is_default subscriptions".split()
    assert list(method) == shown
    chosen = host.post(f"payment_methods/{method['payment_method_id']}/default")
    assert (chosen.status_code, chosen.json()["is_default"]) == (200, True)
    assert host.customer.default_payment_method == method["payment_method_id"]
    host.deliver_new()
    gone = host.client.delete(f"{ROOT}payment_methods/{method['payment_method_id']}/")
    assert gone.status_code == 204
    host.deliver_new()
    assert host.customer.default_payment_method == ""
    assert host.get("payment_methods").json()["results"] == []
    assert host.client.delete(f"{ROOT}payment_methods/{method['payment_method_id']}/").status_code == 400


def remove(host: SubscriptionHost, method_id: str) -> Any:
    return host.client.delete(f"{ROOT}payment_methods/{method_id}/")


def added_card(host: SubscriptionHost) -> str:
    setup = host.post("payment_methods").json()["setup_id"]
    host.fake.customer_sets_up(setup, "pm_card_mastercard")
    return str(host.fake.get(setup)["payment_method"])


def test_removed__not_what_renews_is_charged_on(host: SubscriptionHost) -> None:
    subscription = host.subscribed()
    own, other = subscription.default_payment_method, added_card(host)
    refused = remove(host, own)
    assert (refused.status_code, refused.json()["code"]) == (409, "payment_method_in_use")
    assert host.post(f"payment_methods/{other}/default").status_code == 200
    assert remove(host, own).status_code == 204
    # Now it is charged on its customer's default one.
    assert remove(host, other).status_code == 409
    assert host.fake.get(other)["customer"]
    host.fake.advance(days=32)
    host.deliver_new()
    subscription.refresh_from_db()
    assert subscription.status == "active"


def test_removed__what_the_default_takes_over(host: SubscriptionHost) -> None:
    subscription, second = host.subscribed(), added_card(host)
    set_default_payment_method(customer=host.customer, payment_method_id=second, running_subscriptions=False)
    assert remove(host, subscription.default_payment_method).status_code == 204
    host.fake.advance(days=32)
    host.deliver_new()
    subscription.refresh_from_db()
    assert subscription.status == "active"


@pytest.mark.parametrize("is_free", [True, False], ids=["free", "cancelled"])
def test_removed__where_nothing_is_charged_again(host: SubscriptionHost, is_free: bool) -> None:
    subscription = host.subscribed(host.sell("free", Decimal(0)) if is_free else host.basic)
    if not is_free:
        cancel_subscription(subscription=subscription)
    card = subscription.default_payment_method or added_card(host)
    assert remove(host, card).status_code == 204


@pytest.mark.parametrize(
    ("path", "body"), [("payment_methods", {}), ("payment_methods", {"mode": "checkout"}), ("portal", {})]
)
def test_customer_deleted_unheard(host: SubscriptionHost, path: str, body: dict[str, Any]) -> None:
    host.subscribed()
    old = host.customer.provider_id
    host.fake.delete_customer(old)
    answer = host.post(path, body)
    assert answer.status_code == 201, answer.content
    assert host.customer.exists_at_provider
    assert host.customer.former_ids == [old]
    host.deliver_new()
    assert host.customer.exists_at_provider


def test_list__customer_deleted_unheard(host: SubscriptionHost) -> None:
    host.subscribed()
    host.fake.delete_customer(host.customer.provider_id)
    answer = host.get("payment_methods")
    assert (answer.status_code, answer.json()["results"]) == (200, [])
    assert not host.customer.exists_at_provider
    assert host.get("payment_methods").status_code == 200


def test_default__in_any_order(host: SubscriptionHost) -> None:
    host.subscribed()
    for card in ("pm_card_visa", "pm_card_mastercard"):
        host.fake.customer_changes_card(host.customer.provider_id, card)
    events = [event for event in host.new_events() if event["type"] == "customer.updated"]
    assert len(events) >= 2
    # Nothing says what came first within one second.
    at_once = [event | {"created": events[-1]["created"] + 5} for event in events]
    for event in reversed(at_once):
        assert host.deliver([event]) == ["processed"]
    settings = host.fake.get(host.customer.provider_id)["invoice_settings"]
    assert host.customer.default_payment_method == settings["default_payment_method"]


def test_invoices__drafts_are_not_shown(host: SubscriptionHost) -> None:
    subscription = host.subscribed()
    # The draft of a renewal stays open for an hour.
    period = host.fake.get(subscription.provider_id)["items"]["data"][0]
    host.fake.advance_to(period["current_period_end"])
    host.deliver_new()
    assert sorted(Invoice.objects.values_list("status", flat=True)) == ["draft", "paid"]
    assert [found["status"] for found in host.get("invoices").json()["results"]] == ["paid"]
    host.fake.advance(hours=2)
    host.deliver_new()
    assert [found["status"] for found in host.get("invoices").json()["results"]] == ["paid", "paid"]


@pytest.mark.parametrize(
    "url", ["https://evil.example/", "//evil.example/", "https://testserver@evil.example/", "javascript:alert(1)", 7]
)
def test_portal__elsewhere(host: SubscriptionHost, url: object) -> None:
    host.fake.forget_requests()
    answer = host.post("portal", {"return_url": url})
    assert (answer.status_code, answer.json()["field"]) == (400, "return_url")
    assert host.fake.requests == []


def test_portal(host: SubscriptionHost, settings: Any) -> None:
    settings.STRIPE_GATEWAY_PORTAL_RETURN_URL = "https://shop.example/account/"
    for body in ({}, {"return_url": "https://shop.example/other/"}):
        answer = host.post("portal", body)
        assert answer.status_code == 201, answer.content
        assert answer.json()["url"].startswith("http")
