"""``success/`` and ``failure/``: what a customer's browser is shown."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from unittest import mock
from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client
from django.utils import timezone
from payments import get_payment_model
from rest_framework.test import APIClient

from django_stripe_gateway.models import return_urls
from django_stripe_gateway.services.return_looks import PAUSE
from tests.factories import make_paid_payment, make_payment
from tests.fake_stripe.server import FakeStripe
from tests.test_api.calls import ROOT, assert_error, create

pytestmark = pytest.mark.django_db(transaction=True)


def sign_payment_id(payment_pk: Any) -> str:
    """Return the signature of a payment's pages."""
    tokens = {str(pk): token for pk, token in get_payment_model().objects.values_list("pk", "token")}
    return return_urls.sign_payment_id(payment_pk, tokens.get(str(payment_pk), ""))


def visit(client: Any, payment_id: Any, page: str = "success", accept: str = "text/html", **query: str) -> Any:
    """Open a return page with its signature."""
    query = {"signature": sign_payment_id(payment_id)} | query
    return client.get(f"{ROOT}payments/{payment_id}/{page}/", query, headers={"Accept": accept})


def show(client: Any, payment_id: Any, page: str = "success") -> dict[str, Any]:
    """Return what a return page answers as JSON."""
    shown: dict[str, Any] = visit(client, payment_id, page, "application/json").json()
    return shown


def assert_private(response: Any) -> None:
    """Check that the address of the page goes nowhere."""
    assert response["Referrer-Policy"] == "no-referrer"
    assert response["Cache-Control"] == "private, no-store"


@pytest.fixture
def waiting(stripe_server: FakeStripe, api_client: APIClient) -> dict[str, Any]:
    """Return a payment whose Checkout Session is open."""
    shown: dict[str, Any] = create(api_client, description="Two books", order_id="ord_1", metadata={"s": "x"}).json()
    stripe_server.forget_requests()
    return shown


@pytest.fixture
def session_id(waiting: dict[str, Any], stripe_server: FakeStripe) -> str:
    """Return the id of that session."""
    identifier: str = stripe_server.all("checkout.session")[0]["id"]
    return identifier


