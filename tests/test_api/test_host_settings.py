"""What a host project can change: serializers, authentication, permissions, throttles, DRF's own settings."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from django.core.handlers.base import BaseHandler
from django.db import connections
from payments import get_payment_model
from rest_framework import permissions, serializers
from rest_framework.authentication import BaseAuthentication
from rest_framework.test import APIClient
from rest_framework.versioning import AcceptHeaderVersioning
from rest_framework.views import APIView

from django_stripe_gateway.api.payments.actions import CreatePaymentView
from django_stripe_gateway.api.payments.return_pages import SuccessView
from django_stripe_gateway.api.payments.serializers import CreatePaymentSerializer, PaymentSerializer
from django_stripe_gateway.api.payments.views import PaymentListView
from django_stripe_gateway.conf import gateway_settings
from tests.factories import make_payment
from tests.fake_stripe.server import FakeStripe
from tests.test_api.calls import ROOT, act, assert_error, create
from tests.test_api.test_return_pages import visit

pytestmark = pytest.mark.django_db(transaction=True)


class ShopPaymentSerializer(PaymentSerializer):
    """A payment with a word of the shop's."""

    shop = serializers.CharField(default="ours", source="get_gateway_name_of_shop", required=False)

    def to_representation(self, instance: Any) -> dict[str, Any]:
        """Return the payment."""
        return super().to_representation(instance) | {"shop": "ours"}


class ShopCreateSerializer(CreatePaymentSerializer):
    """Takes the customer's e-mail address, which goes into the payment's own field."""

    billing_email = serializers.EmailField()


class HeaderAuthentication(BaseAuthentication):
    """Believe a header."""

    def authenticate(self, request: Any) -> Any:
        """Return the user that the header names."""
        from django.contrib.auth import get_user_model

        name = request.headers.get("X-User")
        user = get_user_model().objects.filter(username=name).first() if name else None
        return (user, None) if user else None


class StaffOnly(permissions.BasePermission):
    """Let staff in."""

    def has_permission(self, request: Any, view: Any) -> bool:
        """Return whether the user is staff."""
        return bool(request.user and request.user.is_staff)


class TokenUser:
    """A user who is known from a signed token alone, without a query; its key is text there."""

    is_authenticated = True
    is_staff = False

    def __init__(self, pk: str) -> None:
        self.pk = self.id = pk


class StatelessAuthentication(BaseAuthentication):
    """Believe a header, and look nobody up."""

    def authenticate(self, request: Any) -> Any:
        """Return a user who has the key that the header names."""
        key = request.headers.get("X-User")
        return (TokenUser(key), None) if key else None


class NoPreauth(permissions.BasePermission):
    """Hide nothing, but refuse authorised payments."""

    def has_object_permission(self, request: Any, view: Any, obj: Any) -> bool:
        """Return whether this payment may be touched."""
        return bool(obj.status != "preauth")


class OnlyVersionNine(AcceptHeaderVersioning):
    """Serve nothing that does not ask for version 9."""

    allowed_versions = ("9",)
    default_version = None


HERE = "tests.test_api.test_host_settings"


def test_serializers(stripe_server: FakeStripe, api_client: APIClient, settings: Any) -> None:
    settings.STRIPE_GATEWAY_SERIALIZERS = {
        "Payment": f"{HERE}.ShopPaymentSerializer",
        "CreatePayment": f"{HERE}.ShopCreateSerializer",
    }
    assert_error(create(api_client), 400, "required", "billing_email")
    shown = create(api_client, billing_email="ada@example.com").json()
    assert shown["shop"] == "ours"
    assert stripe_server.all("checkout.session")[0]["customer_email"] == "ada@example.com"
    assert api_client.get(f"{ROOT}payments/").json()["results"][0]["shop"] == "ours"


def test_authentication(user: Any, settings: Any) -> None:
    settings.STRIPE_GATEWAY_AUTHENTICATION_CLASSES = [f"{HERE}.HeaderAuthentication"]
    client = APIClient()
    assert client.get(f"{ROOT}payments/", headers={"X-User": "ada"}).status_code == 200
    # A scheme that names no header to ask with has no 401.
    assert_error(client.get(f"{ROOT}payments/"), 403, "not_authenticated")


def test_authentication__of_drf_at_use(token_client: APIClient, settings: Any) -> None:
    assert token_client.get(f"{ROOT}payments/").status_code == 200
    settings.REST_FRAMEWORK = settings.REST_FRAMEWORK | {
        "DEFAULT_AUTHENTICATION_CLASSES": [f"{HERE}.HeaderAuthentication"]
    }
    assert token_client.get(f"{ROOT}payments/").status_code == 403


def test_permissions(api_client: APIClient, staff_client: APIClient, settings: Any) -> None:
    settings.STRIPE_GATEWAY_PERMISSION_CLASSES = [f"{HERE}.StaffOnly"]
    assert_error(api_client.get(f"{ROOT}payments/"), 403, "permission_denied")
    assert staff_client.get(f"{ROOT}payments/").status_code == 200


