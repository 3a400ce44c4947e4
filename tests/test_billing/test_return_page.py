"""``subscriptions/return/``: where a subscription's Checkout sends the customer's browser back to."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from unittest import mock
from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client
from django.utils import timezone

from django_stripe_gateway.models import Subscription
from django_stripe_gateway.models.return_urls import sign_payment_id, sign_subscription_id
from django_stripe_gateway.services.return_looks import PAUSE
from tests.billing_factories import make_subscription
from tests.test_api.calls import assert_error
from tests.test_billing.host import ROOT, SubscriptionHost

pytestmark = pytest.mark.django_db(transaction=True)


def address(host: SubscriptionHost, result: str = "success") -> str:
    """Return the path that Stripe sends the browser to."""
    (page,) = host.fake.all("checkout.session")
    parts = urlsplit(page[f"{result}_url"])
    assert (parts.scheme, parts.netloc) == ("https", "shop.test")
    return f"{parts.path}?{parts.query}"


def come_back(host: SubscriptionHost, client: Client, result: str = "success", accept: str = "application/json") -> Any:
    return client.get(address(host, result), headers={"Accept": accept})


def pay(host: SubscriptionHost) -> None:
    host.fake.complete_checkout(host.fake.all("checkout.session")[0]["id"])


@pytest.fixture
def opened(host: SubscriptionHost) -> SubscriptionHost:
    """Return a host whose customer is on Stripe's page."""
    host.subscribe(host.premium, mode="checkout")
    host.fake.forget_requests()
    return host


def changed_since() -> None:
    row = Subscription.objects.get()
    assert row.asked_on_return is not None
    row.save()


def test_before_the_webhook(opened: SubscriptionHost, client: Client) -> None:
    pay(opened)
    assert come_back(opened, client).json() == {"status": "active", "plan": "Premium"}
    row = Subscription.objects.get()
    assert row.is_valid
    assert row.logs.filter(actor="customer").exists()
    asked = len(opened.fake.requests)
    assert asked > 0
    # What is settled is never asked again.
    changed_since()
    for _look in range(3):
        assert come_back(opened, client).json()["status"] == "active"
    assert len(opened.fake.requests) == asked
    # The events come in after all.
    assert "failed" not in opened.deliver_new()
    assert Subscription.objects.get().status == "active"


def test_still_open__asked_once_while_nothing_changes(opened: SubscriptionHost, client: Client) -> None:
    for hours in range(3):
        with mock.patch.object(timezone, "now", return_value=timezone.now() + timedelta(hours=hours)):
            assert come_back(opened, client).json()["status"] == "starting"
    assert len(opened.fake.requests) == 1
    pay(opened)
    assert come_back(opened, client).json()["status"] == "starting"
    changed_since()
    assert come_back(opened, client).json()["status"] == "active"


def test_stripe_fails__asked_again_in_some_seconds(opened: SubscriptionHost, client: Client) -> None:
    pay(opened)
    opened.fake.fault("GET", "/v1/checkout/sessions/*", kind="error_500_before")
    for _look in range(3):
        page = come_back(opened, client, accept="text/html")
        assert "<h1>Subscription is being started</h1>" in page.content.decode()
    assert len(opened.fake.requests) == 1
    with mock.patch.object(timezone, "now", return_value=timezone.now() + PAUSE):
        assert come_back(opened, client).json()["status"] == "active"


def test_page(opened: SubscriptionHost, client: Client) -> None:
    text = come_back(opened, client, accept="text/html").content.decode()
    assert "<h1>Subscription not started</h1>" in text
    pay(opened)
    changed_since()
    page = come_back(opened, client, accept="text/html")
    assert (page["Referrer-Policy"], page["Cache-Control"]) == ("no-referrer", "private, no-store")
    text = page.content.decode()
    assert "<h1>Subscription started</h1>" in text
    assert "Premium" in text
    row = Subscription.objects.get()
    for private in (row.provider_id, row.token, row.checkout_id, "cus_", "Stripe", opened.user.username):
        assert str(private) not in text


def test_given_up(opened: SubscriptionHost, client: Client) -> None:
    text = come_back(opened, client, "cancel", "text/html").content.decode()
    assert "<h1>Subscription not started</h1>" in text
    assert opened.fake.requests == []


def test_expired(opened: SubscriptionHost, client: Client) -> None:
    opened.fake.expire_session(opened.fake.all("checkout.session")[0]["id"])
    assert come_back(opened, client).json()["status"] == "incomplete_expired"
    assert "<h1>Subscription not active</h1>" in come_back(opened, client, accept="text/html").content.decode()


def test_pages_of_the_host(opened: SubscriptionHost, client: Client, settings: Any) -> None:
    settings.STRIPE_GATEWAY_SUBSCRIPTION_SUCCESS_URL = "https://shop.test/welcome/?lang=de&status=x"
    settings.STRIPE_GATEWAY_SUBSCRIPTION_CANCEL_URL = "/plans/"
    assert come_back(opened, client, "cancel")["Location"].startswith("/plans/?")
    pay(opened)
    for result in ("success", "cancel"):
        # Whoever has paid has paid, whichever way they come back.
        answer = come_back(opened, client, result)
        assert answer.status_code == 302
        url = urlsplit(answer["Location"])
        assert (url.netloc, url.path) == ("shop.test", "/welcome/")
        row = Subscription.objects.get()
        told = {"lang": ["de"], "status": ["active"], "subscription_id": [row.provider_id]}
        assert parse_qs(url.query) == told


def test_never_where_the_request_says(opened: SubscriptionHost, client: Client, settings: Any) -> None:
    settings.STRIPE_GATEWAY_SUBSCRIPTION_SUCCESS_URL = "/welcome/"
    evil = dict.fromkeys(("next", "url", "success_url", "status"), "https://evil.test/")
    answer = client.get(f"{address(opened)}&next=https://evil.test/", evil)
    assert "evil" not in answer.headers.get("Location", "")


def test_signature(host: SubscriptionHost, client: Client) -> None:
    one, other = make_subscription(), make_subscription()
    good, others = (sign_subscription_id(found.pk, found.token) for found in (one, other))
    assert sign_subscription_id(one.pk) not in (good, others)
    for signature in ("", "x", good[:-1], good + "x", others, sign_payment_id(one.pk, one.token), "é", "\x00"):
        query = {"subscription": one.pk, "signature": signature}
        assert_error(client.get(f"{ROOT}return/", query, headers={"Accept": "application/json"}), 404, "not_found")
    for pk in ("", "abc", "999999", "9" * 30):
        query = {"subscription": pk, "signature": sign_subscription_id(pk)}
        assert_error(client.get(f"{ROOT}return/", query, headers={"Accept": "application/json"}), 404, "not_found")
    assert client.get(f"{ROOT}return/").status_code == 404
    shown = client.get(f"{ROOT}return/", {"subscription": one.pk, "signature": good})
    assert shown.status_code == 200


def test_own_pages_of_a_service_call(host: SubscriptionHost) -> None:
    from django_stripe_gateway.subscriptions import subscribe

    pages = {"success_url": "https://shop.test/yes/", "cancel_url": "https://shop.test/no/"}
    subscribe(owner=host.user, plan=host.basic.plan, mode="checkout", **pages)
    (page,) = host.fake.all("checkout.session")
    assert {name: page[name] for name in pages} == pages


def test_throttle(opened: SubscriptionHost, client: Client, settings: Any) -> None:
    settings.STRIPE_GATEWAY_THROTTLE_RATES = {"subscriptions.return": "1/hour"}
    assert [come_back(opened, client, "cancel").status_code for _look in range(2)] == [200, 429]
