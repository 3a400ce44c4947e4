"""A pause lets nobody off what is charged by use, or what was had and is not invoiced yet."""

from __future__ import annotations

from typing import Any

import pytest

from django_stripe_gateway import usage
from django_stripe_gateway.exceptions import UsageLimitExceeded
from django_stripe_gateway.models import PlanPricing, Subscription
from django_stripe_gateway.services.subscriptions.add_items import remove_item
from django_stripe_gateway.services.subscriptions.pause import pause_subscription, unpause_subscription
from tests.test_billing.host import SubscriptionHost
from tests.test_billing.metered_host import MeteredHost, send
from tests.test_billing.rows import now

pytestmark = pytest.mark.django_db(transaction=True)

UNCOLLECTED = ["void", "mark_uncollectible"]


@pytest.fixture(autouse=True)
def _customers(clock: None, settings: Any) -> None:
    """Let customers pause."""
    settings.STRIPE_GATEWAY_CUSTOMER_ACTIONS = ["default", "pause_subscription", "unpause_subscription"]
    settings.STRIPE_GATEWAY_USAGE_METERS = {"calls": "api_calls"}


@pytest.fixture
def metered(host: SubscriptionHost) -> MeteredHost:
    return MeteredHost(host)


def pause(host: SubscriptionHost, found: Subscription, **body: Any) -> tuple[int, str]:
    answer = host.post("pause", {"subscription_id": found.provider_id, **body})
    host.deliver_new()
    return answer.status_code, answer.json().get("code", "")


@pytest.mark.parametrize("behavior", [*UNCOLLECTED, "keep_as_draft"])
def test_customer(metered: MeteredHost, behavior: str) -> None:
    found = metered.with_calls()
    metered.pass_time(seconds=60)
    usage.consume(metered.user, "calls", 1_000_000)
    assert pause(metered.host, found, behavior=behavior) == (409, "to_be_invoiced")
    send()
    metered.renew(found)
    assert metered.charges(metered.calls) == [400]


def test_customer__who_has_removed_it(metered: MeteredHost) -> None:
    """The next invoice charges what was used."""
    found = metered.with_calls()
    metered.pass_time(seconds=60)
    usage.consume(metered.user, "calls", 1_000_000)
    send()
    metered.pass_time(seconds=60)
    remove_item(item=found.items.get(is_metered=True))
    metered.host.deliver_new()
    assert pause(metered.host, now(found)) == (409, "to_be_invoiced")
    metered.renew(found)
    assert metered.charges(metered.calls) == [400]
    assert pause(metered.host, now(found)) == (200, "")


def test_customer__who_has_more_seats(host: SubscriptionHost, settings: Any) -> None:
    settings.STRIPE_GATEWAY_PRORATION_BEHAVIOR = "create_prorations"
    PlanPricing.objects.update(is_per_seat=True)
    found = host.subscribed()
    host.post("change", {"subscription_id": found.provider_id, "quantity": 100})
    host.deliver_new()
    assert pause(host, now(found)) == (409, "to_be_invoiced")


@pytest.mark.parametrize("behavior", UNCOLLECTED)
def test_seller(metered: MeteredHost, behavior: str) -> None:
    """Everything says that nothing can be used until collection goes on."""
    found, owner = metered.with_calls(), metered.user
    pause_subscription(subscription=found, behavior=behavior)
    metered.host.deliver_new()
    assert now(found).is_valid
    for ask in (usage.consume, usage.reserve, usage.require):
        with pytest.raises(UsageLimitExceeded, match="paused"):
            ask(owner, "calls", 1)
    assert not usage.check(owner, "calls", 1)
    (shown,) = metered.host.get("me/limits").json()["limits"]
    assert (shown["metric"], shown["limit"], shown["remaining"]) == ("calls", 0, 0)
    unpause_subscription(subscription=now(found))
    metered.host.deliver_new()
    metered.pass_time(seconds=60)
    usage.consume(owner, "calls", 1_000_000)
    send()
    metered.renew(found)
    assert metered.charges(metered.calls) == [400]


def test_seller__who_collects_later(metered: MeteredHost) -> None:
    found = metered.with_calls()
    pause_subscription(subscription=found, behavior="keep_as_draft")
    metered.pass_time(seconds=60)
    usage.consume(metered.user, "calls", 1_000_000)
    send()
    metered.renew(found)
    drafts = [one for one in metered.fake.all("invoice") if one["status"] == "draft"]
    assert [one["total"] for one in drafts] == [42_000]


def test_present(metered: MeteredHost, settings: Any) -> None:
    settings.STRIPE_GATEWAY_PAUSED_IS_VALID = True
    found = metered.with_calls()
    pause_subscription(subscription=found)
    metered.host.deliver_new()
    assert usage.consume(metered.user, "calls", 5).quantity == 5


def test_what_is_not_charged_by_use(metered: MeteredHost) -> None:
    metered.host.basic.plan.limits.create(metric="minutes", limit=10)
    found = metered.with_calls()
    usage.reserve(metered.user, "calls", 5)
    pause_subscription(subscription=found)
    metered.host.deliver_new()
    assert usage.consume(metered.user, "minutes", 5).quantity == 5
