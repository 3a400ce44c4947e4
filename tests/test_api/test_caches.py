"""No cache gives what was answered to one to another, also where a site has one in front of all its views."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import pytest
from django.core.cache import cache
from django.test import Client
from rest_framework.authtoken.models import Token
from rest_framework.test import APIClient

from django_stripe_gateway.models import Payment
from tests.fake_stripe.server import FakeStripe
from tests.test_api.calls import ROOT, assert_error, create
from tests.test_webhooks.support import deliver_all

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _cached(settings: Any) -> None:
    cache.clear()
    settings.CACHE_MIDDLEWARE_SECONDS = 600
    middleware = "django.middleware.cache"
    settings.MIDDLEWARE = [
        f"{middleware}.UpdateCacheMiddleware",
        *settings.MIDDLEWARE,
        f"{middleware}.FetchFromCacheMiddleware",
    ]


def signed_in(user: Any) -> APIClient:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Token {Token.objects.create(user=user).key}")
    return client


def test_guest(intent_server: FakeStripe, settings: Any) -> None:
    settings.STRIPE_GATEWAY_GUEST_PAYMENTS = True
    made = create(APIClient()).json()
    url = f"{ROOT}payments/{made['payment_id']}/"
    shown = APIClient().get(url, headers={"Guest-Token": made["guest_token"]})
    assert shown.json()["payment_id"] == made["payment_id"]
    assert shown["Cache-Control"] == "private, no-store"
    assert "Guest-Token" in shown["Vary"].split(", ")
    assert_error(APIClient().get(url), 404)


def test_user(stripe_server: FakeStripe, user: Any, other_user: Any) -> None:
    own = signed_in(user)
    made = create(own).json()
    assert own.get(f"{ROOT}payments/").json()["results"][0]["payment_id"] == made["payment_id"]
    assert signed_in(other_user).get(f"{ROOT}payments/").json()["results"] == []
    refused = APIClient().get(f"{ROOT}payments/")
    assert_error(refused, 401)
    assert refused["Cache-Control"] == "private, no-store"


def test_return_page__looks_each_time(stripe_server: FakeStripe, api_client: APIClient) -> None:
    payment = Payment.objects.get(pk=create(api_client).json()["payment_id"])
    parts = urlsplit(payment.get_success_url())
    client, url = Client(), f"{parts.path}?{parts.query}"
    assert client.get(url, headers={"Accept": "application/json"}).json()["status"] == "waiting"
    stripe_server.complete_checkout(payment.transaction_id)
    deliver_all(stripe_server.events())
    assert client.get(url, headers={"Accept": "application/json"}).json()["status"] == "confirmed"


def test_plans__are_everybodys(stripe_server: FakeStripe) -> None:
    shown = APIClient().get(f"{ROOT}subscriptions/plans/")
    assert shown.status_code == 200
    assert "private" not in shown.get("Cache-Control", "")
