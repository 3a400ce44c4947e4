"""What a customer may do with a subscription, what staff may with anybody's: by role, ownership and endpoint."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Permission
from rest_framework.test import APIClient

from django_stripe_gateway.adapter import Adapter
from django_stripe_gateway.conf.api import CUSTOMERS_ACTIONS, SUBSCRIPTION_ACTIONS
from django_stripe_gateway.models import IdempotencyKey, Invoice, Subscription
from tests.factories import make_user
from tests.test_billing.host import ROOT, SubscriptionHost
from tests.test_billing.test_access import OF_ACTIONS, client_of

pytestmark = pytest.mark.django_db(transaction=True)

# Path → what is sent beside the id; each is the seller's by default.
SELLERS: list[tuple[str, dict[str, Any]]] = [
    ("pause", {}),
    ("pause", {"behavior": "void", "resumes_at": "9999-01-01T00:00:00Z"}),
    ("unpause", {}),
    ("trial", {"trial_end": "now"}),
    ("change", {"quantity": 500, "proration": "none"}),
    ("change", {"quantity": 500, "proration": None}),
    ("change", {"quantity": 500, "proration_date": "2026-01-01T00:00:00Z"}),
    ("change", {"quantity": 500, "proration_date": "2026-01-01T00:00:00Z", "preview": True}),
    ("cancel", {"cancel_at": "2030-01-01T00:00:00Z"}),
    ("cancel", {"at_period_end": False, "refund_unused": "refund"}),
]
STAFF = [
    ("cancel", {}, 200),
    ("resume", {}, 409),
    ("change", {"quantity": 1, "preview": True}, 400),
    ("pause", {}, 200),
    ("unpause", {}, 409),
    ("cancel_change", {}, 409),
    ("trial", {"trial_end": "now"}, 409),
    ("discount", {"promotion_code": "NONE"}, 400),
]


@pytest.fixture(autouse=True)
def _defaults(settings: Any) -> None:
    settings.STRIPE_GATEWAY_CUSTOMER_ACTIONS = ["default"]


def staff(*codenames: str) -> APIClient:
    """Return the client of a member of staff with some permissions."""
    user = make_user(is_staff=True)
    for codename in codenames:
        user.user_permissions.add(Permission.objects.get(codename=codename))
    return client_of(user)


@pytest.mark.parametrize(("path", "asked"), SELLERS)
def test_sellers__not_for_customers(
    host: SubscriptionHost, other_client: APIClient, path: str, asked: dict[str, Any]
) -> None:
    subscription = host.subscribed()
    before = Subscription.objects.values().get()
    host.fake.forget_requests()
    body = {"subscription_id": subscription.provider_id, **asked}
    answer = host.post(path, body)
    assert (answer.status_code, answer.json()["code"]) == (403, "not_allowed"), answer.content
    assert host.post(path, body, client=other_client).status_code in (403, 404)
    assert host.fake.requests == []
    assert Subscription.objects.values().get() == before


@pytest.mark.parametrize(("path", "asked", "status"), STAFF)
def test_staff__with_anybodys(host: SubscriptionHost, path: str, asked: dict[str, Any], status: int) -> None:
    subscription = host.subscribed()
    body = {"subscription_id": subscription.provider_id, **asked}
    for codenames in ((), ("view_subscription", "change_subscription"), ("capture_payment", "refund_payment")):
        answer = host.post(path, body, client=staff(*codenames))
        assert answer.status_code in (403, 404), (codenames, answer.content)
    answer = host.post(path, body, client=staff("change_terms"))
    assert answer.status_code == status, answer.content
    if status == 200:
        assert answer.json()["subscription_id"] == subscription.provider_id


def test_staff__items_and_invoices(host: SubscriptionHost) -> None:
    subscription = host.subscribed()
    invoice = Invoice.objects.latest("pk")
    seller, viewer = staff("change_terms"), staff("view_subscription")
    items = f"{ROOT}items/?subscription_id={subscription.provider_id}"
    assert (staff().get(items).status_code, viewer.get(items).status_code) == (404, 200)
    item = f"{ROOT}items/{subscription.item_id}/"
    assert staff().post(item, {"quantity": 2}, format="json").status_code == 404
    assert seller.post(item, {"quantity": 2}, format="json").status_code == 400
    pay = f"{ROOT}invoices/{invoice.provider_id}/pay/"
    assert (staff().post(pay).status_code, seller.post(pay).status_code) == (404, 409)
    # Lists are everybody's own.
    assert viewer.get(f"{ROOT}status/").json()["results"] == []


def test_staff__cards_are_nobody_elses(host: SubscriptionHost) -> None:
    host.subscribed()
    host.change_card(Subscription.objects.get(), "pm_card_visa")
    host.deliver_new()
    theirs = host.customer.default_payment_method
    for answer in (
        staff("change_terms").delete(f"{ROOT}payment_methods/{theirs}/"),
        staff("change_terms").post(f"{ROOT}payment_methods/{theirs}/default/"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (400, "unknown_payment_method")


@pytest.mark.parametrize("action", [action for action in SUBSCRIPTION_ACTIONS if action in CUSTOMERS_ACTIONS])
def test_closed_by_the_host(host: SubscriptionHost, settings: Any, action: str) -> None:
    """Each can be, and nothing else with it."""
    subscription = host.subscribed()
    invoice = Invoice.objects.latest("pk")
    settings.STRIPE_GATEWAY_CUSTOMER_ACTIONS = [name for name in CUSTOMERS_ACTIONS if name != action]
    bodies = {
        "subscribe": {"plan_id": host.premium.plan_id},
        "change_subscription": {"subscription_id": subscription.provider_id, "quantity": 2, "preview": True},
        "apply_discount": {"subscription_id": subscription.provider_id, "promotion_code": "X"},
        "change_items": {"quantity": 2},
    }
    for (method, path), name in OF_ACTIONS.items():
        if name != action or path == "items/":
            continue
        path = path.replace("si_1", subscription.item_id).replace("in_1", invoice.provider_id)
        about = {"subscription_id": subscription.provider_id}
        is_about_one = path in ("cancel/", "resume/", "cancel_change/")
        body = bodies.get(action, about if is_about_one else {}) if method == "post" else {}
        answer = getattr(host.client, method)(f"{ROOT}{path}", body, format="json")
        assert (answer.status_code, answer.json()["code"]) == (403, "not_allowed"), (path, answer.content)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("subscribe", {"plan_id": 1, "price": 1}),
        ("subscribe", {"plan_id": 1, "add_ons": [{"pricing_id": 1, "amount": 1}]}),
        ("cancel", {"subscription_id": "sub_1", "prorate": False}),
        ("change", {"subscription_id": "sub_1", "quantity": 1, "prorate": False}),
        ("resume", {"subscription_id": "sub_1", "reason": "x"}),
        ("portal", {"return": "x"}),
        ("payment_methods", {"card": "4242"}),
        ("me/usage", {"metric": "x", "quantity": 1, "owner": 2}),
    ],
)
def test_unknown_keys(host: SubscriptionHost, path: str, body: dict[str, Any]) -> None:
    host.fake.forget_requests()
    answer = host.post(path, body)
    assert (answer.status_code, answer.json()["code"]) == (400, "unknown_field"), answer.content
    assert answer.json()["field"] in ("price", "add_ons.0.amount", *body)
    assert host.fake.requests == []


class TestPromotionCodes:
    def test_guessing(self, host: SubscriptionHost, settings: Any) -> None:
        settings.STRIPE_GATEWAY_THROTTLE_RATES = {"subscriptions.write": None}
        subscription = host.subscribed()
        body = {"subscription_id": subscription.provider_id}
        asked = [host.post("discount", body | {"promotion_code": f"GUESS{number}"}).status_code for number in range(10)]
        asked += [
            host.post("subscribe", {"plan_id": host.premium.plan_id, "promotion_code": f"CODE{number}"}).status_code
            for number in range(11)
        ]
        assert asked == [400] * 20 + [429]
        # What has no code is not counted.
        assert host.post("subscribe", {"plan_id": 0}).status_code == 400


class TwoTeams(Adapter):
    """The user speaks for the owner that a header names."""

    def get_owner(self, request: Any) -> Any:
        """Return the owner."""
        name = request.headers.get("X-Team")
        return type(request.user)._default_manager.filter(username=name).first() if name else None


class TestTeams:
    def test_idempotency__of_another_team(self, host: SubscriptionHost, settings: Any) -> None:
        """What one team was answered is not the answer of another's request."""
        settings.STRIPE_GATEWAY_ADAPTER = f"{__name__}.TwoTeams"
        make_user(username="red"), make_user(username="blue")
        body = {"plan_id": host.basic.plan_id}
        headers = {"Idempotency-Key": "one"}
        made = {
            team: host.client.post(f"{ROOT}subscribe/", body, format="json", headers={**headers, "X-Team": team}).json()
            for team in ("red", "blue", "red")
        }
        assert made["red"]["subscription_id"] != made["blue"]["subscription_id"]
        assert IdempotencyKey.objects.count() == Subscription.objects.count() == 2

    def test_idempotency__of_who_has_left(self, host: SubscriptionHost, settings: Any) -> None:
        settings.STRIPE_GATEWAY_ADAPTER = f"{__name__}.TwoTeams"
        make_user(username="red")
        path, headers = f"{ROOT}payment_methods/", {"Idempotency-Key": "one"}
        first = host.client.post(path, {}, format="json", headers={**headers, "X-Team": "red"})
        assert first.json()["client_secret"]
        answer = host.client.post(path, {}, format="json", headers=headers)
        assert answer.status_code in (401, 403)
        assert "client_secret" not in answer.json()

    def test_staff_without_a_team(self, host: SubscriptionHost, settings: Any) -> None:
        subscription = host.subscribed()
        settings.STRIPE_GATEWAY_ADAPTER = f"{__name__}.TwoTeams"
        body = {"subscription_id": subscription.provider_id}
        answer = staff("change_terms").post(f"{ROOT}cancel/", body, format="json", headers={"Idempotency-Key": "k"})
        assert answer.status_code == 200, answer.content
        assert staff().post(f"{ROOT}cancel/", body, format="json").status_code == 401