class TestSuccess:
    def test_asks_stripe(self, stripe_server: FakeStripe, client: Client, waiting: Any, session_id: str) -> None:
        stripe_server.complete_checkout(session_id)
        assert show(client, waiting["payment_id"]) == {
            "payment_id": waiting["payment_id"],
            "status": "confirmed",
            "amount": "10.00",
            "currency": "USD",
        }
        payment = get_payment_model().objects.get()
        assert payment.status == "confirmed"
        assert payment.logs.last().actor == "customer"

    def test_page(self, stripe_server: FakeStripe, client: Client, waiting: Any, session_id: str) -> None:
        stripe_server.complete_checkout(session_id)
        page = visit(client, waiting["payment_id"])
        assert page.status_code == 200
        assert page["Content-Type"] == "text/html; charset=utf-8"
        assert_private(page)
        text = page.content.decode()
        assert "<h1>Payment received</h1>" in text
        assert "10.00 USD" in text
        assert "Two books" in text
        assert '<html lang="en-us">' in text
        for private in ("ada@", "cs_test", "pi_", "Stripe", "ord_1", str(get_payment_model().objects.get().token)):
            assert private not in text

    def test_known__stripe_is_not_asked(self, stripe_server: FakeStripe, client: Client) -> None:
        for status in ("confirmed", "preauth", "refunded", "rejected", "cancelled"):
            payment = make_paid_payment(status=status)
            assert show(client, payment.pk)["status"] == status
        assert stripe_server.requests == []

    def test_not_paid(self, stripe_server: FakeStripe, client: Client, waiting: Any) -> None:
        text = visit(client, waiting["payment_id"]).content.decode()
        assert "<h1>Payment not completed</h1>" in text
        assert f'<a href="{waiting["gateway_url"]}">Continue to payment</a>' in text
        assert show(client, waiting["payment_id"])["status"] == "waiting"

    def test_not_paid__asked_once_while_nothing_changes(
        self, stripe_server: FakeStripe, client: Client, waiting: Any, session_id: str
    ) -> None:
        for hours in range(3):
            with mock.patch.object(timezone, "now", return_value=timezone.now() + timedelta(hours=hours)):
                assert show(client, waiting["payment_id"])["status"] == "waiting"
        assert len(stripe_server.requests) == 1
        stripe_server.complete_checkout(session_id)
        # Of which the event will tell; something else does before.
        assert show(client, waiting["payment_id"])["status"] == "waiting"
        payment = get_payment_model().objects.get()
        payment.save()
        for _look in range(3):
            assert show(client, waiting["payment_id"])["status"] == "confirmed"
        assert len(stripe_server.requests) == 2

    def test_slow_payment_method(
        self, stripe_server: FakeStripe, client: Client, waiting: Any, session_id: str
    ) -> None:
        stripe_server.complete_checkout(session_id, "async")
        text = visit(client, waiting["payment_id"]).content.decode()
        assert "<h1>Payment is being processed</h1>" in text
        assert "Continue to payment" not in text

    def test_expired(self, stripe_server: FakeStripe, client: Client, waiting: Any, session_id: str) -> None:
        stripe_server.expire_session(session_id)
        text = visit(client, waiting["payment_id"]).content.decode()
        assert "<h1>Payment failed</h1>" in text
        assert "Continue to payment" not in text

    @pytest.mark.parametrize("kind", ["error_500_before", "reset_before", "garbage", "rate_limit"])
    def test_stripe_fails__being_processed(
        self, stripe_server: FakeStripe, client: Client, waiting: Any, session_id: str, kind: Any
    ) -> None:
        stripe_server.complete_checkout(session_id)
        stripe_server.fault("GET", "/v1/checkout/sessions/*", kind=kind, times=3)
        page = visit(client, waiting["payment_id"])
        assert page.status_code == 200
        assert "<h1>Payment is being processed</h1>" in page.content.decode()
        assert "Continue to payment" not in page.content.decode()

    def test_stripe_fails__asked_again_in_some_seconds(
        self, stripe_server: FakeStripe, client: Client, waiting: Any, session_id: str
    ) -> None:
        stripe_server.complete_checkout(session_id)
        stripe_server.fault("GET", "/v1/checkout/sessions/*", kind="reset_before")
        for _look in range(3):
            assert show(client, waiting["payment_id"])["status"] == "waiting"
        assert len(stripe_server.requests) == 1
        with mock.patch.object(timezone, "now", return_value=timezone.now() + PAUSE):
            assert show(client, waiting["payment_id"])["status"] == "confirmed"

    def test_key_missing__being_processed(self, client: Client, settings: Any) -> None:
        settings.STRIPE_GATEWAY_API_KEY = ""
        payment = make_payment(transaction_id="cs_test_1")
        assert "<h1>Payment is being processed</h1>" in visit(client, payment.pk).content.decode()

    def test_authorised(self, stripe_server: FakeStripe, client: Client, api_client: APIClient) -> None:
        shown = create(api_client, capture_method="manual").json()
        stripe_server.complete_checkout(stripe_server.all("checkout.session")[0]["id"])
        text = visit(client, shown["payment_id"]).content.decode()
        assert "<h1>Payment authorized</h1>" in text

    def test_signed_address_that_stripe_has_got(
        self, stripe_server: FakeStripe, client: Client, waiting: Any, session_id: str
    ) -> None:
        session = stripe_server.get(session_id)
        stripe_server.complete_checkout(session_id)
        for url in (session["success_url"], session["cancel_url"]):
            parts = urlsplit(url)
            assert client.get(f"{parts.path}?{parts.query}").status_code == 200


class TestFailure:
    def test_way_back(self, stripe_server: FakeStripe, client: Client, waiting: Any) -> None:
        page = visit(client, waiting["payment_id"], "failure")
        text = page.content.decode()
        assert_private(page)
        assert "<h1>Payment not completed</h1>" in text
        assert waiting["gateway_url"] in text
        assert stripe_server.requests == []
        assert show(client, waiting["payment_id"], "failure") == {
            "payment_id": waiting["payment_id"],
            "status": "waiting",
            "amount": "10.00",
            "currency": "USD",
        }

    def test_paid_all_the_same(self, client: Client) -> None:
        text = visit(client, make_paid_payment().pk, "failure").content.decode()
        assert "<h1>Payment received</h1>" in text

    def test_cancelled(self, client: Client) -> None:
        text = visit(client, make_payment(status="cancelled").pk, "failure").content.decode()
        assert "<h1>Payment cancelled</h1>" in text


