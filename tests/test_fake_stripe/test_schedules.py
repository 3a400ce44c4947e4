"""Subscription Schedules: what requests make of them, and what they make of subscriptions."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest
import stripe

from tests.fake_stripe import openapi
from tests.fake_stripe.periods import period_end
from tests.test_fake_stripe.billing_shop import BillingShop, statuses, types
from tests.test_fake_stripe.shop import plain

SCHEDULE = "subscription_schedule."


def prices(obj: dict[str, Any]) -> list[str]:
    """Return what a subscription or a phase sells."""
    items = obj["items"]["data"] if "object" in obj else obj["items"]
    return [item["price"]["id"] if isinstance(item["price"], dict) else item["price"] for item in items]


def kept(schedule: Any) -> dict[str, Any]:
    """Return the current phase as an update gives it again."""
    phase = plain(schedule)["phases"][-1]
    items = [{"price": item["price"], "quantity": item["quantity"]} for item in phase["items"]]
    return {"start_date": phase["start_date"], "end_date": phase["end_date"], "items": items}


def scheduled(billing: BillingShop, made: dict[str, Any], price: str, **params: Any) -> Any:
    """Let a subscription change to another price at the end of its period, as merchants do: in two requests."""
    schedule = billing.v1.subscription_schedules.create({"from_subscription": made["id"]})
    phases = [kept(schedule), {"items": [{"price": price, "quantity": 1}]}]
    return billing.v1.subscription_schedules.update(schedule.id, {"phases": phases, **params})


def test_downgrade_at_the_end_of_the_period(billing: BillingShop) -> None:
    dear, cheap = billing.price(5000), billing.price(2000)
    made = billing.subscribe(billing.customer(), dear)
    before = len(billing.fake.events())
    schedule = scheduled(billing, made, cheap, metadata={"change": "7"})
    events = billing.fake.events()[before:]
    assert types(events, "") == [SCHEDULE + "created", "customer.subscription.updated", SCHEDULE + "updated"]
    assert (schedule.status, schedule.metadata["change"], schedule.id[:10]) == ("active", "7", "sub_sched_")
    end = made["items"]["data"][0]["current_period_end"]
    assert plain(schedule)["current_phase"] == {"start_date": made["start_date"], "end_date": end}
    assert schedule.phases[1].end_date == period_end(end, end, {"interval": "month", "interval_count": 1})
    assert billing.fake.get(made["id"])["schedule"] == schedule.id
    assert prices(billing.fake.get(made["id"])) == [dear]

    renewed = billing.fake.advance_to(end)
    assert types(renewed) == ["updated"]
    assert types(renewed, SCHEDULE) == ["updated"]
    now = billing.fake.get(made["id"])
    assert (prices(now), now["schedule"], now["billing_cycle_anchor"]) == ([cheap], schedule.id, made["start_date"])
    assert now["items"]["data"][0]["id"] != made["items"]["data"][0]["id"]
    assert now["items"]["data"][0]["current_period_start"] == end
    assert billing.fake.get(now["latest_invoice"])["subtotal"] == 2000
    assert billing.fake.all("invoiceitem") == []

    over = billing.fake.advance(days=32)
    assert types(over, SCHEDULE) == ["expiring", "completed"]
    done = billing.v1.subscription_schedules.retrieve(schedule.id)
    assert (done.status, done.subscription, done.released_subscription) == ("completed", None, made["id"])
    assert (billing.fake.get(made["id"])["schedule"], billing.status(made)) == (None, "active")
    assert prices(billing.fake.get(made["id"])) == [cheap]


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


@pytest.mark.parametrize("change", [{"cancel_at_period_end": True}, {"cancel_at_period_end": False}, {"cancel_at": ""}])
def test_managed__refuses_to_be_cancelled_past_the_schedule(billing: BillingShop, change: dict[str, Any]) -> None:
    made = billing.subscribe(billing.customer(), billing.price())
    schedule = billing.v1.subscription_schedules.create({"from_subscription": made["id"]})
    with pytest.raises(stripe.InvalidRequestError, match=f"managed by the subscription schedule `{schedule.id}`"):
        billing.v1.subscriptions.update(made["id"], change)
    billing.v1.subscriptions.update(made["id"], {"metadata": {"a": "1"}})
    billing.v1.subscription_schedules.release(schedule.id)
    billing.v1.subscriptions.update(made["id"], change)


def test_managed__a_direct_change_splits_the_phase(billing: BillingShop) -> None:
    first, second, third = billing.price(1000), billing.price(2000), billing.price(3000)
    made = billing.subscribe(billing.customer(), first)
    schedule = scheduled(billing, made, third)
    billing.fake.advance(days=3)
    item = made["items"]["data"][0]["id"]
    billing.v1.subscriptions.update(made["id"], {"items": [{"id": item, "price": second}]})
    phases = billing.fake.get(schedule.id)["phases"]
    assert [prices(phase) for phase in phases] == [[first], [second], [third]]
    assert [phase["end_date"] for phase in phases[:-1]] == [phase["start_date"] for phase in phases[1:]]
    assert billing.fake.get(schedule.id)["current_phase"]["start_date"] == phases[1]["start_date"]
    billing.v1.subscriptions.update(made["id"], {"metadata": {"a": "1"}})
    assert len(billing.fake.get(schedule.id)["phases"]) == 3
    billing.fake.advance(days=30)
    # What was changed directly is overwritten.
    assert prices(billing.fake.get(made["id"])) == [third]


def test_managed__cancelled_at_once(billing: BillingShop) -> None:
    made = billing.subscribe(billing.customer(), billing.price())
    schedule = billing.v1.subscription_schedules.create({"from_subscription": made["id"]})
    events = billing.fake.cancel_subscription(made["id"])
    assert types(events, "") == ["customer.subscription.deleted", SCHEDULE + "canceled"]
    assert billing.fake.get(schedule.id)["status"] == "canceled"
    for verb in ("cancel", "release"):
        with pytest.raises(stripe.InvalidRequestError, match=f"cannot {verb} .* currently in the `canceled` status"):
            getattr(billing.v1.subscription_schedules, verb)(schedule.id)


def test_managed__given_up_for_want_of_payment(billing: BillingShop) -> None:
    customer = billing.customer()
    made = billing.subscribe(customer, billing.price())
    phase = {"items": [{"price": billing.price(), "quantity": 1}], "duration": {"interval": "year"}}
    billing.fake.schedule_subscription(made["id"], [phase])
    billing.fake.customer_changes_card(customer, "pm_card_chargeCustomerFail")
    events = billing.fake.advance(days=31 + 16)
    assert types(events, SCHEDULE) == ["updated", "aborted"]
    assert billing.status(made) == "canceled"


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


@pytest.mark.parametrize("preserve", [True, False])
def test_end_behavior__cancel(billing: BillingShop, preserve: bool) -> None:
    made = billing.subscribe(billing.customer(), billing.price())
    schedule = billing.v1.subscription_schedules.create({"from_subscription": made["id"]})
    updated = billing.v1.subscription_schedules.update(schedule.id, {"end_behavior": "cancel"})
    end = updated.phases[0].end_date
    assert (updated.end_behavior, billing.fake.get(made["id"])["cancel_at"]) == ("cancel", end)
    # A phase that comes on top is the last one, and the date is that of its beginning's end.
    phases = [kept(schedule), {"items": kept(schedule)["items"]}]
    longer = billing.v1.subscription_schedules.update(schedule.id, {"phases": phases})
    assert billing.fake.get(made["id"])["cancel_at"] is None
    billing.fake.advance_to(end)
    assert billing.fake.get(made["id"])["cancel_at"] == longer.phases[1].end_date
    billing.v1.subscription_schedules.release(schedule.id, {"preserve_cancel_date": preserve})
    assert billing.fake.get(made["id"])["cancel_at"] == (longer.phases[1].end_date if preserve else None)
    assert types(billing.fake.advance(days=32)) == (["deleted"] if preserve else ["updated"])


def test_end_behavior__cancel_as_planned(billing: BillingShop) -> None:
    made = billing.subscribe(billing.customer(), billing.price())
    billing.v1.subscriptions.update(made["id"], {"cancel_at_period_end": True})
    schedule = billing.v1.subscription_schedules.create({"from_subscription": made["id"]})
    assert schedule.end_behavior == "cancel"
    assert billing.fake.get(made["id"])["cancel_at"] == schedule.phases[0].end_date
    ended = billing.fake.advance(days=32)
    assert (types(ended), types(ended, SCHEDULE)) == (["deleted"], ["expiring", "completed"])


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
        with pytest.raises(stripe.InvalidRequestError, match=message):
            billing.v1.subscription_schedules.update(schedule.id, {"phases": phases})
    with pytest.raises(stripe.InvalidRequestError, match="No such subscription_schedule"):
        billing.v1.subscription_schedules.update("sub_sched_nope", {"metadata": {"a": "1"}})
    assert billing.fake.get(schedule.id) == before


def test_trial__what_is_not_said_again_is_over(billing: BillingShop) -> None:
    made = billing.subscribe(billing.customer(), billing.price(), trial_period_days=10)
    schedule = billing.v1.subscription_schedules.create({"from_subscription": made["id"]})
    assert schedule.phases[0].trial_end == made["trial_end"]
    phase = {**kept(schedule), "trial_end": made["trial_end"]}
    billing.v1.subscription_schedules.update(schedule.id, {"phases": [phase]})
    assert billing.status(made) == "trialing"
    billing.v1.subscription_schedules.update(schedule.id, {"phases": [kept(schedule)]})
    assert billing.status(made) == "active"


def test_phases__metadata_discounts_and_another_interval(billing: BillingShop) -> None:
    coupon = billing.fake.coupon(percent_off=50, duration="forever")["id"]
    made = billing.subscribe(billing.customer(), billing.price(), metadata={"keep": "1", "drop": "1"})
    yearly = billing.price(20000, {"interval": "year"})
    phase = {
        "items": [{"price": yearly, "quantity": 1, "metadata": {"seat": "1"}}],
        "discounts": [{"coupon": coupon}],
        "metadata": {"drop": "", "new": "1"},
    }
    after = {"items": [{"price": yearly, "quantity": 1}]}
    billing.fake.schedule_subscription(made["id"], [phase, after])
    end = made["items"]["data"][0]["current_period_end"]
    billing.fake.advance_to(end)
    now = billing.fake.get(made["id"])
    assert (now["metadata"], now["billing_cycle_anchor"]) == ({"keep": "1", "new": "1"}, end)
    assert now["items"]["data"][0]["metadata"] == {"seat": "1"}
    assert billing.fake.get(now["latest_invoice"])["total"] == 10000
    assert (
        now["items"]["data"][0]["current_period_end"]
        == billing.fake.all("subscription_schedule")[0]["phases"][1]["end_date"]
    )
    billing.fake.advance(days=366)
    assert billing.fake.get(made["id"])["discounts"] == []
    assert billing.fake.get(billing.fake.get(made["id"])["latest_invoice"])["total"] == 20000


def test_phases__begin_in_the_middle_of_a_period(billing: BillingShop) -> None:
    made = billing.subscribe(billing.customer(), billing.price(1000))
    schedule = billing.v1.subscription_schedules.create({"from_subscription": made["id"]})
    first, second = kept(schedule), {"items": [{"price": billing.price(3000), "quantity": 1}]}
    first["end_date"] = first["start_date"] + 10 * 86400
    billing.v1.subscription_schedules.update(schedule.id, {"phases": [first, second]})
    events = billing.fake.advance(days=11)
    assert types(events, SCHEDULE) == ["updated"]
    assert prices(billing.fake.get(made["id"])) == prices(second)
    assert [line["amount"] > 0 for line in billing.fake.all("invoiceitem")] == [False, True]


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
    with pytest.raises(stripe.InvalidRequestError, match="same interval"):
        billing.v1.subscription_schedules.create({**good, "phases": [{"items": mixed}]})
    assert billing.fake.all("subscription_schedule") == []


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


def test_customer_deleted(billing: BillingShop) -> None:
    start = billing.fake.state.now() + 86400
    phases = [{"items": [{"price": billing.price(), "quantity": 1}]}]
    params = {"customer": billing.customer(), "start_date": start, "phases": phases}
    schedule = billing.v1.subscription_schedules.create(params)
    assert SCHEDULE + "canceled" in types(billing.fake.delete_customer(schedule.customer), "")
    billing.fake.advance(days=3)
    assert billing.fake.all("subscription") == []


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


def test_objects_are_what_stripe_describes(billing: BillingShop) -> None:
    made = billing.subscribe(billing.customer(), billing.price(), trial_period_days=3)
    billing.fake.coupon(id="HALF", percent_off=50, duration="forever")
    phase = {"items": [{"price": billing.price(), "quantity": 1}], "discounts": [{"coupon": "HALF"}]}
    billing.fake.schedule_subscription(made["id"], [phase], end_behavior="cancel")
    billing.fake.advance(days=40)
    schema = openapi.response_schema("subscription_schedule")
    shown = [event["data"]["object"] for event in billing.fake.events() if event["type"].startswith(SCHEDULE)]
    assert [obj["status"] for obj in shown][-1] == "completed"
    for obj in shown:
        jsonschema.validate(obj, schema)
