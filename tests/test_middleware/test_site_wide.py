"""What stands before every view of a site lets payments through, and breaks none of them."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import pytest
from django.test import Client
from django.utils import translation
from rest_framework.authtoken.models import Token
from rest_framework.test import APIClient

from django_stripe_gateway.models import Payment, WebhookEvent
from tests.factories import make_event
from tests.fake_stripe import FakeStripe
from tests.test_middleware import site
from tests.test_webhooks.support import deliver, post

pytestmark = pytest.mark.django_db(transaction=True)

OURS = "tests.test_middleware.site."
DJANGO = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
LOGIN = "django.contrib.auth.middleware.LoginRequiredMiddleware"
SITES = {
    "none": [],
    "without_sessions": ["django.middleware.common.CommonMiddleware", "django.middleware.csrf.CsrfViewMiddleware"],
    "login": [*DJANGO, LOGIN],
    "before": [OURS + "reads_before", *DJANGO],
    "after": [OURS + "reads_after", *DJANGO, LOGIN],
    "hook": [*DJANGO, OURS + "reads_in_the_view_hook"],
    "all": [OURS + "reads_after", OURS + "reads_before", *DJANGO, LOGIN, OURS + "reads_in_the_view_hook"],
    "compressed": ["django.middleware.gzip.GZipMiddleware", "django.middleware.http.ConditionalGetMiddleware", *DJANGO],
    "policy": [OURS + "adds_policy", *DJANGO, "django.middleware.clickjacking.XFrameOptionsMiddleware"],
    "cached": [
        "django.middleware.cache.UpdateCacheMiddleware",
        *DJANGO,
        "django.middleware.cache.FetchFromCacheMiddleware",
    ],
}


@pytest.fixture
def client_of(user: Any) -> APIClient:
    """Return an app's client, with a token and no cookies."""
    client = APIClient(enforce_csrf_checks=True)
    client.credentials(HTTP_AUTHORIZATION=f"Token {Token.objects.create(user=user).key}")
    return client


def address(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}"


def buy(stripe: FakeStripe, client: Any, root: str = "/api/v1/") -> Payment:
    """Let a customer pay: the API, the provider's events, the page that the browser comes back to."""
    body = {"gateway": "Stripe", "amount": "10.00", "currency": "USD"}
    made = client.post(f"{root}payments/create_payment/", body, format="json")
    assert made.status_code == 201, made.content
    payment = Payment.objects.get()
    for event in stripe.complete_checkout(payment.transaction_id):
        assert deliver(event, url=f"{root}webhooks/stripe/").status_code == 200
    payment.refresh_from_db()
    assert payment.status == "confirmed"
    page = stripe.get(payment.transaction_id)["success_url"]
    shown = Client().get(address(page), headers={"Accept": "text/html"})
    assert shown.status_code == 200
    assert b"10.00" in shown.content or shown.headers.get("Content-Encoding") == "gzip"
    refunded = client.post(f"{root}payments/{payment.pk}/refund_payment/", {"amount": "4.00"}, format="json")
    assert refunded.status_code == 200, refunded.content
    assert client.get(f"{root}payments/{payment.pk}/").json()["refunded_amount"] == "4.00"
    return payment


@pytest.mark.parametrize("name", SITES)
def test_payment(stripe_server: FakeStripe, client_of: APIClient, settings: Any, name: str) -> None:
    settings.MIDDLEWARE = SITES[name]
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": name}}
    site.read.clear()
    buy(stripe_server, client_of)
    bodies = [body for when, body in site.read if body.startswith(b"{")]
    assert bool(bodies) == (name in ("before", "after", "hook", "all"))
    assert WebhookEvent.objects.exclude(state__in=("processed", "ignored")).count() == 0


@pytest.mark.parametrize("atomic", [True, False])
def test_atomic_requests(stripe_server: FakeStripe, client_of: APIClient, settings: Any, atomic: bool) -> None:
    from django.db import connection

    settings.MIDDLEWARE = SITES["all"]
    before = connection.settings_dict["ATOMIC_REQUESTS"]
    connection.settings_dict["ATOMIC_REQUESTS"] = atomic
    try:
        buy(stripe_server, client_of)
    finally:
        connection.settings_dict["ATOMIC_REQUESTS"] = before


