"""Payments of those who have not signed in: opened by a setting, and each by its own token."""

from __future__ import annotations

import json
import uuid
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, Permission
from django.core.cache import cache
from rest_framework.test import APIClient

from django_stripe_gateway.adapter import Adapter
from django_stripe_gateway.exceptions import InvalidInput
from django_stripe_gateway.models import IdempotencyKey, Payment, PaymentLog, WebhookEvent
from django_stripe_gateway.payments import claim_payment, guest_token
from django_stripe_gateway.services.leaving.erase import erase_owner
from django_stripe_gateway.services.leaving.export import export_owner
from django_stripe_gateway.services.payments.guests import opens
from tests.factories import make_payment
from tests.fake_stripe.server import FakeStripe
from tests.test_api.calls import CREATE, ROOT, act, assert_error, body, create, post
from tests.test_webhooks.support import deliver_all

pytestmark = pytest.mark.django_db(transaction=True)

GET, POST = "get", "post"
# Method, path, and what the right token is answered for a payment that waits on an intent.
OF_GUESTS = [
    (GET, "payments/{id}/", 200),
    (GET, "payments/{id}/logs/", 200),
    (POST, "payments/{id}/confirm_intent/", 200),
    (POST, "payments/{id}/cancel_payment/", 200),
]
NOT_OF_GUESTS = [
    (GET, "payments/", 401),
    (POST, "payments/{id}/capture_payment/", 401),
    (POST, "payments/{id}/capture_intent/", 401),
    (POST, "payments/{id}/refund_payment/", 401),
    (GET, "subscriptions/status/", 401),
    (GET, "subscriptions/payment_methods/", 401),
    (POST, "subscriptions/subscribe/", 401),
    (GET, "subscriptions/me/limits/", 401),
]


@pytest.fixture(autouse=True)
def _open(settings: Any, intent_server: FakeStripe) -> None:
    """Open payments to guests."""
    settings.STRIPE_GATEWAY_GUEST_PAYMENTS = True


@pytest.fixture
def guest() -> APIClient:
    """Return the client of somebody who has not signed in."""
    return APIClient()


@pytest.fixture
def made(guest: APIClient) -> dict[str, Any]:
    """Return a guest's payment as its answer was."""
    answer = create(guest, payment_method="pm_card_visa")
    assert answer.status_code == 201, answer.data
    shown: dict[str, Any] = answer.json()
    return shown


def call(client: APIClient, method: str, path: str, payment_id: Any, token: str | None = None) -> Any:
    """Call an endpoint with an empty body, and a token if there is one."""
    headers = {} if token is None else {"Guest-Token": token}
    url = ROOT + path.format(id=payment_id)
    return client.get(url, headers=headers) if method == GET else client.post(url, {}, format="json", headers=headers)


def test_guest_pays(guest: APIClient, made: dict[str, Any]) -> None:
    payment = Payment.objects.get(pk=made["payment_id"])
    assert (payment.owner, payment.is_guest, payment.status) == (None, True, "waiting")
    assert made["client_secret"]
    token = made["guest_token"]
    confirmed = call(guest, POST, "payments/{id}/confirm_intent/", payment.pk, token).json()
    assert (confirmed["status"], confirmed["card_last4"]) == ("confirmed", "4242")
    shown = call(guest, GET, "payments/{id}/", payment.pk, token).json()
    assert shown["receipt_url"].startswith("https://")
    assert set(payment.logs.values_list("actor", flat=True)) == {"guest"}


def test_token_is_given_once(guest: APIClient, made: dict[str, Any], stripe_server: FakeStripe) -> None:
    token = made["guest_token"]
    for method, path, _status in OF_GUESTS:
        assert "guest_token" not in call(guest, method, path, made["payment_id"], token).json()
    # Nor is it what the provider, or our own rows, know the payment by.
    payment = Payment.objects.get(pk=made["payment_id"])
    assert payment.token not in token
    everything = [str(list(model.objects.values())) for model in (Payment, PaymentLog, IdempotencyKey, WebhookEvent)]
    assert not any(token in text for text in everything)
    assert not any(token in str(request.params) for request in stripe_server.requests)


@pytest.mark.parametrize(("method", "path", "status"), OF_GUESTS)
@pytest.mark.parametrize("role", ["nobody", "somebody else", "owner"])
def test_right_token(
    guest: APIClient, other_client: APIClient, made: dict[str, Any], method: str, path: str, status: int, role: str
) -> None:
    client = {"nobody": APIClient(), "somebody else": other_client, "owner": guest}[role]
    assert call(client, method, path, made["payment_id"], made["guest_token"]).status_code == status


