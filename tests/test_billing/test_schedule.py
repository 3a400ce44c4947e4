"""A change at the end of the period: planned, shown, taken back, and let go where something else is asked for."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from django_stripe_gateway.exceptions import InvalidInput, WrongState
from django_stripe_gateway.gateways.registry import get_billing_gateway
from django_stripe_gateway.models import BillingOperation, Subscription, SubscriptionLog
from django_stripe_gateway.subscriptions import (
    active_plan,
    cancel_change,
    cancel_subscription,
    change_subscription,
    pause_subscription,
    resume_subscription,
    unpause_subscription,
)
from tests.conftest import SignalRecorder
from tests.test_billing.host import SubscriptionHost
from tests.test_billing.rows import now, planned

pytestmark = pytest.mark.django_db(transaction=True)


def nothing(subscription: Subscription) -> bool:
    row = now(subscription)
    change = (row.scheduled_change_at, row.scheduled_pricing, row.scheduled_price_id, row.scheduled_quantity)
    return (row.schedule_id, row.scheduled_change, *change) == ("", None, None, None, "", None)


def schedules(host: SubscriptionHost, *, running: bool = True) -> list[dict[str, Any]]:
    return [one for one in host.fake.all("subscription_schedule") if not running or one["status"] == "active"]


def at_stripe(host: SubscriptionHost, subscription: Subscription) -> list[tuple[str, int]]:
    items = host.fake.get(subscription.provider_id)["items"]["data"]
    return sorted((item["price"]["id"], item["quantity"]) for item in items)


def next_month(host: SubscriptionHost) -> None:
    host.fake.advance(days=32)
    host.deliver_new()


@pytest.fixture
def premium(either_host: SubscriptionHost) -> Subscription:
    """Return a subscription to the dearer plan."""
    return either_host.subscribed(either_host.premium)


@pytest.fixture
def downgraded(either_host: SubscriptionHost, premium: Subscription) -> Subscription:
    """Return one that will have the cheaper plan."""
    return change_subscription(subscription=premium, pricing=either_host.basic, at_period_end=True)


def foreign(host: SubscriptionHost, subscription: Subscription, *phases: dict[str, Any], **params: Any) -> None:
    """Let the merchant plan what becomes of a subscription."""
    host.fake.schedule_subscription(subscription.provider_id, list(phases), **params)
    host.deliver_new()


def selling(host: SubscriptionHost) -> dict[str, Any]:
    return {"items": [{"price": host.basic.stripe_price_id, "quantity": 1}]}


def test_downgrade(either_host: SubscriptionHost, premium: Subscription, recorded_signals: SignalRecorder) -> None:
    host = either_host
    changed = change_subscription(subscription=premium, pricing=host.basic, at_period_end=True)
    assert changed.plan == host.premium.plan
    assert planned(premium) == (host.basic, 1, True)
    host.deliver_new()
    assert planned(premium) == (host.basic, 1, True)
    assert active_plan(host.user) == host.premium.plan
    assert "subscription_changed" not in recorded_signals.names
    next_month(host)
    assert (now(premium).plan, now(premium).scheduled_change) == (host.basic.plan, None)
    assert recorded_signals.names.count("subscription_changed") == 1
    invoice = host.fake.get(host.fake.get(premium.provider_id)["latest_invoice"])
    assert invoice["total"] == 2000
    # Once its last phase is over, the schedule lets the subscription go.
    next_month(host)
    assert nothing(premium)
    assert (now(premium).status, at_stripe(host, premium)) == ("active", [(host.basic.stripe_price_id, 1)])


def test_add_ons_stay(either_host: SubscriptionHost, premium: Subscription) -> None:
    host = either_host
    extra = host.sell("extra", Decimal("5.00"))
    type(extra.plan).objects.filter(pk=extra.plan_id).update(is_add_on=True)
    item = {"price": extra.stripe_price_id, "quantity": 3}
    host.fake.change_subscription(premium.provider_id, {"items": [item]})
    host.deliver_new()
    change_subscription(subscription=now(premium), pricing=host.basic, at_period_end=True)
    assert planned(premium) == (host.basic, 1, True)
    next_month(host)
    assert dict(at_stripe(host, premium)) == {host.basic.stripe_price_id: 1, extra.stripe_price_id: 3}


def test_quantity(either_host: SubscriptionHost, premium: Subscription) -> None:
    host = either_host
    host.premium.is_per_seat = True
    host.premium.save()
    change_subscription(subscription=now(premium), quantity=4, at_period_end=True)
    assert planned(premium) == (host.premium, 4, True)
    assert now(premium).quantity == 1
    next_month(host)
    assert (now(premium).quantity, now(premium).scheduled_change) == (4, None)


def test_a_second_one_replaces_the_first(either_host: SubscriptionHost, downgraded: Subscription) -> None:
    host = either_host
    other = host.sell("other", Decimal("30.00"))
    change_subscription(subscription=now(downgraded), pricing=other, at_period_end=True)
    assert planned(downgraded) == (other, 1, True)
    assert len(schedules(host, running=False)) == 1
    next_month(host)
    assert now(downgraded).plan == other.plan


def test_asking_for_what_is_charged_now_takes_it_back(either_host: SubscriptionHost, downgraded: Subscription) -> None:
    host = either_host
    change_subscription(subscription=now(downgraded), pricing=host.premium, at_period_end=True)
    assert nothing(downgraded)
    assert schedules(host) == []


def test_nothing_to_change(either_host: SubscriptionHost, premium: Subscription) -> None:
    host = either_host
    with pytest.raises(InvalidInput) as caught:
        change_subscription(subscription=premium, pricing=host.premium, at_period_end=True)
    assert caught.value.code == "nothing_to_change"
    change_subscription(subscription=premium, pricing=host.basic, at_period_end=True)
    with pytest.raises(InvalidInput) as caught:
        change_subscription(subscription=now(premium), pricing=host.basic, at_period_end=True)
    assert caught.value.code == "nothing_to_change"
    assert len(schedules(host)) == 1


def test_trial__changes_when_it_ends(either_host: SubscriptionHost) -> None:
    host = either_host
    host.premium.trial_days = 10
    host.premium.save()
    trial = host.subscribed(host.premium)
    change_subscription(subscription=now(trial), pricing=host.basic, at_period_end=True)
    assert (now(trial).status, now(trial).scheduled_change_at) == ("trialing", now(trial).trial_end)
    host.fake.advance(days=11)
    host.deliver_new()
    assert now(trial).plan == host.basic.plan


def test_plan_that_does_not_renew(either_host: SubscriptionHost, premium: Subscription) -> None:
    host = either_host
    once = host.sell("once", Decimal("9.00"), auto_renew=False)
    change_subscription(subscription=premium, pricing=once, at_period_end=True)
    next_month(host)
    assert (now(premium).plan, now(premium).on_grace_period) == (once.plan, True)
    next_month(host)
    assert now(premium).status == "canceled"
    assert nothing(premium)


def test_refusals(either_host: SubscriptionHost, premium: Subscription) -> None:
    host = either_host
    for values in ({"proration": "none"}, {"proration_date": premium.current_period_start}):
        with pytest.raises(InvalidInput) as caught:
            change_subscription(subscription=premium, pricing=host.basic, at_period_end=True, **values)
        assert [caught.value.field] == list(values)
    cancel_subscription(subscription=premium)
    with pytest.raises(WrongState) as refused:
        change_subscription(subscription=now(premium), pricing=host.basic, at_period_end=True)
    assert refused.value.code == "ends_with_period"
    # Nor behind our back.
    Subscription.objects.update(cancel_at_period_end=False, cancel_at=None)
    with pytest.raises(WrongState) as refused:
        change_subscription(subscription=now(premium), pricing=host.basic, at_period_end=True)
    assert refused.value.code == "ends_with_period"
    assert (now(premium).cancel_at_period_end, schedules(host)) == (True, [])


def test_cancel_change(either_host: SubscriptionHost, downgraded: Subscription) -> None:
    host = either_host
    taken_back = cancel_change(subscription=now(downgraded))
    assert taken_back.scheduled_change is None
    host.deliver_new()
    assert nothing(downgraded)
    dropped = SubscriptionLog.objects.get(message__startswith="scheduled change dropped")
    assert "1 x" in dropped.message
    with pytest.raises(WrongState) as caught:
        cancel_change(subscription=now(downgraded))
    assert caught.value.code == "nothing_scheduled"
    next_month(host)
    assert now(downgraded).plan == host.premium.plan


def test_change_now(either_host: SubscriptionHost, downgraded: Subscription) -> None:
    host = either_host
    other = host.sell("other", Decimal("80.00"))
    changed = change_subscription(subscription=now(downgraded), pricing=other)
    assert (changed.plan, changed.scheduled_change) == (other.plan, None)
    assert nothing(downgraded)
    next_month(host)
    assert now(downgraded).plan == other.plan


def test_cancel_at_period_end_and_resume(either_host: SubscriptionHost, downgraded: Subscription) -> None:
    host = either_host
    cancelled = cancel_subscription(subscription=now(downgraded))
    assert (cancelled.on_grace_period, cancelled.scheduled_change) == (True, None)
    assert SubscriptionLog.objects.filter(message__startswith="scheduled change dropped").count() == 1
    resumed = resume_subscription(subscription=now(downgraded))
    assert (resumed.is_recurring, resumed.plan) == (True, host.premium.plan)
    next_month(host)
    assert now(downgraded).plan == host.premium.plan


def test_cancel_at_once(either_host: SubscriptionHost, downgraded: Subscription) -> None:
    ended = cancel_subscription(subscription=now(downgraded), at_period_end=False)
    assert ended.has_ended
    assert nothing(downgraded)
    either_host.deliver_new()
    assert nothing(downgraded)
    assert schedules(either_host) == []


def test_pause__keeps_what_is_scheduled(either_host: SubscriptionHost, downgraded: Subscription) -> None:
    pause_subscription(subscription=now(downgraded))
    assert planned(downgraded) == (either_host.basic, 1, True)
    unpause_subscription(subscription=now(downgraded))
    assert planned(downgraded) == (either_host.basic, 1, True)


def test_after_the_change__the_schedule_is_in_nobodys_way(
    either_host: SubscriptionHost, downgraded: Subscription
) -> None:
    host = either_host
    next_month(host)
    assert len(schedules(host)) == 1
    assert cancel_subscription(subscription=now(downgraded)).on_grace_period
    assert resume_subscription(subscription=now(downgraded)).is_recurring
    change_subscription(subscription=now(downgraded), pricing=host.premium, at_period_end=True)
    assert planned(downgraded) == (host.premium, 1, True)


def test_foreign__is_shown(
    either_host: SubscriptionHost, premium: Subscription, recorded_signals: SignalRecorder
) -> None:
    host = either_host
    foreign(host, premium, selling(host))
    assert planned(premium) == (host.basic, 1, True)
    host.fake.release_schedule(now(premium).schedule_id)
    host.deliver_new()
    assert nothing(premium)
    foreign(host, premium, selling(host))
    next_month(host)
    assert (now(premium).plan, now(premium).scheduled_change) == (host.basic.plan, None)
    assert recorded_signals.names.count("subscription_changed") == 1


def test_foreign__negotiated_price(either_host: SubscriptionHost, premium: Subscription) -> None:
    host = either_host
    price = host.fake.get(host.basic.stripe_price_id)
    own = get_billing_gateway("stripe").v1.prices.create(  # type: ignore[attr-defined]
        {"product": price["product"], "currency": "usd", "unit_amount": 1, "recurring": {"interval": "month"}}
    )
    foreign(host, premium, {"items": [{"price": own.id, "quantity": 2}]})
    row = now(premium)
    assert (row.scheduled_price_id, row.scheduled_pricing, row.scheduled_quantity) == (own.id, None, 2)


def test_foreign__one_change(either_host: SubscriptionHost, premium: Subscription) -> None:
    host = either_host
    foreign(host, premium, selling(host))
    for refused in (
        lambda: change_subscription(subscription=now(premium), pricing=host.basic),
        lambda: change_subscription(subscription=now(premium), pricing=host.premium, at_period_end=True),
        lambda: cancel_change(subscription=now(premium)),
    ):
        with pytest.raises(WrongState) as caught:
            refused()
        assert caught.value.code == "has_schedule"
    assert len(schedules(host)) == 1
    # Who cancels is not charged what would change.
    assert cancel_subscription(subscription=now(premium)).on_grace_period
    assert nothing(premium)


@pytest.mark.parametrize("end_behavior", ["release", "cancel"])
def test_foreign__terms(either_host: SubscriptionHost, premium: Subscription, end_behavior: str) -> None:
    host = either_host
    phases = [selling(host)] if end_behavior == "cancel" else [selling(host), selling(host)]
    foreign(host, premium, *phases, end_behavior=end_behavior)
    with pytest.raises(WrongState) as caught:
        cancel_subscription(subscription=now(premium))
    assert caught.value.code == "has_schedule"
    assert len(schedules(host)) == 1
    # The seller's own code, or staff, may.
    cancel_change(subscription=now(premium), any_schedule=True)
    assert nothing(premium)
    assert cancel_subscription(subscription=now(premium)).on_grace_period


def test_ours_that_was_edited_is_foreign(either_host: SubscriptionHost, downgraded: Subscription) -> None:
    host = either_host
    (ours,) = schedules(host)
    phases = [
        {
            "start_date": phase["start_date"],
            "end_date": phase["end_date"],
            "items": [{"price": item["price"], "quantity": item["quantity"]} for item in phase["items"]],
        }
        for phase in ours["phases"]
    ]
    more = {"items": [{"price": host.premium.stripe_price_id, "quantity": 1}]}
    schedules_at = get_billing_gateway("stripe").v1.subscription_schedules  # type: ignore[attr-defined]
    schedules_at.update(ours["id"], {"phases": [*phases, more]})
    host.deliver_new()
    with pytest.raises(WrongState) as caught:
        cancel_subscription(subscription=now(downgraded))
    assert caught.value.code == "has_schedule"


def test_event_that_is_late(either_host: SubscriptionHost, premium: Subscription) -> None:
    host = either_host
    change_subscription(subscription=premium, pricing=host.basic, at_period_end=True)
    events = host.new_events()
    cancel_change(subscription=now(premium))
    host.deliver(reversed(events))
    assert nothing(premium)
    host.deliver_new()
    assert nothing(premium)


def test_discounts_and_trial_stay(either_host: SubscriptionHost, premium: Subscription) -> None:
    host = either_host
    host.fake.coupon(id="HALF", percent_off=50, duration="forever")
    host.fake.change_subscription(premium.provider_id, {"discounts": [{"coupon": "HALF"}]})
    host.deliver_new()
    before = host.fake.get(premium.provider_id)["discounts"]
    change_subscription(subscription=now(premium), pricing=host.basic, at_period_end=True)
    next_month(host)
    assert host.fake.get(premium.provider_id)["discounts"] == before
    assert host.fake.get(host.fake.get(premium.provider_id)["latest_invoice"])["total"] == 1000


@pytest.mark.parametrize("how", ["again", "something else"])
def test_killed_between_its_calls(
    either_host: SubscriptionHost, premium: Subscription, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    host = either_host

    class Killed(BaseException):
        pass

    def die(*args: Any, **kwargs: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(type(get_billing_gateway("stripe")), "schedule_change", die)
        with pytest.raises(Killed):
            change_subscription(subscription=premium, pricing=host.basic, at_period_end=True)
    assert len(schedules(host)) == 1
    host.deliver_new()
    operation = BillingOperation.objects.pending().get()
    BillingOperation.objects.pending().update(leased_until=operation.created)
    host.fake.forget_idempotency_keys()
    if how == "again":
        change_subscription(subscription=now(premium), pricing=host.basic, at_period_end=True)
        assert planned(premium) == (host.basic, 1, True)
    else:
        cancel_subscription(subscription=now(premium))
        assert now(premium).on_grace_period
        assert nothing(premium)
    assert len(schedules(host, running=False)) == 1