def test_permissions__of_the_object(api_client: APIClient, user: Any, settings: Any) -> None:
    settings.STRIPE_GATEWAY_PERMISSION_CLASSES = [f"{HERE}.NoPreauth"]
    payment = make_payment(owner=user, status="preauth")
    assert_error(api_client.get(f"{ROOT}payments/{payment.pk}/"), 403, "permission_denied")
    assert_error(act(api_client, payment.pk, "capture_payment"), 403, "permission_denied")


def test_permissions__that_let_everybody_in_show_nobodys_payments(
    stripe_server: FakeStripe, anonymous_client: APIClient, settings: Any
) -> None:
    settings.STRIPE_GATEWAY_PERMISSION_CLASSES = ["rest_framework.permissions.AllowAny"]
    payment = make_payment(owner=None)
    for path in ("payments/", f"payments/{payment.pk}/", f"payments/{payment.pk}/logs/"):
        assert_error(anonymous_client.get(ROOT + path), 401, "not_authenticated")
    assert_error(create(anonymous_client), 401, "not_authenticated")
    assert_error(create(anonymous_client, "key"), 401, "not_authenticated")
    assert_error(act(anonymous_client, payment.pk, "cancel_payment"), 401, "not_authenticated")
    assert anonymous_client.get(f"{ROOT}gateways/").status_code == 200


class TestThrottles:
    @pytest.mark.parametrize(
        ("scope", "path"), [("gateways", "gateways/"), ("payments.read", "payments/"), ("payments.read", "payments/1/")]
    )
    def test_reading(
        self, api_client: APIClient, other_client: APIClient, settings: Any, scope: str, path: str
    ) -> None:
        settings.STRIPE_GATEWAY_THROTTLE_RATES = {scope: "2/min"}
        for _number in range(2):
            assert api_client.get(ROOT + path).status_code in (200, 404)
        answer = api_client.get(ROOT + path)
        assert assert_error(answer, 429, "throttled")["type"] == "rate_limit_error"
        assert 0 < int(answer["Retry-After"]) <= 60
        assert other_client.get(ROOT + path).status_code in (200, 404)

    def test_writing(self, stripe_server: FakeStripe, api_client: APIClient, settings: Any) -> None:
        settings.STRIPE_GATEWAY_THROTTLE_RATES = {"payments.write": "1/hour", "payments.read": None}
        payment_id = create(api_client).json()["payment_id"]
        assert act(api_client, payment_id, "confirm_intent").status_code == 409
        assert_error(act(api_client, payment_id, "cancel_payment"), 429, "throttled")
        assert api_client.get(f"{ROOT}payments/{payment_id}/").json()["status"] == "waiting"

    def test_return_pages(self, anonymous_client: APIClient, settings: Any) -> None:
        settings.STRIPE_GATEWAY_THROTTLE_RATES = {"payments.return": "1/hour"}
        payment = make_payment(status="confirmed")
        assert visit(anonymous_client, payment.pk).status_code == 200
        assert visit(anonymous_client, payment.pk).status_code == 429
        assert_error(visit(anonymous_client, payment.pk, accept="application/json"), 429, "throttled")

    def test_by_default(self, stripe_server: FakeStripe, api_client: APIClient, settings: Any) -> None:
        settings.STRIPE_GATEWAY_THROTTLE_RATES = {}
        statuses = [create(api_client, amount="0").status_code for _number in range(31)]
        assert statuses == [400] * 30 + [429]
        assert api_client.get(f"{ROOT}payments/").status_code == 200

    def test_one_of_the_host(self, api_client: APIClient, settings: Any) -> None:
        """The others keep theirs."""
        settings.STRIPE_GATEWAY_THROTTLE_RATES = {"payments.create": None}
        assert {create(api_client, amount="0").status_code for _number in range(40)} == {400}
        assert gateway_settings.throttle_rates["payments.write"] == "60/minute"

    def test_switched_off(self, api_client: APIClient, settings: Any) -> None:
        settings.STRIPE_GATEWAY_THROTTLE_RATES = None
        assert {create(api_client, amount="0").status_code for _number in range(40)} == {400}


def test_versioning_of_the_host(api_client: APIClient, monkeypatch: pytest.MonkeyPatch) -> None:
    # Where DRF puts DEFAULT_VERSIONING_CLASS when it is imported.
    monkeypatch.setattr(APIView, "versioning_class", OnlyVersionNine)
    assert api_client.get(f"{ROOT}gateways/").status_code == 200


def test_atomic_requests(stripe_server: FakeStripe, api_client: APIClient, monkeypatch: Any) -> None:
    """The services commit before they call Stripe, whatever the host wraps its own views in."""
    monkeypatch.setitem(connections["default"].settings_dict, "ATOMIC_REQUESTS", True)
    shown = create(api_client, "key").json()
    assert shown["gateway_url"]
    assert act(api_client, shown["payment_id"], "cancel_payment").json()["status"] == "cancelled"
    assert visit(api_client, shown["payment_id"]).status_code == 200