@pytest.mark.parametrize("method_and_path", [entry[:2] for entry in OF_GUESTS])
@pytest.mark.parametrize("role", ["guest", "other_client", "staff_client"])
@pytest.mark.parametrize("token", [None, "", "guest_" + "0" * 64, "other", "metadata", "é"])
def test_wrong_token(request: Any, made: dict[str, Any], method_and_path: Any, role: str, token: str | None) -> None:
    if token == "other":
        token = guest_token(payment=make_payment(owner=None, is_guest=True))
    elif token == "metadata":
        token = Payment.objects.get(pk=made["payment_id"]).token
    answer = call(request.getfixturevalue(role), *method_and_path, made["payment_id"], token)
    missing = call(request.getfixturevalue(role), *method_and_path, 10**9, token)
    assert assert_error(answer, 404, "not_found") == assert_error(missing, 404)
    assert Payment.objects.get(pk=made["payment_id"]).status == "waiting"


@pytest.mark.parametrize(("method", "path", "_status"), OF_GUESTS)
def test_payments_that_are_no_guests(guest: APIClient, user: Any, method: str, path: str, _status: int) -> None:
    """A token that is made for one of them all the same opens nothing."""
    for payment in (make_payment(owner=user), make_payment(owner=None), make_payment(owner=user, is_guest=True)):
        for token in (None, guest_token(payment=payment)):
            assert_error(call(guest, method, path, payment.pk, token), 404)


@pytest.mark.parametrize(("method", "path", "status"), NOT_OF_GUESTS)
def test_not_for_guests(
    guest: APIClient, settings: Any, made: dict[str, Any], method: str, path: str, status: int
) -> None:
    settings.STRIPE_GATEWAY_CUSTOMER_ACTIONS = ["*"]
    assert_error(call(guest, method, path, made["payment_id"], made["guest_token"]), status)


@pytest.mark.parametrize(("method", "path", "_status"), OF_GUESTS)
@pytest.mark.parametrize("classes", [None, ["rest_framework.permissions.AllowAny"]])
def test_closed(
    guest: APIClient, settings: Any, made: dict[str, Any], method: str, path: str, _status: int, classes: Any
) -> None:
    settings.STRIPE_GATEWAY_GUEST_PAYMENTS = False
    if classes:
        settings.STRIPE_GATEWAY_PERMISSION_CLASSES = classes
    assert_error(call(guest, method, path, made["payment_id"], made["guest_token"]), 401, "not_authenticated")
    assert_error(create(guest), 401, "not_authenticated")


def test_staff_see_it(staff_user: Any, staff_client: APIClient, made: dict[str, Any]) -> None:
    staff_user.user_permissions.add(Permission.objects.get(codename="view_payment"))
    staff_client.force_authenticate(type(staff_user).objects.get(pk=staff_user.pk))
    assert call(staff_client, GET, "payments/{id}/", made["payment_id"]).status_code == 200


def test_lists_hold_none(api_client: APIClient, staff_client: APIClient, made: dict[str, Any]) -> None:
    for client in (api_client, staff_client):
        assert call(client, GET, "payments/", 0, made["guest_token"]).json()["results"] == []


def test_credentials_that_are_wrong_make_no_guest(made: dict[str, Any]) -> None:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION="Token nonsense")
    assert_error(create(client), 401)


def test_other_permissions_count_for_guests(guest: APIClient, settings: Any) -> None:
    settings.STRIPE_GATEWAY_PERMISSION_CLASSES = [
        "rest_framework.permissions.IsAuthenticated",
        "rest_framework.permissions.IsAdminUser",
    ]
    assert_error(create(guest), 401)
    settings.STRIPE_GATEWAY_PERMISSION_CLASSES = ["rest_framework.permissions.IsAuthenticated"]
    settings.STRIPE_GATEWAY_ACTION_PERMISSIONS = {"create_payment": ["rest_framework.permissions.IsAuthenticated"]}
    assert_error(create(guest), 401)


def test_another_secret_key(guest: APIClient, settings: Any, made: dict[str, Any]) -> None:
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another" * 10
    assert call(guest, GET, "payments/{id}/", made["payment_id"], made["guest_token"]).status_code == 200
    settings.SECRET_KEY_FALLBACKS = []
    assert_error(call(guest, GET, "payments/{id}/", made["payment_id"], made["guest_token"]), 404)


class Prices(Adapter):
    """Says what a guest pays."""

    def price_payment(self, request: Any, data: Any) -> Any:
        """Return a price, and remember who asked."""
        assert isinstance(request.user, AnonymousUser)
        return {"amount": Decimal("7.00"), "currency": "EUR"}


def test_price_is_the_hosts(guest: APIClient, settings: Any) -> None:
    settings.STRIPE_GATEWAY_ADAPTER = f"{__name__}.Prices"
    assert create(guest, amount="0.50").json()["amount"] == "7.00"


