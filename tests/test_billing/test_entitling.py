"""What hosts ask, and how they keep pages for those who have a plan."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template import Context, Template
from django.test import RequestFactory
from rest_framework.permissions import IsAdminUser
from rest_framework.request import Request
from rest_framework.test import APIRequestFactory, force_authenticate
from rest_framework.views import APIView

from django_stripe_gateway.adapter import Adapter
from django_stripe_gateway.choices import SubscriptionItemKind
from django_stripe_gateway.subscriptions import HasActivePlan, active_plan, has_plan, plan_required, subscriptions_for
from tests.billing_factories import make_customer, make_item, make_plan, make_pricing, make_subscription

pytestmark = pytest.mark.django_db


@pytest.fixture
def premium(user: Any) -> Any:
    return make_subscription(make_customer(user), pricing=make_pricing(make_plan("premium")))


def request_of(user: Any) -> HttpRequest:
    request = RequestFactory().get("/reports/")
    request.user = user
    return request


def test_active_plan(user: Any) -> None:
    assert active_plan(user) is None
    free = make_plan("free", is_default=True)
    assert active_plan(user) == free
    customer = make_customer(user)
    cheap = make_subscription(customer, pricing=make_pricing(make_plan("basic"), amount=5))
    dear = make_subscription(customer, pricing=make_pricing(make_plan("premium"), amount=50))
    make_subscription(customer, pricing=make_pricing(make_plan("gold"), amount=500), status="canceled")
    assert active_plan(user) == dear.plan
    assert list(subscriptions_for(user).valid()) == [dear, cheap]
    assert active_plan(make_customer().owner) == free


def test_has_plan(user: Any, premium: Any, other_user: Any) -> None:
    assert has_plan(user)
    assert has_plan(user, "basic", "premium")
    assert not has_plan(user, "basic")
    assert not has_plan(other_user)
    premium.status = "unpaid"
    premium.save()
    assert not has_plan(user, "premium")
    make_plan("free", is_default=True)
    assert has_plan(user, "free")
    assert not has_plan(user)


def test_further_items(user: Any, premium: Any) -> None:
    support = make_plan("support", is_add_on=True)
    make_item(premium, make_plan("basic"))
    make_item(premium, support)
    metered = {"kind": SubscriptionItemKind.METERED, "is_metered": True}
    make_item(premium, make_plan("gold"), **metered)
    make_item(premium, make_plan("messages", is_add_on=True), **metered)
    # What a plan charges by use, beside another plan, does not make that plan theirs.
    has = {slug: has_plan(user, slug) for slug in ("premium", "basic", "support", "messages", "gold")}
    assert has == {"premium": True, "basic": True, "support": True, "messages": True, "gold": False}


def test_permission(user: Any, premium: Any, other_user: Any, staff_user: Any) -> None:
    class Reports(APIView):
        permission_classes = (HasActivePlan("premium") | IsAdminUser,)

        def get(self, request: Request) -> HttpResponse:
            return HttpResponse("numbers")

    for who, status in ((user, 200), (other_user, 403), (staff_user, 200)):
        request = APIRequestFactory().get("/")
        force_authenticate(request, who)
        assert Reports.as_view()(request).status_code == status
    assert Reports.as_view()(APIRequestFactory().get("/")).status_code in (401, 403)


def test_decorator(user: Any, premium: Any, other_user: Any) -> None:
    @plan_required("premium")
    def reports(request: HttpRequest) -> HttpResponse:
        return HttpResponse("numbers")

    @plan_required("premium", redirect_to="/prices/")
    def charts(request: HttpRequest) -> HttpResponse:
        return HttpResponse("lines")

    assert reports(request_of(user)).status_code == 200
    with pytest.raises(PermissionDenied):
        reports(request_of(other_user))
    assert charts(request_of(other_user)).headers["Location"] == "/prices/"
    assert reports(request_of(AnonymousUser())).headers["Location"] == "/accounts/login/?next=/reports/"


def test_get_owner(settings: Any, user: Any, premium: Any, other_user: Any) -> None:
    settings.STRIPE_GATEWAY_ADAPTER = f"{__name__}.FirstCustomerPays"
    assert plan_required("premium")(lambda request: HttpResponse())(request_of(other_user)).status_code == 200


class FirstCustomerPays(Adapter):
    def get_owner(self, request: HttpRequest) -> Any:
        from django_stripe_gateway.models import Customer

        return Customer.objects.earliest("pk").owner


def test_template_tags(user: Any, premium: Any) -> None:
    tags = '{% active_plan as plan %}{% has_plan "premium" as is_premium %}'
    template = Template("{% load stripe_gateway %}" + tags + "{{ plan.name }} {{ is_premium }}")
    assert template.render(Context({"request": request_of(user)})) == "Premium True"
    assert template.render(Context({"request": request_of(AnonymousUser())})) == " False"
    assert template.render(Context({})) == " False"
