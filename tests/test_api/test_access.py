"""Who may do what: every endpoint for every role, by token and by session."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from rest_framework.test import APIClient

from tests.factories import make_payment
from tests.test_api.calls import CREATE, ROOT, assert_error, body

pytestmark = pytest.mark.django_db(transaction=True)

GET, POST = "get", "post"
# Method, path, and what the owner is answered for a waiting payment that was never started.
OF_ALL = [(GET, "gateways/", 200), (GET, "payments/", 200), (POST, "payments/create_payment/", 400)]
OF_OWNER = [
    (GET, "payments/{id}/", 200),
    (GET, "payments/{id}/logs/", 200),
    (POST, "payments/{id}/capture_payment/", 409),
    (POST, "payments/{id}/capture_intent/", 409),
    (POST, "payments/{id}/confirm_intent/", 409),
    (POST, "payments/{id}/refund_payment/", 409),
    (POST, "payments/{id}/cancel_payment/", 200),
]
OF_SIGNATURE = [(GET, "payments/{id}/success/"), (GET, "payments/{id}/failure/")]


def call(client: Any, method: str, path: str, payment: Any) -> Any:
    """Call an endpoint with an empty body."""
    url = ROOT + path.format(id=payment.pk)
    return client.get(url) if method == GET else client.post(url, {}, format="json")


@pytest.fixture
def payment(user: Any) -> Any:
    """Return a payment of the customer."""
    return make_payment(owner=user)


@pytest.mark.parametrize(("method", "path", "_status"), [*OF_ALL, *OF_OWNER])
def test_anonymous(anonymous_client: APIClient, payment: Any, method: str, path: str, _status: int) -> None:
    answer = call(anonymous_client, method, path, payment)
    error = assert_error(answer, 401, "not_authenticated")
    assert error["type"] == "authentication_error"
    assert answer["WWW-Authenticate"] == "Token"


@pytest.mark.parametrize(("method", "path", "status"), [*OF_ALL, *OF_OWNER])
def test_owner(api_client: APIClient, payment: Any, method: str, path: str, status: int) -> None:
    assert call(api_client, method, path, payment).status_code == status


@pytest.mark.parametrize("role", ["other_client", "staff_client"])
@pytest.mark.parametrize(("method", "path", "_status"), OF_OWNER)
def test_somebody_else(payment: Any, role: str, method: str, path: str, _status: int, request: Any) -> None:
    client = request.getfixturevalue(role)
    error = assert_error(call(client, method, path, payment), 404, "not_found")
    missing = make_payment(owner=None)
    missing_pk, missing.pk = missing.pk, missing.pk + 1000
    assert error == assert_error(call(client, method, path, missing), 404)
    assert missing_pk
    payment.refresh_from_db()
    assert payment.status == "waiting"
    assert not payment.logs.exists()


@pytest.mark.parametrize("role", ["other_client", "staff_client"])
def test_somebody_else__lists_nothing(payment: Any, role: str, request: Any) -> None:
    assert request.getfixturevalue(role).get(f"{ROOT}payments/").json()["results"] == []


def test_nobodys_payment(api_client: APIClient) -> None:
    assert_error(call(api_client, GET, "payments/{id}/", make_payment(owner=None)), 404)


@pytest.mark.parametrize("role", ["anonymous_client", "api_client", "other_client", "staff_client"])
@pytest.mark.parametrize(("method", "path"), OF_SIGNATURE)
def test_return_pages__nothing_without_the_signature(
    payment: Any, role: str, method: str, path: str, request: Any
) -> None:
    client = request.getfixturevalue(role)
    answer = client.get(ROOT + path.format(id=payment.pk), headers={"Accept": "application/json"})
    assert_error(answer, 404, "not_found")


def test_return_pages__bad_credentials_do_not_matter(payment: Any) -> None:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION="Token nonsense")
    signature = payment.get_success_url().partition("signature=")[2]
    path = f"{ROOT}payments/{payment.pk}/success/?signature={signature}"
    assert client.get(path, headers={"Accept": "application/json"}).status_code == 200


class TestToken:
    def test_good(self, token_client: APIClient, payment: Any) -> None:
        assert call(token_client, GET, "payments/{id}/", payment).status_code == 200
        assert call(token_client, POST, "payments/{id}/cancel_payment/", payment).status_code == 200

    @pytest.mark.parametrize("header", ["Token nonsense", "Token", "Token a b", "Token \x81"])
    def test_bad(self, payment: Any, header: str) -> None:
        client = APIClient()
        client.credentials(HTTP_AUTHORIZATION=header)
        answer = call(client, GET, "payments/{id}/", payment)
        assert assert_error(answer, 401, "authentication_failed")["type"] == "authentication_error"
        assert answer["WWW-Authenticate"] == "Token"

    def test_inactive_user(self, token_client: APIClient, payment: Any, user: Any) -> None:
        user.is_active = False
        user.save()
        assert_error(call(token_client, GET, "payments/{id}/", payment), 401, "authentication_failed")


class TestSession:
    def test_reading(self, session_client: APIClient, payment: Any) -> None:
        assert call(session_client, GET, "payments/{id}/", payment).status_code == 200

    @pytest.mark.parametrize(("method", "path", "_status"), [row for row in [*OF_ALL, *OF_OWNER] if row[0] == POST])
    def test_no_csrf_token(self, session_client: APIClient, payment: Any, method: str, path: str, _status: int) -> None:
        error = assert_error(call(session_client, method, path, payment), 403, "permission_denied")
        assert error["type"] == "permission_error"
        payment.refresh_from_db()
        assert payment.status == "waiting"

    def test_csrf_token(self, session_client: APIClient, payment: Any) -> None:
        secret = "a" * 32
        session_client.cookies["csrftoken"] = secret
        answer = session_client.post(
            f"{ROOT}payments/{payment.pk}/cancel_payment/", {}, format="json", headers={"X-CSRFToken": secret}
        )
        assert answer.status_code == 200

    def test_logged_out(self, payment: Any) -> None:
        assert_error(call(Client(), GET, "payments/{id}/", payment), 401)


@pytest.mark.parametrize(("method", "path", "_status"), [*OF_ALL, *OF_OWNER])
def test_other_methods(api_client: APIClient, payment: Any, method: str, path: str, _status: int) -> None:
    url = ROOT + path.format(id=payment.pk)
    wrong = {GET: ["post", "put", "patch", "delete"], POST: ["get", "put", "patch", "delete"]}[method]
    for name in wrong:
        answer = getattr(api_client, name)(url)
        assert_error(answer, 405, "method_not_allowed")
        assert method.upper() in answer["Allow"]


def test_create__for_the_user_who_asks(stripe_server: Any, api_client: APIClient, other_client: APIClient) -> None:
    payment_id = api_client.post(CREATE, body(), format="json").json()["payment_id"]
    assert_error(other_client.get(f"{ROOT}payments/{payment_id}/"), 404)
    assert_error(other_client.get(f"{ROOT}payments/{payment_id}/logs/"), 404)