def test_atomic_requests__of_another_database(monkeypatch: Any) -> None:
    """A router may send the payments to any database."""
    other = {**connections["default"].settings_dict, "ATOMIC_REQUESTS": True}
    monkeypatch.setitem(connections.settings, "payments", other)
    for view_class in (CreatePaymentView, PaymentListView, SuccessView):
        view = view_class.as_view()
        assert BaseHandler().make_view_atomic(view) is view


def test_stateless_user(stripe_server: FakeStripe, user: Any, other_user: Any, settings: Any) -> None:
    settings.STRIPE_GATEWAY_AUTHENTICATION_CLASSES = [f"{HERE}.StatelessAuthentication"]
    client = APIClient(headers={"X-User": str(user.pk)})
    shown = create(client, "key").json()
    assert create(client, "key").json()["payment_id"] == shown["payment_id"]
    assert client.get(f"{ROOT}payments/{shown['payment_id']}/").json()["status"] == "waiting"
    assert len(client.get(f"{ROOT}payments/").json()["results"]) == 1
    assert get_payment_model().objects.get().owner == user
    assert act(client, shown["payment_id"], "cancel_payment", key="again").json()["status"] == "cancelled"
    other = APIClient(headers={"X-User": str(other_user.pk)})
    assert_error(other.get(f"{ROOT}payments/{shown['payment_id']}/"), 404)
    assert_error(create(APIClient(headers={"X-User": "987654"})), 403, "not_authenticated")


class TestActionPermissions:
    def test_of_one_action(self, stripe_server: FakeStripe, api_client: APIClient, settings: Any) -> None:
        settings.STRIPE_GATEWAY_ACTION_PERMISSIONS = {
            "capture_payment": [f"{HERE}.StaffOnly"],
            "refund_payment": [f"{HERE}.StaffOnly"],
        }
        payment_id = create(api_client).json()["payment_id"]
        for action in ("capture_payment", "capture_intent", "refund_payment"):
            assert_error(act(api_client, payment_id, action), 403, "permission_denied")
        assert api_client.get(f"{ROOT}payments/{payment_id}/").status_code == 200
        assert act(api_client, payment_id, "cancel_payment").status_code == 200

    @pytest.mark.parametrize(
        ("action", "path"),
        [
            ("create_payment", "payments/create_payment/"),
            ("capture_payment", "payments/1/capture_payment/"),
            ("capture_payment", "payments/1/capture_intent/"),
            ("confirm_intent", "payments/1/confirm_intent/"),
            ("cancel_payment", "payments/1/cancel_payment/"),
            ("refund_payment", "payments/1/refund_payment/"),
        ],
    )
    def test_each(self, api_client: APIClient, settings: Any, action: str, path: str) -> None:
        settings.STRIPE_GATEWAY_ACTION_PERMISSIONS = {action: [f"{HERE}.StaffOnly"]}
        assert_error(api_client.post(ROOT + path, {}), 403, "permission_denied")
        settings.STRIPE_GATEWAY_ACTION_PERMISSIONS = {}
        assert api_client.post(ROOT + path, {}).status_code in (400, 404)

    def test_open_nothing(self, anonymous_client: APIClient, api_client: APIClient, settings: Any) -> None:
        """They come on top: a list that forgets `IsAuthenticated` lets nobody else in."""
        settings.STRIPE_GATEWAY_PERMISSION_CLASSES = [f"{HERE}.StaffOnly"]
        settings.STRIPE_GATEWAY_ACTION_PERMISSIONS = {"create_payment": ["rest_framework.permissions.AllowAny"]}
        assert_error(create(anonymous_client), 401, "not_authenticated")
        assert_error(create(api_client), 403, "permission_denied")


class TestWithoutTimeZones:
    def test_filters(self, api_client: APIClient, user: Any, settings: Any) -> None:
        settings.USE_TZ = False
        payment = make_payment(owner=user)
        type(payment).objects.filter(pk=payment.pk).update(created=datetime(2026, 3, 1, 12))  # noqa: DTZ001

        def found(**query: str) -> int:
            answer = api_client.get(f"{ROOT}payments/", query)
            assert answer.status_code == 200, answer.json()
            return len(answer.json()["results"])

        # 12:00 in Chicago, the time zone of the settings by default.
        assert found(created_after="2026-03-01T18:00:00Z") == found(created_before="2026-03-01T18:00:01Z") == 1
        assert found(created_after="2026-03-01T18:00:01Z") == found(created_before="2026-03-01T18:00:00Z") == 0
        assert found(created_after="2026-03-01T12:00:00") == 1
        assert (found(created="2026-03-01"), found(created="2026-03-02")) == (1, 0)

    @pytest.mark.parametrize("use_tz", [True, False])
    def test_filters__out_of_range(self, api_client: APIClient, settings: Any, use_tz: bool) -> None:
        settings.USE_TZ = use_tz
        for text in ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"):
            assert_error(api_client.get(f"{ROOT}payments/", {"created_after": text}), 400, "overflow", "created_after")
