"""What a customer may do with a payment, what staff may with anybody's: by role, ownership and endpoint."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Permission
from payments import get_payment_model
from rest_framework.test import APIClient

from django_stripe_gateway.conf.api import CUSTOMERS_ACTIONS, PAYMENT_ACTIONS, SELLERS_ACTIONS
from django_stripe_gateway.exceptions import WrongState
from django_stripe_gateway.services.payments.cancel import cancel_payment
from tests.factories import make_payment, make_user
from tests.fake_stripe.server import FakeStripe
from tests.test_api.calls import ROOT, act, assert_error, create

pytestmark = pytest.mark.django_db(transaction=True)

# Endpoint → the permission of staff; each is the seller's by default.
SELLERS = {
    "capture_payment": "capture_payment",
    "capture_intent": "capture_payment",
    "refund_payment": "refund_payment",
}


@pytest.fixture(autouse=True)
def _defaults(settings: Any) -> None:
    settings.STRIPE_GATEWAY_CUSTOMER_ACTIONS = ["default"]


def client_with(*codenames: str, **fields: Any) -> APIClient:
    """Return the client of a user with some of Django's permissions."""
    user = make_user(username=f"staff-{'-'.join(codenames) or 'none'}", password="pw", is_staff=True, **fields)
    for codename in codenames:
        user.user_permissions.add(
            Permission.objects.get(content_type__app_label="django_stripe_gateway", codename=codename)
        )
    client = APIClient()
    client.force_authenticate(user)
    return client


def test_defaults__hold_nothing_of_the_sellers() -> None:
    assert not set(CUSTOMERS_ACTIONS) & set(SELLERS_ACTIONS)
    assert set(PAYMENT_ACTIONS) & set(CUSTOMERS_ACTIONS) == {"create_payment", "confirm_intent", "cancel_payment"}


@pytest.mark.parametrize("endpoint", SELLERS)
class TestSellers:
    def test_customer(self, user: Any, api_client: APIClient, other_client: APIClient, endpoint: str) -> None:
        payment = make_payment(owner=user, status="preauth", captured_amount=0)
        error = assert_error(act(api_client, payment.pk, endpoint), 403, "not_allowed")
        assert error["type"] == "permission_error"
        # Also before anything of the body is looked at.
        assert_error(act(api_client, payment.pk, endpoint, {"amount": "much"}), 403, "not_allowed")
        # Somebody else's does not exist.
        assert_error(act(other_client, payment.pk, endpoint), 404, "not_found")
        assert not payment.logs.exists()

    def test_opened_by_the_host(self, user: Any, api_client: APIClient, endpoint: str, settings: Any) -> None:
        payment = make_payment(owner=user, status="waiting")
        for opened in ([SELLERS[endpoint]], ["default", SELLERS[endpoint]], ["*"]):
            settings.STRIPE_GATEWAY_CUSTOMER_ACTIONS = opened
            assert_error(act(api_client, payment.pk, endpoint), 409)

    def test_staff(self, user: Any, endpoint: str) -> None:
        payment = make_payment(owner=user, status="waiting")
        assert_error(act(client_with(SELLERS[endpoint]), payment.pk, endpoint), 409)
        assert_error(act(client_with(is_superuser=True), payment.pk, endpoint), 409)

    def test_staff_without_the_permission(self, user: Any, endpoint: str) -> None:
        payment = make_payment(owner=user, status="waiting")
        others = {
            "capture_payment",
            "refund_payment",
            "cancel_payment",
            "change_terms",
            "view_payment",
            "change_payment",
        }
        client = client_with(*sorted(others - {SELLERS[endpoint]}))
        assert_error(act(client, payment.pk, endpoint), 404, "not_found")
        assert_error(act(client_with(), payment.pk, endpoint), 404, "not_found")

    def test_staff__inactive(self, user: Any, endpoint: str) -> None:
        payment = make_payment(owner=user, status="waiting")
        client = client_with(SELLERS[endpoint], is_active=False)
        assert_error(act(client, payment.pk, endpoint), 404, "not_found")

    def test_staff__may_be_restricted_further(self, user: Any, endpoint: str, settings: Any) -> None:
        settings.STRIPE_GATEWAY_ACTION_PERMISSIONS = {
            SELLERS[endpoint]: ["tests.test_api.test_host_settings.StaffOnly"]
        }
        payment = make_payment(owner=user, status="waiting")
        assert_error(act(client_with(SELLERS[endpoint]), payment.pk, endpoint), 409)


def test_reading__staff_who_may_view(user: Any) -> None:
    payment = make_payment(owner=user)
    for path in (f"payments/{payment.pk}/", f"payments/{payment.pk}/logs/"):
        assert client_with().get(ROOT + path).status_code == 404
        get_user = client_with("view_payment", "capture_payment")
        assert get_user.get(ROOT + path).status_code == 200
        # The list is everybody's own.
        assert get_user.get(f"{ROOT}payments/").json()["results"] == []
        type(user).objects.filter(username__startswith="staff-").delete()


