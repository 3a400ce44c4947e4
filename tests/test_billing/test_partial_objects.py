"""An object of Stripe's that lacks what older ones had, as in other versions of its API, erases nothing."""

from __future__ import annotations

from typing import Any

import pytest

from tests.test_billing.host import SubscriptionHost
from tests.test_webhooks.support import Event, changed, deliver, only

pytestmark = pytest.mark.django_db(transaction=True)

KNOWN = ("start", "current_period_start", "current_period_end", "item_id", "price_id", "pricing_id", "plan_id")


def without_items(event: Event) -> Event:
    return changed(event, items={"object": "list", "data": []}, plan=...)


def without_moments(event: Event) -> Event:
    items = event["data"]["object"]["items"]["data"]
    kept = [{name: value for name, value in item.items() if not name.startswith("current_period")} for item in items]
    return changed(
        event,
        items={"object": "list", "data": kept},
        start_date=...,
        created=...,
        current_period_start=...,
        current_period_end=...,
    )


@pytest.mark.parametrize("reduce", [without_items, without_moments])
def test_partial_object(either_host: SubscriptionHost, reduce: Any) -> None:
    host = either_host
    subscription = host.subscribed()
    before = {name: getattr(subscription, name) for name in KNOWN}
    assert all(before.values())
    host.fake.change_subscription(subscription.provider_id, {"cancel_at_period_end": True})
    (event,) = only(host.new_events(), "customer.subscription.updated")
    # Later than all that is known, so that nobody asks Stripe.
    later = reduce(event) | {"created": event["created"] + 60}
    host.fake.forget_requests()
    assert deliver(later).json()["state"] == "processed"
    assert host.fake.requests == []
    subscription.refresh_from_db()
    assert subscription.cancel_at_period_end is True
    assert {name: getattr(subscription, name) for name in KNOWN} == before
