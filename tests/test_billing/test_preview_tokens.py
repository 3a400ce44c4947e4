"""A preview's token fixes what a change costs: of this change, for the same person, for some minutes."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.core import signing
from django.utils import timezone

from django_stripe_gateway.models import Invoice, Subscription
from django_stripe_gateway.services.origins import Origin
from django_stripe_gateway.services.subscriptions.preview_tokens import MAX_AGE, sign_preview
from django_stripe_gateway.subscriptions import change_subscription
from tests.test_billing.host import SubscriptionHost
from tests.test_billing.rows import now

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def mine(host: SubscriptionHost) -> Subscription:
    """Return a subscription to a price per seat, ten days old by everybody's clock."""
    host.basic.is_per_seat = host.premium.is_per_seat = True
    host.basic.save()
    host.premium.save()
    return host.subscribed()


@pytest.fixture
def clock(host: SubscriptionHost, mine: Subscription, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let everybody's clock be Stripe's."""
    monkeypatch.setattr(timezone, "now", lambda: datetime.fromtimestamp(host.fake.state.now(), UTC))


def body_of(mine: Subscription, **change: Any) -> dict[str, Any]:
    return {"subscription_id": mine.provider_id, **change}


def preview(host: SubscriptionHost, body: dict[str, Any]) -> dict[str, Any]:
    answer = host.post("change", body | {"preview": True})
    assert answer.status_code == 200, answer.content
    shown: dict[str, Any] = answer.json()
    return shown


def refusal(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def test_change__costs_what_was_shown(host: SubscriptionHost, mine: Subscription, clock: None, settings: Any) -> None:
    settings.STRIPE_GATEWAY_PRORATION_BEHAVIOR = "always_invoice"
    host.fake.advance(days=10)
    body = body_of(mine, plan_id=host.premium.plan_id)
    shown = preview(host, body)
    host.fake.advance(seconds=14 * 60)
    # What the site does by itself meanwhile is not what was shown.
    settings.STRIPE_GATEWAY_PRORATION_BEHAVIOR = "none"
    changed = host.post("change", body | {"preview_token": shown["preview_token"]})
    assert (changed.status_code, changed.json()["plan"]["slug"]) == (200, "premium")
    host.deliver_new()
    paid = Invoice.objects.filter(billing_reason="subscription_update").get()
    assert (paid.status, paid.total) == ("paid", Decimal(shown["total"]))
    # Once made, the same is no change.
    again = host.post("change", body | {"preview_token": shown["preview_token"]})
    assert refusal(again) == (409, "stale_preview")


def test_change__repeated_under_its_key(host: SubscriptionHost, mine: Subscription) -> None:
    body = body_of(mine, quantity=3)
    body["preview_token"] = preview(host, body)["preview_token"]
    first, second = (host.post("change", body, HTTP_IDEMPOTENCY_KEY="key-1") for _ in range(2))
    assert (first.status_code, second.status_code) == (200, 200)
    assert first.json() == second.json()


def test_change__at_the_periods_end(host: SubscriptionHost, mine: Subscription) -> None:
    body = body_of(mine, plan_id=host.premium.plan_id, at_period_end=True)
    shown = preview(host, body)
    assert shown["proration_date"] is None
    changed = host.post("change", body | {"preview_token": shown["preview_token"]})
    assert (changed.status_code, changed.json()["scheduled_change"]["plan"]["slug"]) == (200, "premium")


@pytest.mark.parametrize(
    "other",
    [
        {"quantity": 4},
        {"quantity": 3, "plan_id": "premium"},
        {"quantity": 3, "at_period_end": True},
        {"quantity": 3, "pricing_id": "basic"},
    ],
)
def test_token__of_another_change(host: SubscriptionHost, mine: Subscription, other: dict[str, Any]) -> None:
    token = preview(host, body_of(mine, quantity=3))["preview_token"]
    ids = {"premium": host.premium.plan_id, "basic": host.basic.pk}
    change = {name: ids.get(value, value) for name, value in other.items()}
    answer = host.post("change", body_of(mine, preview_token=token, **change))
    assert refusal(answer) == (400, "invalid_preview_token")
    assert answer.json()["field"] == "preview_token"


@pytest.mark.usefixtures("one_per_plan")
def test_token__of_another_subscription(host: SubscriptionHost, mine: Subscription) -> None:
    other = host.subscribed(host.premium)
    token = preview(host, body_of(mine, quantity=3))["preview_token"]
    assert refusal(host.post("change", body_of(other, quantity=3, preview_token=token))) == (
        400,
        "invalid_preview_token",
    )


def test_token__of_another_person(host: SubscriptionHost, mine: Subscription) -> None:
    terms = {"quantity": 3, "moment": timezone.now(), "proration": "none", "origin": Origin(actor="user:0")}
    token = sign_preview(subscription=mine, **terms)
    answer = host.post("change", body_of(mine, quantity=3, preview_token=token))
    assert refusal(answer) == (400, "invalid_preview_token")


@pytest.mark.parametrize("forge", ["", "abc", "a:b:c", "salt", "cut"])
def test_token__forged(host: SubscriptionHost, mine: Subscription, forge: str) -> None:
    token = preview(host, body_of(mine, quantity=3))["preview_token"]
    forged = {"salt": signing.dumps({"subscription": mine.pk}, salt="another"), "cut": token[:-1]}.get(forge, forge)
    answer = host.post("change", body_of(mine, quantity=3, preview_token=forged))
    assert answer.status_code == 400
    assert forge == "" or refusal(answer) == (400, "invalid_preview_token")
    assert now(mine).quantity == 1


def test_token__expired(host: SubscriptionHost, mine: Subscription, monkeypatch: pytest.MonkeyPatch) -> None:
    then = signing.b62_encode(int(time.time() - MAX_AGE.total_seconds() - 1))
    with monkeypatch.context() as patch:
        patch.setattr(signing.TimestampSigner, "timestamp", lambda self: then)
        token = preview(host, body_of(mine, quantity=3))["preview_token"]
    answer = host.post("change", body_of(mine, quantity=3, preview_token=token))
    assert refusal(answer) == (400, "preview_expired")


@pytest.mark.parametrize("what", ["quantity", "price", "item", "period", "renewal"])
def test_token__stale(host: SubscriptionHost, mine: Subscription, clock: None, what: str) -> None:
    host.support = host.sell("support", Decimal("7.00"), is_add_on=True)
    host.support.may_be_added = True
    host.support.save()
    host.fake.advance(seconds=31 * 86400 - 3600 if what in ("period", "renewal") else 60)
    host.deliver_new()
    mine = now(mine)
    wish = {"quantity": 3}
    if what in ("period", "renewal"):
        # Just before the end of the period that runs now.
        host.fake.advance(seconds=(mine.current_period_end - timezone.now()).total_seconds() - 60)
        host.deliver_new()
    token = preview(host, body_of(mine, **wish))["preview_token"]
    if what == "quantity":
        change_subscription(subscription=mine, quantity=2)
    elif what == "price":
        change_subscription(subscription=mine, plan=host.premium.plan)
    elif what == "item":
        assert host.post("items", body_of(mine, pricing_id=host.support.pk)).status_code == 201
    else:
        host.fake.advance(seconds=120)
        if what == "renewal":
            host.deliver_new()
    answer = host.post("change", body_of(mine, preview_token=token, **wish))
    assert refusal(answer) == (409, "stale_preview")


@pytest.mark.parametrize("more", [{"proration": "none"}, {"proration_date": "2026-11-12T10:00:00Z"}, {"preview": True}])
def test_token__holds_the_terms(host: SubscriptionHost, mine: Subscription, more: dict[str, Any]) -> None:
    host.let_change_terms()
    token = preview(host, body_of(mine, quantity=3))["preview_token"]
    answer = host.post("change", body_of(mine, quantity=3, preview_token=token, **more))
    assert (answer.status_code, answer.json()["field"]) == (400, next(iter(more)))
