"""``subscriptions/me/limits/`` and ``subscriptions/me/usage/``, and what a host puts on its own views."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, Group
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.test import RequestFactory
from rest_framework.response import Response
from rest_framework.test import APIClient, APIRequestFactory, force_authenticate
from rest_framework.views import APIView

from django_stripe_gateway import usage
from django_stripe_gateway.adapter import Adapter
from django_stripe_gateway.models import UsageRecord
from tests.test_api.calls import ROOT, assert_error, post
from tests.test_services.test_usage.support import at, make_default_plan, statements, subscribe

pytestmark = pytest.mark.django_db

LIMITS = f"{ROOT}subscriptions/me/limits/"
USAGE = f"{ROOT}subscriptions/me/usage/"


@pytest.fixture(autouse=True)
def _free(db: None, settings: Any) -> None:
    settings.TIME_ZONE = "UTC"
    make_default_plan(("minutes", 5, "day"), ("exports", None, "lifetime"), slug="free", name="Free")


def use(client: APIClient, quantity: Any = 1, metric: Any = "minutes", key: str | None = None) -> Any:
    return post(client, USAGE, {"metric": metric, "quantity": quantity}, key)


def test_limits(api_client: APIClient, user: Any) -> None:
    plan = usage.limits(user).plan
    with at("2026-11-23T12:00:00+00:00"):
        usage.consume(user, "minutes", 2)
        usage.reserve(user, "minutes", 1)
        answer = api_client.get(LIMITS)
    assert answer.status_code == 200
    assert plan is not None
    assert answer.json() == {
        "plan": {"plan_id": plan.pk, "slug": "free", "name": "Free"},
        "limits": [
            {
                "metric": "minutes",
                "limit": 5,
                "used": 2,
                "remaining": 2,
                "period": "day",
                "resets_at": "2026-11-24T00:00:00Z",
                "unlimited": False,
            },
            {
                "metric": "exports",
                "limit": None,
                "used": 0,
                "remaining": None,
                "period": "lifetime",
                "resets_at": None,
                "unlimited": True,
            },
        ],
    }


def test_limits__of_a_subscription(api_client: APIClient, user: Any) -> None:
    subscription = subscribe(user, ("minutes", 50, "billing_period"))
    shown = api_client.get(LIMITS).json()
    assert shown["plan"]["plan_id"] == subscription.plan_id
    # What the plan does not list is as in the default plan.
    assert [(limit["metric"], limit["limit"], limit["period"]) for limit in shown["limits"]] == [
        ("minutes", 50, "billing_period"),
        ("exports", None, "lifetime"),
    ]


def test_limits__without_any_plan(api_client: APIClient) -> None:
    from django_stripe_gateway.models import Plan

    Plan.objects.all().delete()
    assert api_client.get(LIMITS).json() == {"plan": None, "limits": []}


def test_limits__queries(token_client: APIClient, user: Any) -> None:
    usage.consume(user, "minutes")
    with statements() as made:
        token_client.get(LIMITS)
    # One of them looks the token up.
    assert len(made) == 2


def test_usage(api_client: APIClient) -> None:
    answer = use(api_client, 3)
    assert answer.status_code == 201
    shown = answer.json()
    assert (shown["metric"], shown["limit"], shown["used"], shown["remaining"]) == ("minutes", 5, 3, 2)
    assert post(api_client, USAGE, {"metric": "minutes"}).json()["used"] == 4


def test_usage__spent(api_client: APIClient, other_client: APIClient) -> None:
    with at("2026-11-23T23:00:00+00:00"):
        assert use(api_client, 5).status_code == 201
        refused = use(api_client)
        assert_error(refused, 429, "limit_exceeded")
        assert refused["Retry-After"] == "3600"
        assert use(other_client, 5).status_code == 201
    with at("2026-11-24T00:00:00+00:00"):
        assert use(api_client, 5).status_code == 201


def test_usage__never_resets(api_client: APIClient) -> None:
    make_default_plan(("seats", 1, "lifetime"))
    assert "Retry-After" not in use(api_client, metric="seats").headers


@pytest.mark.parametrize("quantity", [0, -1, 1.5, "many", True, None, 10**13, [], {}])
def test_usage__quantity(api_client: APIClient, quantity: Any) -> None:
    assert_error(use(api_client, quantity), 400, field="quantity")
    assert not UsageRecord.objects.exists()


@pytest.mark.parametrize("metric", ["minuets", "", None, "m" * 65, 5, [], "a\x00b"])
def test_usage__metric(api_client: APIClient, metric: Any) -> None:
    assert_error(use(api_client, metric=metric), 400, field="metric")


def test_usage__idempotency_key(api_client: APIClient, user: Any) -> None:
    first = use(api_client, 3, key="call-1")
    again = use(api_client, 3, key="call-1")
    assert (again.status_code, again.json(), again["Idempotent-Replayed"]) == (201, first.json(), "true")
    assert usage.allowance(user, "minutes").used == 3
    assert_error(use(api_client, 2, key="call-1"), 409, "idempotency_key_reused")
    # A refusal leaves the key for later.
    assert_error(use(api_client, 3, key="call-2"), 429)
    assert use(api_client, 2, key="call-2").status_code == 201


def test_access(anonymous_client: APIClient, settings: Any) -> None:
    for permissions in (settings.STRIPE_GATEWAY_PERMISSION_CLASSES, []):
        settings.STRIPE_GATEWAY_PERMISSION_CLASSES = permissions
        assert_error(anonymous_client.get(LIMITS), 401)
        assert_error(use(anonymous_client), 401)


def test_throttle_scopes(api_client: APIClient, settings: Any) -> None:
    settings.STRIPE_GATEWAY_THROTTLE_RATES = {"usage.read": "1/day", "usage.write": "1/day"}
    assert api_client.get(LIMITS).status_code == 200
    assert_error(api_client.get(LIMITS), 429, "throttled")
    assert use(api_client).status_code == 201
    assert_error(use(api_client), 429, "throttled")


# A host's own views.


@usage.limited("minutes", 2)
def costly(request: Any, name: str) -> HttpResponse:
    """Answer."""
    return HttpResponse(name)


def test_limited(user: Any) -> None:
    request = RequestFactory().get("/")
    request.user = user
    assert [costly(request, "a").status_code for _again in range(2)] == [200, 200]
    with at("2100-01-01T23:59:00+00:00"):
        costly(request, name="a")
        costly(request, name="a")
        refused = costly(request, name="a")
    assert refused.status_code == 429
    assert refused["Retry-After"] == "60"
    assert b'"code": "limit_exceeded"' in refused.content
    assert b"retry_after" not in refused.content
    request.user = AnonymousUser()
    with pytest.raises(PermissionDenied):
        costly(request, "a")


class PerMinute(usage.UsageThrottle):
    metric = "minutes"
    quantity = 3


class MayExport(usage.PlanAllows):
    metric = "exports"


class ExportView(APIView):
    authentication_classes = ()
    permission_classes = (MayExport,)
    throttle_classes = (PerMinute,)

    def get(self, request: Any) -> Response:
        return Response({})


def call(user: Any) -> Any:
    request = APIRequestFactory().get("/")
    force_authenticate(request, user)
    return ExportView.as_view(authentication_classes=APIView.authentication_classes)(request)


def test_drf__throttle(user: Any) -> None:
    with at("2026-11-23T23:59:30+00:00"):
        assert call(user).status_code == 200
        refused = call(user)
    assert (refused.status_code, refused["Retry-After"]) == (429, "30")
    assert usage.allowance(user, "minutes").limit == 5


def test_drf__permission(user: Any) -> None:
    subscribe(user, ("minutes", 50, "day"), ("exports", 0, "lifetime"))
    assert call(user).status_code == 403
    assert not UsageRecord.objects.exists()


def test_drf__nobody() -> None:
    assert call(None).status_code in (401, 403)


class OpenView(ExportView):
    permission_classes = ()
    usage_quantity = 5


def test_drf__quantity_of_the_view(user: Any) -> None:
    request = APIRequestFactory().get("/")
    assert OpenView.as_view()(request).status_code == 200
    force_authenticate(request, user)
    answers = [OpenView.as_view(authentication_classes=APIView.authentication_classes)(request) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 429]


class FirstGroupPays(Adapter):
    def get_owner(self, request: Any) -> Any:
        return Group.objects.first()


def test_get_owner(api_client: APIClient, settings: Any) -> None:
    settings.STRIPE_GATEWAY_ADAPTER = f"{__name__}.FirstGroupPays"
    # The request's user is one thing, who is billed another: here nobody.
    assert_error(api_client.get(LIMITS), 401)