def test_email(guest: APIClient, settings: Any, stripe_server: FakeStripe) -> None:
    settings.PAYMENT_VARIANTS = {"stripe": ("django_stripe_gateway.providers.StripeProvider", {})}
    made = create(guest, email="ada@example.com")
    assert made.status_code == 201, made.data
    assert "email" not in made.json()
    assert Payment.objects.get().billing_email == "ada@example.com"
    assert stripe_server.requests[-1].params["customer_email"] == "ada@example.com"
    assert_error(create(guest, email="nonsense"), 400, field="email")
    assert_error(create(guest, email="a" * 250 + "@example.com"), 400, field="email")


def test_throttled_apart(guest: APIClient, api_client: APIClient, settings: Any) -> None:
    settings.STRIPE_GATEWAY_THROTTLE_RATES = {"payments.guest": "2/hour"}
    first = create(guest, payment_method="pm_card_chargeDeclined").json()
    url = f"{ROOT}payments/{first['payment_id']}/confirm_intent/"
    assert guest.post(url, {}, format="json", headers={"Guest-Token": first["guest_token"]}).status_code == 402
    assert_error(create(guest), 429)
    assert_error(guest.post(url, {}, format="json", headers={"Guest-Token": first["guest_token"]}), 429)
    # Reading and giving up are no attempts, and who has signed in is counted as before.
    assert call(guest, GET, "payments/{id}/", first["payment_id"], first["guest_token"]).status_code == 200
    assert create(api_client).status_code == 201


# Idempotency keys.


def test_key__lost_answer(guest: APIClient) -> None:
    key = str(uuid.uuid4())
    first, again = create(guest, key), create(guest, key)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again["Idempotent-Replayed"] == "true"
    assert again.json() == first.json()
    assert again.json()["guest_token"]
    assert Payment.objects.count() == 1
    row = IdempotencyKey.objects.get()
    assert (row.owner_id, row.key, row.scope) == (None, "", "")
    assert first.json()["guest_token"] not in row.response_body
    assert_error(create(guest, key, amount="11.00"), 409, "idempotency_key_reused")


@pytest.mark.parametrize("key", ["1", "order-17", "0" * 64, "ab" * 40, "a" * 255])
def test_key__that_others_use_too(guest: APIClient, key: str) -> None:
    assert_error(create(guest, key), 400, "weak_idempotency_key", "Idempotency-Key")
    assert not Payment.objects.exists()


@pytest.mark.parametrize("token", ["null", "undefined", "guest_" + "0" * 64])
def test_key__that_others_use_too__with_a_worthless_token(guest: APIClient, token: str) -> None:
    headers = {"Guest-Token": token, "Idempotency-Key": "1"}
    answer = guest.post(CREATE, body(), format="json", headers=headers)
    assert_error(answer, 400, "weak_idempotency_key", "Idempotency-Key")
    assert not Payment.objects.exists()


def test_key__of_another_payment_than_the_tokens(guest: APIClient, made: dict[str, Any]) -> None:
    """A browser that sends its token with everything finds its lost answer all the same."""
    headers = {"Idempotency-Key": str(uuid.uuid4())}
    first = guest.post(CREATE, body(), format="json", headers=headers | {"Guest-Token": made["guest_token"]})
    again = guest.post(CREATE, body(), format="json", headers=headers)
    assert first.json() == again.json()


def test_key__of_two_guests(guest: APIClient) -> None:
    """Below a payment the token keeps two guests apart, whatever their keys."""
    first, second = (create(guest, payment_method="pm_card_visa").json() for _ in range(2))
    for made in (first, second):
        headers = {"Guest-Token": made["guest_token"], "Idempotency-Key": "1"}
        url = f"{ROOT}payments/{made['payment_id']}/confirm_intent/"
        answer, again = (guest.post(url, {}, format="json", headers=headers) for _ in range(2))
        assert (answer.status_code, again.status_code) == (200, 200)
        assert again["Idempotent-Replayed"] == "true"
        assert again.json()["payment_id"] == made["payment_id"]
        # Who has not the token gets no answer again, and blocks nobody's key.
        for token in ("", "guest_wrong"):
            wrong = guest.post(url, {}, format="json", headers=headers | {"Guest-Token": token})
            assert wrong.status_code in (400, 404)
            assert "payment_id" not in wrong.json()


def test_key__wrong_token_blocks_nobody(guest: APIClient, made: dict[str, Any]) -> None:
    url = f"{ROOT}payments/{made['payment_id']}/confirm_intent/"
    key = {"Idempotency-Key": "1"}
    assert_error(guest.post(url, {}, format="json", headers=key | {"Guest-Token": "guest_wrong"}), 404)
    assert guest.post(url, {}, format="json", headers=key | {"Guest-Token": made["guest_token"]}).status_code == 200


