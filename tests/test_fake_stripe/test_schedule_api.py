"""What requests make of Subscription Schedules."""

from __future__ import annotations

from typing import Any

import pytest
import stripe

from tests.fake_stripe.periods import period_end
from tests.test_fake_stripe.billing_shop import BillingShop, statuses, types
from tests.test_fake_stripe.schedule_shop import SCHEDULE, kept, prices, scheduled
from tests.test_fake_stripe.shop import plain


def test_from_subscription__refusals(billing: BillingShop) -> None:
    made = billing.subscribe(billing.customer(), billing.price())
    create = billing.v1.subscription_schedules.create
    with pytest.raises(stripe.InvalidRequestError, match="cannot set `metadata` if `from_subscription` is set"):
        create({"from_subscription": made["id"], "metadata": {"a": "1"}})
    with pytest.raises(stripe.InvalidRequestError, match="No such subscription: 'sub_nope'"):
        create({"from_subscription": "sub_nope"})
    first = create({"from_subscription": made["id"]}, {"idempotency_key": "one"})
    assert create({"from_subscription": made["id"]}, {"idempotency_key": "one"}).id == first.id
    with pytest.raises(stripe.InvalidRequestError, match=f"already attached to a schedule: `{first.id}`"):
        create({"from_subscription": made["id"]})
    billing.v1.subscriptions.cancel(made["id"])
    with pytest.raises(stripe.InvalidRequestError, match="currently in the `canceled` status"):
        create({"from_subscription": made["id"]})


def test_release(billing: BillingShop) -> None:
    made = billing.subscribe(billing.customer(), billing.price())
    schedule = scheduled(billing, made, billing.price(10))
    before = len(billing.fake.events())
    released = billing.v1.subscription_schedules.release(schedule.id)
    assert (released.status, released.subscription, released.released_subscription) == ("released", None, made["id"])
    assert types(billing.fake.events()[before:], "") == [
        "customer.subscription.updated",
        SCHEDULE + "updated",
        SCHEDULE + "released",
    ]
    billing.fake.advance(days=32)
    assert prices(billing.fake.get(made["id"])) == prices(made)
    with pytest.raises(stripe.InvalidRequestError, match=r"cannot update .* currently in the `released` status"):
        billing.v1.subscription_schedules.update(schedule.id, {"metadata": {"a": "1"}})


def test_update__the_current_phase_changes_the_subscription(billing: BillingShop) -> None:
    made = billing.subscribe(billing.customer(), billing.price())
    schedule = billing.v1.subscription_schedules.create({"from_subscription": made["id"]})
    phase = kept(schedule)
    phase["items"][0]["quantity"] = 3
    billing.fake.advance(days=5)
    change = {"phases": [phase], "proration_behavior": "always_invoice"}
    billing.v1.subscription_schedules.update(schedule.id, change)
    now = billing.fake.get(made["id"])
    assert now["items"]["data"][0]["quantity"] == 3
    assert now["items"]["data"][0]["id"] == made["items"]["data"][0]["id"]
    assert 2000 < billing.fake.get(now["latest_invoice"])["total"] < 4000


def test_update__the_current_phase_ends_now(billing: BillingShop) -> None:
    made = billing.subscribe(billing.customer(), billing.price())
    schedule = billing.v1.subscription_schedules.create({"from_subscription": made["id"]})
    billing.fake.advance(days=5)
    other = billing.price(9000)
    first = {**kept(schedule), "end_date": "now"}
    second = {"start_date": "now", "items": [{"price": other, "quantity": 1}], "end_date": kept(schedule)["end_date"]}
    updated = billing.v1.subscription_schedules.update(schedule.id, {"phases": [first, second]})
    assert updated.current_phase.start_date == updated.phases[0].end_date == updated.phases[1].start_date
    assert prices(billing.fake.get(made["id"])) == [other]
    # A later update leaves the past phase out.
    again = billing.v1.subscription_schedules.update(schedule.id, {"phases": [kept(updated)]})
    assert len(again.phases) == 2