@pytest.mark.parametrize("page", ["success", "failure"])
class TestSignature:
    def test_missing_or_wrong(self, client: Client, page: str) -> None:
        payment, other = make_paid_payment(), make_paid_payment()
        good = sign_payment_id(payment.pk)
        others = sign_payment_id(other.pk)
        for signature in ("", "x", good[:-1], good + "x", others, "é", "\x00", f"{payment.pk}:{good}"):
            answer = visit(client, payment.pk, page, "application/json", signature=signature)
            assert_error(answer, 404, "not_found")
            assert_private(answer)
        answer = client.get(f"{ROOT}payments/{payment.pk}/{page}/", headers={"Accept": "application/json"})
        assert_error(answer, 404, "not_found")

    def test_no_payment(self, client: Client, page: str) -> None:
        for payment_id in (999, "abc", "9" * 30):
            assert_error(visit(client, payment_id, page, "application/json"), 404, "not_found")

    def test_page_for_people(self, client: Client, page: str) -> None:
        answer = visit(client, make_paid_payment().pk, page, signature="x")
        assert answer.status_code == 404
        assert answer["Content-Type"] == "text/html; charset=utf-8"
        assert "<h1>Page not available</h1>" in answer.content.decode()
        assert_private(answer)

    def test_other_key(self, client: Client, settings: Any, page: str) -> None:
        payment = make_paid_payment()
        address = f"{ROOT}payments/{payment.pk}/{page}/?signature={sign_payment_id(payment.pk)}"
        settings.SECRET_KEY = "another"
        assert client.get(address).status_code == 404
        settings.SECRET_KEY_FALLBACKS = ["not-a-secret"]
        assert client.get(address).status_code == 200


class TestHostPages:
    @pytest.fixture(autouse=True)
    def _pages(self, settings: Any) -> None:
        settings.STRIPE_GATEWAY_SUCCESS_URL = "https://shop.test/thanks/{payment_id}/?lang=de&status=x#top"
        settings.STRIPE_GATEWAY_FAILURE_URL = "/basket/"

    @pytest.mark.parametrize("accept", ["text/html", "application/json", "*/*"])
    def test_success(self, client: Client, accept: str) -> None:
        payment = make_paid_payment()
        answer = visit(client, payment.pk, accept=accept)
        assert answer.status_code == 302
        assert answer.content == b""
        assert_private(answer)
        url = urlsplit(answer["Location"])
        assert answer["Location"].startswith(f"https://shop.test/thanks/{payment.pk}/?")
        assert url.fragment == "top"
        assert parse_qs(url.query) == {"lang": ["de"], "payment_id": [str(payment.pk)], "status": ["confirmed"]}

    @pytest.mark.parametrize(
        ("page", "status", "path"),
        [
            ("success", "preauth", "/thanks/"),
            ("success", "waiting", "/thanks/"),
            ("success", "rejected", "/basket/"),
            ("success", "cancelled", "/basket/"),
            ("success", "error", "/basket/"),
            ("failure", "waiting", "/basket/"),
            ("failure", "rejected", "/basket/"),
            ("failure", "confirmed", "/thanks/"),
        ],
    )
    def test_by_what_became_of_the_payment(self, client: Client, page: str, status: str, path: str) -> None:
        payment = make_payment(status=status)
        location = visit(client, payment.pk, page)["Location"]
        assert path in location
        assert f"status={status}" in location

    def test_only_one_configured(self, client: Client, settings: Any) -> None:
        settings.STRIPE_GATEWAY_FAILURE_URL = ""
        payment = make_payment(status="rejected")
        assert "<h1>Payment failed</h1>" in visit(client, payment.pk).content.decode()

    def test_never_where_the_request_says(self, client: Client) -> None:
        payment = make_paid_payment()
        evil = dict.fromkeys(("next", "url", "success_url", "redirect", "status"), "https://evil.test/")
        assert "evil" not in visit(client, payment.pk, **evil)["Location"]

    def test_wrong_signature(self, client: Client) -> None:
        assert visit(client, make_paid_payment().pk, signature="x").status_code == 404


def test_description_is_escaped(client: Client) -> None:
    payment = make_paid_payment(description="<script>alert(1)</script>")
    text = visit(client, payment.pk).content.decode()
    assert "<script>" not in text
    assert "&lt;script&gt;" in text


def test_templates__of_the_host(client: Client, settings: Any, tmp_path: Any) -> None:
    folder = tmp_path / "django_stripe_gateway"
    folder.mkdir()
    (folder / "payment_return.html").write_text("{{ outcome }} {{ amount }} of my shop")
    settings.TEMPLATES = [settings.TEMPLATES[0] | {"DIRS": [tmp_path]}]
    assert visit(client, make_paid_payment().pk).content.decode() == "paid 10.00 of my shop"


def test_head(client: Client) -> None:
    payment = make_paid_payment()
    answer = client.head(f"{ROOT}payments/{payment.pk}/success/?signature={sign_payment_id(payment.pk)}")
    assert answer.status_code == 200


def test_post(client: Client) -> None:
    payment = make_paid_payment()
    url = f"{ROOT}payments/{payment.pk}/success/?signature={sign_payment_id(payment.pk)}"
    assert_error(client.post(url, headers={"Accept": "application/json"}), 405)


def test_currency_that_stripe_does_not_know(client: Client) -> None:
    assert visit(client, make_paid_payment(currency="XTS").pk).status_code == 200