def test_key__of_a_user_and_of_a_guest(guest: APIClient, api_client: APIClient) -> None:
    key = str(uuid.uuid4())
    assert create(guest, key).json()["payment_id"] != create(api_client, key).json()["payment_id"]


def test_key__after_it_was_claimed(guest: APIClient, user: Any) -> None:
    key = str(uuid.uuid4())
    made = create(guest, key).json()
    claim_payment(payment=Payment.objects.get(), guest_token=made["guest_token"], owner=user)
    assert_error(create(guest, key), 404)


# Claims.


def test_claim(guest: APIClient, api_client: APIClient, user: Any, other_user: Any, made: dict[str, Any]) -> None:
    payment, token = Payment.objects.get(), made["guest_token"]
    with pytest.raises(InvalidInput):
        claim_payment(payment=payment, guest_token="guest_wrong", owner=other_user)
    for _repeat in range(2):
        claimed = claim_payment(payment=payment, guest_token=token, owner=user)
        assert (claimed.owner_id, claimed.is_guest) == (user.pk, False)
    assert payment.logs.filter(message="claimed by its payer").count() == 1
    with pytest.raises(InvalidInput):
        claim_payment(payment=payment, guest_token=token, owner=other_user)
    assert call(api_client, GET, "payments/{id}/", payment.pk).status_code == 200
    assert_error(call(guest, GET, "payments/{id}/", payment.pk, token), 404)


def test_claim__owner_leaves(user: Any, guest: APIClient, made: dict[str, Any]) -> None:
    payment = claim_payment(payment=Payment.objects.get(), guest_token=made["guest_token"], owner=user)
    user.delete()
    payment.refresh_from_db()
    assert payment.owner is None
    assert not opens(payment, made["guest_token"])


def test_guest_is_erased_by_address(guest: APIClient, stripe_server: FakeStripe) -> None:
    made = create(guest, email="ada@example.com", payment_method="pm_card_visa").json()
    call(guest, POST, "payments/{id}/confirm_intent/", made["payment_id"], made["guest_token"])
    deliver_all(stripe_server.events())
    erase_owner(email="ada@example.com")
    payment = Payment.objects.get()
    assert (payment.billing_email, payment.card_last4, payment.receipt_url) == ("", "", "")


def test_guests_answers_are_exported_and_erased_by_address(guest: APIClient, stripe_server: FakeStripe) -> None:
    personal: dict[str, Any] = {"description": "For Ada", "metadata": {"name": "Ada"}}
    made = create(guest, str(uuid.uuid4()), email="ada@example.com", payment_method="pm_card_visa", **personal).json()
    headers = {"Guest-Token": made["guest_token"], "Idempotency-Key": "1"}
    guest.post(f"{ROOT}payments/{made['payment_id']}/confirm_intent/", {}, format="json", headers=headers)
    # Somebody else's stays, also one that says of itself that it is about Ada's.
    claims = {"payment_id": made["payment_id"]}
    other = create(guest, str(uuid.uuid4()), email="bob@example.com", metadata=claims).json()
    deliver_all(stripe_server.events())
    exported = export_owner(email="ada@example.com")["idempotency_keys"]
    assert [key["response_body"]["description"] for key in exported] == ["For Ada", "For Ada"]
    assert erase_owner(email="ada@example.com", dry_run=True).erased["idempotency keys"] == 2
    assert erase_owner(email="ada@example.com").erased["idempotency keys"] == 2
    assert json.loads(IdempotencyKey.objects.get().response_body)["payment_id"] == other["payment_id"]


def test_claimed__answers_to_the_guest_are_the_users_to_erase(guest: APIClient, user: Any) -> None:
    made = create(guest, str(uuid.uuid4()), description="For Ada").json()
    claim_payment(payment=Payment.objects.get(), guest_token=made["guest_token"], owner=user)
    assert len(export_owner(owner=user)["idempotency_keys"]) == 1


def test_no_csrf_token_is_needed() -> None:
    """Nothing that a browser sends by itself opens anything: the token is in a header that only a script can set."""
    browser = APIClient(enforce_csrf_checks=True)
    made = browser.post(CREATE, body(), format="json")
    assert made.status_code == 201
    assert call(browser, GET, "payments/{id}/", made.json()["payment_id"]).status_code == 404


def test_signed_in_make_no_guests_payment(api_client: APIClient) -> None:
    made = create(api_client).json()
    assert "guest_token" not in made
    assert Payment.objects.get().is_guest is False
    assert act(api_client, made["payment_id"], "cancel_payment").status_code == 200
    cache.clear()
    assert post(api_client, CREATE, body(is_guest=True), None).status_code == 400
