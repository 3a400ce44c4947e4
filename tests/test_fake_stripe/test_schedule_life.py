"""What Subscription Schedules make of their subscriptions, as time goes on."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest
import stripe

from tests.fake_stripe import openapi
from tests.fake_stripe.periods import period_end
from tests.test_fake_stripe.billing_shop import BillingShop, types
from tests.test_fake_stripe.schedule_shop import SCHEDULE, kept, prices, scheduled
from tests.test_fake_stripe.shop import plain


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

    assert billing.v1.invoices.create_preview({"subscription": made["id"]}).total == 2000
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


@pytest.mark.parametrize("where", ["phase", "settings", "nowhere"])
def test_payment_method_of_a_phase(billing: BillingShop, where: str) -> None:
    customer = billing.customer()
    first, second, third = (
        str(billing.v1.payment_methods.attach(name, {"customer": customer}).id)
        for name in ("pm_card_visa", "pm_card_mastercard", "pm_card_amex")
    )
    made = billing.subscribe(customer, billing.price(5000), default_payment_method=first)
    schedule = billing.v1.subscription_schedules.create({"from_subscription": made["id"]})
    assert schedule.default_settings.default_payment_method == first
    own = {"default_payment_method": second} if where == "phase" else {}
    phases = [kept(schedule), {"items": [{"price": billing.price(2000), "quantity": 1}], **own}]
    settings = {"default_payment_method": third if where == "settings" else ""}
    billing.v1.subscription_schedules.update(schedule.id, {"default_settings": settings, "phases": phases})
    now = third if where == "settings" else first
    assert billing.fake.get(made["id"])["default_payment_method"] == now
    billing.fake.advance(days=32)
    then = second if where == "phase" else now
    assert billing.fake.get(made["id"])["default_payment_method"] == then
    assert billing.fake.get(billing.fake.intent_of(made["id"]))["payment_method"] == then


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


def test_phases__of_several_items(billing: BillingShop) -> None:
    """An item keeps its id and its period with its price, others come and go; intervals may be mixed."""
    monthly, other, yearly = billing.price(1000), billing.price(300), billing.price(9000, {"interval": "year"})
    items = [{"price": price, "quantity": 1} for price in (monthly, yearly)]
    made = plain(billing.v1.subscriptions.create({"customer": billing.customer(), "items": items}))
    billing.fake.schedule_subscription(made["id"], [{"items": [{"price": other, "quantity": 2}, items[1]]}])
    assert billing.v1.invoices.create_preview({"subscription": made["id"]}).total == 600
    end = made["items"]["data"][0]["current_period_end"]
    billing.fake.advance_to(end)
    now = billing.fake.get(made["id"])
    assert (prices(now), now["billing_cycle_anchor"]) == ([other, yearly], made["billing_cycle_anchor"])
    assert now["items"]["data"][1]["id"] == made["items"]["data"][1]["id"]
    spans = [(item["current_period_start"], item["current_period_end"]) for item in now["items"]["data"]]
    assert spans == [
        (end, period_end(made["start_date"], end, {"interval": "month", "interval_count": 1})),
        (made["start_date"], made["items"]["data"][1]["current_period_end"]),
    ]
    assert billing.fake.get(now["latest_invoice"])["total"] == 600
    with pytest.raises(stripe.InvalidRequestError, match="No such subscription_item"):
        billing.v1.subscription_items.retrieve(made["items"]["data"][0]["id"])


def test_phases__begin_with_a_trial(billing: BillingShop) -> None:
    made = billing.subscribe(billing.customer(), billing.price(1000))
    end = made["items"]["data"][0]["current_period_end"]
    phase = {"items": [{"price": billing.price(500), "quantity": 1}], "trial_end": end + 5 * 86400}
    billing.fake.schedule_subscription(made["id"], [phase])
    billing.fake.advance_to(end)
    now = billing.fake.get(made["id"])
    assert (now["status"], now["items"]["data"][0]["current_period_end"]) == ("trialing", end + 5 * 86400)
    assert billing.fake.get(now["latest_invoice"])["total"] == 0
    billing.fake.advance(days=6)
    now = billing.fake.get(made["id"])
    assert (now["status"], billing.fake.get(now["latest_invoice"])["total"]) == ("active", 500)


def test_phases__keep_a_discount_beside_a_new_one(billing: BillingShop) -> None:
    kept_one, new = (billing.fake.coupon(amount_off=off, currency="usd", duration="forever")["id"] for off in (100, 30))
    price = billing.price(1000)
    made = billing.subscribe(billing.customer(), price, discounts=[{"coupon": kept_one}])
    (discount,) = made["discounts"]
    phase = {"items": [{"price": price, "quantity": 1}], "discounts": [{"discount": discount}, {"coupon": new}]}
    billing.fake.schedule_subscription(made["id"], [phase])
    events = billing.fake.advance_to(made["items"]["data"][0]["current_period_end"])
    assert types(events, "customer.discount.") == ["created"]
    now = billing.fake.get(made["id"])
    assert (now["discounts"][0], len(now["discounts"])) == (discount, 2)
    assert billing.fake.get(now["latest_invoice"])["total"] == 870


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


def test_customer_deleted(billing: BillingShop) -> None:
    start = billing.fake.state.now() + 86400
    phases = [{"items": [{"price": billing.price(), "quantity": 1}]}]
    params = {"customer": billing.customer(), "start_date": start, "phases": phases}
    schedule = billing.v1.subscription_schedules.create(params)
    assert SCHEDULE + "canceled" in types(billing.fake.delete_customer(schedule.customer), "")
    billing.fake.advance(days=3)
    assert billing.fake.all("subscription") == []


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
