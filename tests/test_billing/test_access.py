"""Who may do what with subscriptions: every endpoint for every role."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from rest_framework.permissions import BasePermission
from rest_framework.test import APIClient

from django_stripe_gateway.adapter import Adapter
from django_stripe_gateway.conf.api import SUBSCRIPTION_ACTIONS
from django_stripe_gateway.models import Subscription
from tests.factories import make_user
from tests.test_billing.host import ROOT, SubscriptionHost

pytestmark = pytest.mark.django_db(transaction=True)

#: method, path → the action that a host can restrict
OF_ACTIONS = {
    ("post", "subscribe/"): "subscribe",
    ("post", "cancel/"): "cancel_subscription",
    ("post", "resume/"): "resume_subscription",
    ("post", "change/"): "change_subscription",
    ("post", "items/"): "change_items",
    ("post", "items/si_1/"): "change_items",
    ("delete", "items/si_1/"): "change_items",
    ("post", "cancel_change/"): "cancel_change",
    ("post", "trial/"): "change_trial",
    ("post", "discount/"): "apply_discount",
    ("post", "pause/"): "pause_subscription",
    ("post", "unpause/"): "unpause_subscription",
    ("post", "invoices/in_1/pay/"): "pay_invoice",
    ("post", "invoices/in_1/refund/"): "refund_invoice",
    ("post", "invoices/in_1/credit_note/"): "issue_credit_note",
    ("post", "portal/"): "open_portal",
    ("post", "payment_methods/"): "add_payment_method",
    ("delete", "payment_methods/pm_1/"): "remove_payment_method",
    ("post", "payment_methods/pm_1/default/"): "set_default_payment_method",
}
LISTS = ("status/", "invoices/", "payment_methods/")
ABOUT_ONE = ("cancel", "resume", "change", "pause", "unpause")


class Nobody(BasePermission):
    """Let nobody in."""

    def has_permission(self, request: Any, view: Any) -> bool:
        return False


def client_of(user: Any) -> APIClient:
    """Return a user's client."""
    client = APIClient()
    client.force_authenticate(user)
    return client


def status_of(client: APIClient, method: str, path: str) -> int:
    """Call an endpoint with an empty body."""
    return int(getattr(client, method)(f"{ROOT}{path}", format="json").status_code)


@pytest.fixture(params=["other customer", "staff"])
def stranger(request: pytest.FixtureRequest) -> Iterator[APIClient]:
    """Return the client of somebody who has nothing to do with the customer."""
    return client_of(make_user(username="mallory", password="pw", is_staff=request.param == "staff"))


def test_anonymous(anonymous_client: APIClient, host: SubscriptionHost) -> None:
    calls = [*OF_ACTIONS, *(("get", path) for path in LISTS)]
    assert {call: status_of(anonymous_client, *call) for call in calls} == dict.fromkeys(calls, 401)
    plans = anonymous_client.get(f"{ROOT}plans/")
    assert (plans.status_code, len(plans.json()["results"])) == (200, 2)


def test_anonymous__even_where_everybody_is_let_in(
    anonymous_client: APIClient, host: SubscriptionHost, settings: Any
) -> None:
    settings.STRIPE_GATEWAY_PERMISSION_CLASSES = ["rest_framework.permissions.AllowAny"]
    host.subscribed()
    for path in LISTS:
        assert status_of(anonymous_client, "get", path) == 401
    body = {"plan_id": host.basic.plan_id}
    assert host.post("subscribe", body, client=anonymous_client).status_code == 401


def test_subscription__of_another(host: SubscriptionHost, stranger: APIClient) -> None:
    subscription = host.subscribed()
    before = Subscription.objects.values().get()
    host.fake.forget_requests()
    for path in ABOUT_ONE:
        body = {"subscription_id": subscription.provider_id}
        body |= {"plan_id": host.premium.plan_id} if path == "change" else {}
        answer = host.post(path, body, client=stranger)
        unknown = host.post(path, body | {"subscription_id": "sub_unknown"}, client=stranger)
        assert (answer.status_code, answer.json()) == (404, unknown.json()), path
    preview = {"subscription_id": subscription.provider_id, "quantity": 2, "preview": True}
    assert host.post("change", preview, client=stranger).status_code == 404
    assert host.fake.requests == []
    assert Subscription.objects.values().get() == before