class TestCaptureMethod:
    @pytest.mark.parametrize("value", ["manual", "automatic", None, "nonsense"])
    def test_customer(self, stripe_server: FakeStripe, api_client: APIClient, value: Any) -> None:
        assert_error(create(api_client, capture_method=value), 403, "not_allowed")
        assert not get_payment_model().objects.exists()
        assert not stripe_server.requests

    def test_opened_by_the_host(self, stripe_server: FakeStripe, api_client: APIClient, settings: Any) -> None:
        settings.STRIPE_GATEWAY_CUSTOMER_ACTIONS = ["default", "capture_method"]
        assert create(api_client, capture_method="manual").status_code == 201
        assert get_payment_model().objects.get().capture_method == "manual"

    def test_staff(self, stripe_server: FakeStripe) -> None:
        assert create(client_with("capture_payment"), capture_method="manual").status_code == 201

    def test_not_asked(self, stripe_server: FakeStripe, api_client: APIClient) -> None:
        assert create(api_client).status_code == 201


class TestCancel:
    def test_customer__waiting(self, user: Any, api_client: APIClient) -> None:
        payment = make_payment(owner=user)
        assert act(api_client, payment.pk, "cancel_payment").json()["status"] == "cancelled"

    def test_customer__authorised(self, user: Any, api_client: APIClient) -> None:
        """What the seller holds, a deposit say, is the seller's to release."""
        payment = make_payment(owner=user, status="preauth", transaction_id="cs_test_1")
        assert_error(act(api_client, payment.pk, "cancel_payment"), 403, "not_allowed")
        assert not payment.logs.exists()

    def test_authorised_meanwhile(self, user: Any) -> None:
        """Between the look and the lock."""
        payment = make_payment(owner=user, status="preauth", transaction_id="cs_test_1")
        with pytest.raises(WrongState, match="authorised meanwhile"):
            cancel_payment(payment=payment, may_release=False)
        payment.refresh_from_db()
        assert payment.status == "preauth"

    def test_staff(self, user: Any) -> None:
        payment = make_payment(owner=user)
        assert_error(act(client_with("capture_payment"), payment.pk, "cancel_payment"), 404)
        assert act(client_with("cancel_payment"), payment.pk, "cancel_payment").json()["status"] == "cancelled"

    def test_unknown_key(self, user: Any, api_client: APIClient) -> None:
        payment = make_payment(owner=user)
        error = assert_error(act(api_client, payment.pk, "cancel_payment", {"reason": "x"}), 400, "unknown_field")
        assert error["field"] == "reason"


@pytest.mark.parametrize("action", ["create_payment", "cancel_payment", "confirm_intent"])
def test_closed_by_the_host(user: Any, api_client: APIClient, settings: Any, action: str) -> None:
    settings.STRIPE_GATEWAY_CUSTOMER_ACTIONS = [name for name in CUSTOMERS_ACTIONS if name != action]
    payment = make_payment(owner=user)
    answer = create(api_client) if action == "create_payment" else act(api_client, payment.pk, action)
    assert_error(answer, 403, "not_allowed")


def test_confirming__is_nobody_elses(user: Any) -> None:
    payment = make_payment(owner=user)
    assert_error(act(client_with(is_superuser=True), payment.pk, "confirm_intent"), 404)


@pytest.mark.parametrize("written", ["*", "capture_payment", [], ["refund"]])
def test_wrong_setting__opens_nothing(user: Any, api_client: APIClient, settings: Any, written: Any) -> None:
    settings.STRIPE_GATEWAY_CUSTOMER_ACTIONS = written
    payment = make_payment(owner=user, status="confirmed")
    assert_error(act(api_client, payment.pk, "refund_payment"), 403, "not_allowed")


def test_repeat__not_after_the_rights_are_gone(user: Any) -> None:
    payment = make_payment(owner=user)
    client = client_with("cancel_payment")
    path, headers = f"{ROOT}payments/{payment.pk}/cancel_payment/", {"Idempotency-Key": "k-1"}
    assert client.post(path, {}, format="json", headers=headers).status_code == 200
    # The state has changed, and one's own answer comes again all the same.
    repeat = client.post(path, {}, format="json", headers=headers)
    assert (repeat.status_code, repeat["Idempotent-Replayed"]) == (200, "true")
    member = type(user).objects.get(username__startswith="staff-")
    member.user_permissions.clear()
    type(user).objects.filter(pk=member.pk).update(is_staff=False)
    client.force_authenticate(type(user).objects.get(pk=member.pk))
    assert_error(client.post(path, {}, format="json"), 404, "not_found")
    assert_error(client.post(path, {}, format="json", headers=headers), 404, "not_found")