@pytest.mark.parametrize("name", ["login", "all"])
@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("subscriptions/plans/", 200),
        ("schema/", 200),
        ("docs/", 200),
        ("webhooks/health/", 401),
        ("payments/", 401),
        ("payments/7/success/?signature=x", 404),
        ("subscriptions/return/?signature=x", 404),
        ("webhooks/stripe/", 405),
        ("webhooks/nobody/", 404),
    ],
)
def test_nobody_is_sent_to_the_login_page(settings: Any, name: str, path: str, expected: int) -> None:
    settings.MIDDLEWARE = SITES[name]
    assert Client().get(f"/api/v1/{path}").status_code == expected


def test_everything_else_needs_a_login(settings: Any) -> None:
    settings.MIDDLEWARE = SITES["login"]
    assert Client().get("/admin/").status_code == 302


@pytest.mark.parametrize("name", ["before", "after", "hook", "all"])
@pytest.mark.parametrize(
    "body", [b"", b"{", b"\xff", b"[]", b"{" + b" " * 3_000_000], ids=["empty", "cut", "bytes", "list", "large"]
)
def test_bodies_that_are_refused(settings: Any, name: str, body: bytes) -> None:
    settings.MIDDLEWARE = SITES[name]
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 10_000_000
    assert post(body).status_code == 400
    assert post(body, secret=None).status_code == 400


def test_event_that_fails_is_delivered_again(settings: Any) -> None:
    from django_stripe_gateway.webhooks import registry

    settings.MIDDLEWARE = SITES["all"]

    def fail(event: Any) -> None:
        raise ValueError

    event = make_event("shop.odd", {"id": "x"})
    with registry.temporary_handlers():
        registry.handles("shop.odd")(fail)
        assert deliver(event).status_code == 500
    assert deliver(event).status_code == 200


def test_addresses_below_a_language(stripe_server: FakeStripe, client_of: APIClient, settings: Any) -> None:
    settings.MIDDLEWARE = [*DJANGO[:2], "django.middleware.locale.LocaleMiddleware", *DJANGO[2:]]
    settings.ROOT_URLCONF = "tests.test_middleware.urls"
    settings.LANGUAGES = [("en", "English"), ("de", "Deutsch")]
    with translation.override("de"):
        pass
    buy(stripe_server, client_of, "/de/api/v1/")
    assert "/de/api/v1/" in stripe_server.all("checkout.session")[0]["success_url"]


def test_plain_http_is_sent_on_and_https_answered(settings: Any) -> None:
    settings.MIDDLEWARE = DJANGO
    settings.SECURE_SSL_REDIRECT = True
    event = make_event("shop.odd", {"id": "x"})
    assert deliver(event).status_code == 301
    assert not WebhookEvent.objects.exists()
    assert deliver(event, **{"wsgi.url_scheme": "https"}).status_code == 200


def test_slash_that_is_missing(settings: Any) -> None:
    settings.MIDDLEWARE = DJANGO
    event = make_event("shop.odd", {"id": "x"})
    # Stripe follows no redirect, and says so in its Dashboard; nothing is taken for delivered.
    assert deliver(event, url="/api/v1/webhooks/stripe").status_code in (301, 404)
    assert not WebhookEvent.objects.exists()


def test_maintenance_has_events_delivered_again(settings: Any) -> None:
    settings.MIDDLEWARE = [OURS + "under_maintenance", *DJANGO]
    event = make_event("shop.odd", {"id": "x"})
    assert deliver(event).status_code == 503
    settings.MIDDLEWARE = DJANGO
    assert deliver(event).status_code == 200


def test_answers_are_no_others(stripe_server: FakeStripe, client_of: APIClient, settings: Any, other_user: Any) -> None:
    """A cache of the whole site gives nobody what somebody else was answered."""
    settings.MIDDLEWARE = SITES["cached"]
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": "others"}}
    payment = buy(stripe_server, client_of)
    other = APIClient()
    other.credentials(HTTP_AUTHORIZATION=f"Token {Token.objects.create(user=other_user).key}")
    assert other.get(f"/api/v1/payments/{payment.pk}/").status_code == 404
    assert other.get("/api/v1/payments/").json()["results"] == []
    assert Client().get("/api/v1/payments/").status_code == 401