def test_update__refusals(billing: BillingShop) -> None:
    made = billing.subscribe(billing.customer(), billing.price())
    schedule = billing.v1.subscription_schedules.create({"from_subscription": made["id"]})
    before = billing.fake.get(schedule.id)
    phase = kept(schedule)
    without = {name: phase[name] for name in ("items", "end_date")}
    for phases, message in (
        ([without], "missing at least one phase with a `start_date`"),
        ([{**phase, "start_date": phase["start_date"] - 60}], "can not modify the start date of the current phase"),
        ([{**phase, "duration": {"interval": "month"}}], "only specify one of these parameters: end_date, duration"),
        ([phase, {**phase, "start_date": phase["end_date"] + 60}], "start date of a phase"),
        ([phase] * 11, "up to 10"),
        ([phase, {"items": [{"price": "price_nope"}]}], "No such price"),
        ([phase, {"items": [{"price": billing.price()}], "discounts": [{"coupon": "nope"}]}], "No such coupon"),
    ):
        update = {"end_behavior": "cancel", "metadata": {"a": "1"}, "phases": phases}
        with pytest.raises(stripe.InvalidRequestError, match=message):
            billing.v1.subscription_schedules.update(schedule.id, update)
    with pytest.raises(stripe.InvalidRequestError, match="No such subscription_schedule"):
        billing.v1.subscription_schedules.update("sub_sched_nope", {"metadata": {"a": "1"}})
    assert billing.fake.get(schedule.id) == before


def test_create__starts_now(billing: BillingShop) -> None:
    phases = [
        {"items": [{"price": billing.price(), "quantity": 2}], "duration": {"interval": "month", "interval_count": 2}}
    ]
    params = {"customer": billing.customer(), "start_date": "now", "end_behavior": "cancel", "phases": phases}
    before = len(billing.fake.events())
    schedule = billing.v1.subscription_schedules.create({**params, "expand": ["subscription.latest_invoice"]})
    assert types(billing.fake.events()[before:], SCHEDULE) == ["created"]
    made = plain(schedule)["subscription"]
    assert (made["status"], made["schedule"], made["cancel_at"]) == ("active", schedule.id, schedule.phases[0].end_date)
    # Its first invoice waits like a renewal's.
    assert made["latest_invoice"]["status"] == "draft"
    billing.fake.advance(hours=2)
    assert billing.fake.get(made["latest_invoice"]["id"])["status"] == "paid"
    ended = billing.fake.advance(days=62)
    assert types(ended) == ["updated", "deleted"]
    assert types(ended, SCHEDULE) == ["expiring", "completed"]


def test_create__a_first_payment_that_fails_is_tried_again(billing: BillingShop) -> None:
    phases = [{"items": [{"price": billing.price(), "quantity": 1}], "duration": {"interval": "year"}}]
    params = {"customer": billing.customer("pm_card_chargeCustomerFail"), "start_date": "now", "phases": phases}
    billing.v1.subscription_schedules.create(params)
    assert statuses(billing.fake.advance(hours=2)) == ["past_due"]


def test_create__starts_later(billing: BillingShop) -> None:
    start = billing.fake.state.now() + 86400
    phases = [{"items": [{"price": billing.price(), "quantity": 1}], "trial_end": start + 3 * 86400}]
    params = {"customer": billing.customer(), "start_date": start, "phases": phases, "metadata": {"order": "9"}}
    schedule = billing.v1.subscription_schedules.create(params)
    assert (schedule.status, schedule.subscription, schedule.current_phase) == ("not_started", None, None)
    begun = billing.fake.advance_to(start)
    assert types(begun, SCHEDULE) == ["updated"]
    (made,) = billing.fake.all("subscription")
    assert (made["status"], made["start_date"], made["schedule"]) == ("trialing", start, schedule.id)


def test_create__refusals(billing: BillingShop) -> None:
    items = [{"price": billing.price(), "quantity": 1}]
    good = {"customer": billing.customer(), "start_date": "now", "phases": [{"items": items}]}
    for name in good:
        with pytest.raises(stripe.InvalidRequestError, match=f"Missing required param: {name}"):
            billing.v1.subscription_schedules.create({key: good[key] for key in good if key != name})
    mixed = [*items, {"price": billing.price(5, {"interval": "year"}), "quantity": 1}]
    classic = {**good, "billing_mode": {"type": "classic"}, "phases": [{"items": mixed}]}
    with pytest.raises(stripe.InvalidRequestError, match="same interval") as caught:
        billing.v1.subscription_schedules.create(classic)
    assert caught.value.param == "phases[0][items]"
    assert billing.fake.all("subscription_schedule") == []


def test_create__sends_invoices_if_its_settings_say_so(billing: BillingShop) -> None:
    phases = [{"items": [{"price": billing.price(), "quantity": 1}], "duration": {"interval": "year"}}]
    settings = {"collection_method": "send_invoice", "invoice_settings": {"days_until_due": 14}}
    params = {"customer": billing.customer(""), "start_date": "now", "phases": phases, "default_settings": settings}
    made = plain(billing.v1.subscription_schedules.create({**params, "expand": ["subscription"]}))["subscription"]
    assert (made["status"], made["days_until_due"]) == ("active", 14)
    assert types(billing.fake.advance(hours=2), "invoice.") == ["finalized", "sent"]