def test_payment_method__of_another(host: SubscriptionHost, stranger: APIClient) -> None:
    host.subscribed()
    host.change_card(Subscription.objects.get(), "pm_card_visa")
    host.deliver_new()
    theirs = host.customer.default_payment_method
    assert theirs
    assert host.post("subscribe", {"plan_id": host.basic.plan_id}, client=stranger).status_code == 201
    refused = [
        host.post("subscribe", {"plan_id": host.premium.plan_id, "payment_method": theirs}, client=stranger),
        host.post(f"payment_methods/{theirs}/default", client=stranger),
        stranger.delete(f"{ROOT}payment_methods/{theirs}/"),
    ]
    for answer in refused:
        assert (answer.status_code, answer.json()["code"]) == (400, "unknown_payment_method"), answer.content
    assert refused[0].json()["field"] == "payment_method"
    assert host.fake.get(theirs)["customer"] == host.customer.provider_id
    assert Subscription.objects.filter(plan=host.premium.plan).count() == 0


def test_lists__own_rows_only(host: SubscriptionHost, stranger: APIClient) -> None:
    host.subscribed()
    host.change_card(Subscription.objects.get(), "pm_card_visa")
    host.deliver_new()
    for path in LISTS:
        assert len(host.client.get(f"{ROOT}{path}").json()["results"]) >= 1, path
        assert stranger.get(f"{ROOT}{path}").json()["results"] == [], path


def test_action_permissions(host: SubscriptionHost, settings: Any) -> None:
    assert set(OF_ACTIONS.values()) == set(SUBSCRIPTION_ACTIONS)
    for restricted in SUBSCRIPTION_ACTIONS:
        settings.STRIPE_GATEWAY_ACTION_PERMISSIONS = {restricted: [f"{__name__}.Nobody"]}
        for (method, path), action in OF_ACTIONS.items():
            answer = getattr(host.client, method)(f"{ROOT}{path}", format="json")
            is_refused = answer.status_code == 403 and answer.json()["code"] == "permission_denied"
            assert is_refused is (action == restricted), (path, restricted)


def test_action_permissions__are_for_changes_only(host: SubscriptionHost, settings: Any) -> None:
    """Also where what is read has the address of what is changed."""
    subscription = host.subscribed()
    settings.STRIPE_GATEWAY_ACTION_PERMISSIONS = {name: [f"{__name__}.Nobody"] for name in SUBSCRIPTION_ACTIONS}
    for path in (f"items/?subscription_id={subscription.provider_id}", *LISTS):
        assert status_of(host.client, "get", path) == 200, path
    settings.STRIPE_GATEWAY_PERMISSION_CLASSES = [f"{__name__}.Nobody"]
    for path in LISTS:
        assert status_of(host.client, "get", path) == 403, path


class BossPays(Adapter):
    def get_owner(self, request: Any) -> Any:
        """Return who pays for everybody."""
        return type(request.user)._default_manager.get(username="boss")


def test_get_owner(host: SubscriptionHost, settings: Any, other_client: APIClient) -> None:
    owner = make_user(username="boss", password="pw")
    settings.STRIPE_GATEWAY_ADAPTER = f"{__name__}.BossPays"
    made = host.subscribe()
    assert Subscription.objects.get().customer.owner == owner
    # Whoever speaks for the same owner sees and changes the same.
    shown = host.get("status", client=other_client).json()["results"]
    assert [found["subscription_id"] for found in shown] == [made["subscription_id"]]
    body = {"subscription_id": made["subscription_id"], "at_period_end": False}
    assert host.post("cancel", body, client=other_client).status_code == 200
    assert Subscription.objects.get().logs.filter(actor__contains="user:").exists()
    settings.STRIPE_GATEWAY_ADAPTER = "django_stripe_gateway.adapter.Adapter"
    assert host.get("status").json()["results"] == []
    assert host.post("resume", {"subscription_id": made["subscription_id"]}).status_code == 404
