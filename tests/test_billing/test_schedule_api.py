"""A change at the end of the period, over HTTP."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from rest_framework.test import APIClient

from django_stripe_gateway.gateways.registry import get_billing_gateway
from django_stripe_gateway.models import Subscription
from tests.factories import make_user
from tests.test_billing.host import SubscriptionHost

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def premium(host: SubscriptionHost) -> Subscription:
    return host.subscribed(host.premium)


def downgrade(host: SubscriptionHost, subscription: Subscription, **more: Any) -> dict[str, Any]:
    wanted = {"plan_id": host.basic.plan_id, "at_period_end": True}
    return {"subscription_id": subscription.provider_id, **wanted, **more}


def test_scheduled_and_taken_back(host: SubscriptionHost, premium: Subscription) -> None:
    assert host.get("status").json()["results"][0]["scheduled_change"] is None
    answer = host.post("change", downgrade(host, premium))
    assert answer.status_code == 200
    change = answer.json()["scheduled_change"]
    assert (change["plan"]["slug"], change["pricing"]["amount"], change["quantity"]) == ("basic", "20.00", 1)
    assert change["at"] == answer.json()["current_period_end"]
    assert (answer.json()["plan"]["slug"], answer.json()["cancel_at_period_end"]) == ("premium", False)
    assert host.get("status").json()["results"][0]["scheduled_change"] == change
    again = host.post("change", downgrade(host, premium))
    assert (again.status_code, again.json()["code"]) == (400, "nothing_to_change")
    body = {"subscription_id": premium.provider_id}
    answer = host.post("cancel_change", body)
    assert (answer.status_code, answer.json()["scheduled_change"]) == (200, None)
    answer = host.post("cancel_change", body)
    assert (answer.status_code, answer.json()["code"]) == (409, "nothing_scheduled")


def test_refused__leaves_no_schedule(either_host: SubscriptionHost) -> None:
    host, gateway = either_host, get_billing_gateway("stripe")
    mine = host.subscribed(host.premium)
    gateway.archive_price(host.basic.stripe_price_id or "", idempotency_key="archive")
    assert host.post("change", downgrade(host, mine)).status_code == 400
    host.deliver_new()
    mine.refresh_from_db()
    assert (mine.schedule_id, host.fake.get(mine.provider_id)["schedule"]) == ("", None)


def test_refused__leaves_what_was_scheduled_before(host: SubscriptionHost, premium: Subscription) -> None:
    host.post("change", downgrade(host, premium))
    other, gateway = host.sell("other", Decimal("9.00")), get_billing_gateway("stripe")
    gateway.archive_price(other.stripe_price_id or "", idempotency_key="archive")
    assert host.post("change", downgrade(host, premium, plan_id=other.plan_id)).status_code == 400
    host.deliver_new()
    premium.refresh_from_db()
    assert premium.scheduled_pricing == host.basic


def test_idempotency(host: SubscriptionHost, premium: Subscription) -> None:
    answers = [host.post("change", downgrade(host, premium), HTTP_IDEMPOTENCY_KEY="one") for _again in range(2)]
    assert answers[0].json() == answers[1].json()
    body = {"subscription_id": premium.provider_id}
    answers = [host.post("cancel_change", body, HTTP_IDEMPOTENCY_KEY="two") for _again in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert len(host.fake.all("subscription_schedule")) == 1


def test_somebody_elses(host: SubscriptionHost, premium: Subscription) -> None:
    stranger = APIClient()
    stranger.force_authenticate(make_user())
    host.post("change", downgrade(host, premium))
    for path, body in (
        ("change", downgrade(host, premium)),
        ("cancel_change", {"subscription_id": premium.provider_id}),
    ):
        assert host.post(path, body, client=stranger).status_code == 404
    assert len(host.fake.all("subscription_schedule")) == 1


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"proration": "none"}, "proration"),
        ({"proration_date": "2026-11-12T10:00:00Z"}, "proration_date"),
        ({"at_period_end": "soon"}, "at_period_end"),
    ],
)
@pytest.mark.parametrize("preview", [True, False])
def test_bad_input(
    host: SubscriptionHost, premium: Subscription, more: dict[str, Any], field: str, preview: bool
) -> None:
    answer = host.post("change", downgrade(host, premium, preview=preview, **more))
    assert (answer.status_code, answer.json()["field"]) == (400, field)


def test_preview(host: SubscriptionHost, premium: Subscription) -> None:
    answer = host.post("change", downgrade(host, premium, preview=True))
    body = answer.json()
    assert (answer.status_code, body["total"], body["proration_date"]) == (200, "20.00", None)
    assert [line["is_proration"] for line in body["lines"]] == [False]
    assert host.fake.all("subscription_schedule") == []


def test_foreign(host: SubscriptionHost, premium: Subscription) -> None:
    phases = [{"items": [{"price": host.basic.stripe_price_id, "quantity": 1}]}] * 2
    host.fake.schedule_subscription(premium.provider_id, phases)
    host.deliver_new()
    body = {"subscription_id": premium.provider_id}
    for path in ("cancel_change", "cancel"):
        answer = host.post(path, body)
        assert (answer.status_code, answer.json()["code"]) == (409, "has_schedule")