def test_cancel(billing: BillingShop) -> None:
    made = billing.subscribe(billing.customer(), billing.price())
    schedule = billing.v1.subscription_schedules.create({"from_subscription": made["id"]})
    billing.fake.advance(days=5)
    canceled = billing.v1.subscription_schedules.cancel(schedule.id)
    assert (canceled.status, billing.status(made)) == ("canceled", "canceled")
    # Unless it is told otherwise, Stripe gives back what is left.
    assert billing.fake.get(made["customer"])["balance"] < 0
    start = billing.fake.state.now() + 86400
    phases = [{"items": [{"price": billing.price(), "quantity": 1}]}]
    params = {"customer": made["customer"], "start_date": start, "phases": phases}
    later = billing.v1.subscription_schedules.create(params)
    billing.v1.subscription_schedules.cancel(later.id, {"invoice_now": False, "prorate": False})
    assert types(billing.fake.advance(days=3), SCHEDULE) == []


def test_list(billing: BillingShop) -> None:
    made = billing.subscribe(billing.customer(), billing.price())
    mine = scheduled(billing, made, billing.price(), metadata={"change": "7"})
    other = billing.subscribe(billing.customer(), billing.price())
    billing.fake.schedule_subscription(other["id"])
    listed = billing.v1.subscription_schedules.list({"customer": made["customer"]}).data
    assert [(item.id, item.metadata["change"]) for item in listed] == [(mine.id, "7")]
    assert len(billing.v1.subscription_schedules.list().data) == 2
    assert billing.v1.subscription_schedules.list({"scheduled": True}).data == []
    billing.v1.subscription_schedules.release(mine.id)
    released = billing.v1.subscription_schedules.list({"released_at": {"gte": made["created"]}}).data
    assert [item.id for item in released] == [mine.id]


@pytest.mark.parametrize(
    ("version", "length", "accepted"),
    [
        ("2024-06-20", {"iterations": 3, "coupon": "HALF"}, True),
        ("2025-08-27.basil", {"iterations": 3}, True),
        ("2025-08-27.basil", {"coupon": "HALF"}, False),
        ("2026-10-28.endive", {"iterations": 3}, False),
        ("2026-10-28.endive", {"duration": {"interval": "month", "interval_count": 3}}, True),
    ],
)
def test_versions(billing: BillingShop, version: str, length: dict[str, Any], accepted: bool) -> None:
    billing.fake.coupon(id="HALF", percent_off=50, duration="forever")
    phases = [{"items": [{"price": billing.price(), "quantity": 1}], **length}]
    params = {"customer": billing.customer(), "start_date": "now", "phases": phases}
    client = billing.client(stripe_version=version).v1
    if not accepted:
        with pytest.raises(stripe.InvalidRequestError, match="unknown parameter: phases") as caught:
            client.subscription_schedules.create(params)
        assert caught.value.param == f"phases[0][{next(iter(length))}]"
        assert len(billing.fake.take_violations()) == 1
        return
    made = plain(client.subscription_schedules.create(params))
    start, end = made["phases"][0]["start_date"], made["phases"][0]["end_date"]
    assert end == period_end(start, start, {"interval": "month", "interval_count": 3})
    old = version < "2025-03-31"
    assert ("coupon" in made["phases"][0], "billing_mode" in made) == (old, not old)
    if old:
        assert made["phases"][0]["coupon"] == "HALF"


def test_preview(billing: BillingShop) -> None:
    """The next invoice of a schedule as an update would make it, which changes nothing."""
    made = billing.subscribe(billing.customer(), billing.price())
    schedules = billing.v1.subscription_schedules
    schedule = schedules.create({"from_subscription": made["id"]})
    phase = kept(schedule)
    schedules.update(schedule.id, {"phases": [phase, {"items": [{"price": billing.price(1000)}]}]})
    before, preview = billing.fake.get(schedule.id), billing.v1.invoices.create_preview
    assert preview({"schedule": schedule.id}).total == 1000
    assert preview({"schedule": schedule.id, "schedule_details": {"phases": [phase]}}).total == 2000
    phase["items"][0]["quantity"] = 3
    details = {"phases": [phase], "proration_behavior": "always_invoice"}
    assert 3990 < preview({"schedule": schedule.id, "schedule_details": details}).total <= 4000
    assert billing.fake.get(schedule.id) == before
    with pytest.raises(stripe.InvalidRequestError, match="together with a subscription"):
        preview({"schedule": schedule.id, "subscription": made["id"]})
