"""A preview's token fixes what a change costs: of this change, for the same person, for some minutes."""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core import signing
from django.utils import timezone

from django_stripe_gateway.exceptions import WrongState
from django_stripe_gateway.models import Invoice, PlanPricing, Subscription
from django_stripe_gateway.services.origins import Origin
from django_stripe_gateway.services.subscriptions.change import CHANGE_SUBSCRIPTION, can_fix_moment
from django_stripe_gateway.services.subscriptions.preview_tokens import MAX_AGE, previewed_change, sign_preview
from django_stripe_gateway.subscriptions import cancel_subscription, change_subscription
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


@pytest.fixture
def support(host: SubscriptionHost) -> Any:
    """Return an add-on that customers may add."""
    support = host.sell("support", Decimal("7.00"), is_add_on=True)
    support.may_be_added = True
    support.save()
    return support


def quantity_at_stripe(host: SubscriptionHost, mine: Subscription, quantity: int) -> None:
    """Let the portal or the Dashboard change the seats."""
    items = [{"id": now(mine).item_id, "quantity": quantity}]
    host.fake.change_subscription(mine.provider_id, {"items": items, "proration_behavior": "always_invoice"})


@pytest.mark.parametrize("way", ["seats", "plan", "item", "portal", "schedule"])
@pytest.mark.parametrize("quantity", [3, 50])
def test_token__after_there_and_back(
    host: SubscriptionHost, mine: Subscription, clock: None, support: Any, way: str, quantity: int
) -> None:
    change_subscription(subscription=mine, quantity=10)
    host.deliver_new()
    body = body_of(mine, quantity=quantity)
    shown = preview(host, body)
    host.fake.advance(seconds=60)
    if way == "seats":
        for seats in (1000, 10):
            assert host.post("change", body_of(mine, quantity=seats)).status_code == 200
    elif way == "plan":
        for pricing in (host.premium, host.basic):
            assert host.post("change", body_of(mine, plan_id=pricing.plan_id)).status_code == 200
    elif way == "item":
        added = host.post("items", body_of(mine, pricing_id=support.pk))
        item = next(one for one in added.json()["items"] if one["pricing"]["pricing_id"] == support.pk)
        assert host.delete(f"items/{item['item_id']}").status_code == 200
    elif way == "portal":
        for seats in (1000, 10):
            quantity_at_stripe(host, mine, seats)
            host.deliver_new()
    else:
        assert host.post("change", body_of(mine, quantity=20, at_period_end=True)).status_code == 200
        assert host.post("cancel_change", body_of(mine)).status_code == 200
    assert now(mine).quantity == 10
    for _time in range(2):
        answer = host.post("change", body | {"preview_token": shown["preview_token"]})
        assert refusal(answer) == (409, "stale_preview")
    assert now(mine).quantity == 10


def test_token__used_again_and_again(host: SubscriptionHost, mine: Subscription, clock: None, settings: Any) -> None:
    settings.STRIPE_GATEWAY_PRORATION_BEHAVIOR = "invoice_increases"
    change_subscription(subscription=mine, quantity=1000)
    host.deliver_new()
    body = body_of(mine, quantity=1)
    token = preview(host, body)["preview_token"]
    host.fake.advance(seconds=13 * 60)
    # A second costs about a cent here, so that a slow machine would round to another one.
    host.fake.stop_clock()
    answers = []
    for _round in range(4):
        answers.append(host.post("change", body | {"preview_token": token}).status_code)
        assert host.post("change", body_of(mine, quantity=1000)).status_code in (200, 400)
        host.deliver_new()
    assert answers == [200, 409, 409, 409]
    # The seats of no minute are given back twice.
    assert host.fake.get(host.customer.provider_id)["balance"] == 0


def test_token__while_stripe_charges_something_else(host: SubscriptionHost, mine: Subscription, clock: None) -> None:
    body = body_of(mine, quantity=3)
    token = preview(host, body)["preview_token"]
    host.fake.advance(seconds=800)
    # No event of it has come yet: what looks like more seats is less.
    quantity_at_stripe(host, mine, 1000)
    answer = host.post("change", body | {"preview_token": token})
    assert refusal(answer) == (409, "stale_preview")
    assert host.fake.get(mine.provider_id)["items"]["data"][0]["quantity"] == now(mine).quantity == 1000


def test_token__overtaken_by_another_request(host: SubscriptionHost, mine: Subscription, clock: None) -> None:
    origin = Origin(actor=f"user:{host.user.pk}")
    token = sign_preview(subscription=mine, moment=timezone.now(), quantity=3, origin=origin)
    wish = previewed_change(subscription=mine, token=token, quantity=3, origin=origin)
    change_subscription(subscription=mine, quantity=1000)
    with pytest.raises(WrongState) as refused:
        change_subscription(subscription=mine, origin=origin, **wish)
    assert (refused.value.code, now(mine).quantity) == ("stale_preview", 1000)


def test_token__repeated_under_its_key_after_other_changes(
    host: SubscriptionHost, mine: Subscription, clock: None
) -> None:
    terms = {"subscription": mine, "quantity": 3, "origin": Origin(actor="user:1")}
    token = sign_preview(moment=timezone.now(), **terms)

    def ask() -> Subscription:
        wish = previewed_change(token=token, idempotency_key="key-1", **terms)
        return change_subscription(subscription=now(mine), idempotency_key="key-1", origin=terms["origin"], **wish)

    assert ask().quantity == 3
    change_subscription(subscription=now(mine), quantity=1)
    # Its answer is known, and nothing is done again.
    assert ask().quantity == now(mine).quantity == 1


def test_token__after_a_declined_card(host: SubscriptionHost, mine: Subscription, settings: Any) -> None:
    settings.STRIPE_GATEWAY_PRORATION_BEHAVIOR = "always_invoice"
    # Where a cancellation is taken back with it, a change is made at once or not at all.
    cancel_subscription(subscription=mine)
    body = body_of(mine, plan_id=host.premium.plan_id)
    body["preview_token"] = preview(host, body)["preview_token"]
    host.change_card(mine, "pm_card_chargeCustomerFail")
    host.deliver_new()
    assert host.post("change", body).status_code == 402
    host.change_card(mine, "pm_card_visa")
    host.deliver_new()
    assert host.post("change", body).status_code == 200


def test_decrease__is_counted_from_when_it_is_made(
    host: SubscriptionHost, mine: Subscription, clock: None, settings: Any
) -> None:
    settings.STRIPE_GATEWAY_PRORATION_BEHAVIOR = "always_invoice"
    began = host.fake.state.now()
    change_subscription(subscription=mine, quantity=1000)
    host.deliver_new()
    shown = preview(host, body := body_of(mine, quantity=1))
    assert shown["proration_date"] is None
    host.fake.advance(seconds=890)
    assert host.post("change", body | {"preview_token": shown["preview_token"]}).json()["quantity"] == 1
    host.deliver_new()
    had = float(host.fake.get(host.customer.provider_id)["balance"] - 100 * Decimal(shown["total"]))
    of_a_second = 999 * 2000 / (mine.current_period_end - mine.current_period_start).total_seconds()
    # Two changes have two lines each, in whole cents.
    assert 890 * of_a_second - 2 <= had <= (host.fake.state.now() - began) * of_a_second + 2


def test_staff__name_the_moment_of_a_decrease(host: SubscriptionHost, mine: Subscription, clock: None) -> None:
    host.let_change_terms()
    change_subscription(subscription=mine, quantity=10, proration="always_invoice")
    host.deliver_new()
    host.fake.advance(days=10)
    moment = timezone.now() - timedelta(days=9)
    body = body_of(mine, quantity=1)
    terms = {"proration": "always_invoice", "proration_date": moment.isoformat()}
    shown = preview(host, body | terms)
    assert datetime.fromisoformat(shown["proration_date"]) == moment
    assert host.post("change", body | {"preview_token": shown["preview_token"]}).status_code == 200
    host.deliver_new()
    assert host.fake.get(host.customer.provider_id)["balance"] == Decimal(shown["total"]) * 100


@pytest.mark.parametrize(
    ("wish", "is_fixed"),
    [
        ("more seats", True),
        ("dearer", True),
        ("as much", True),
        ("dearer, fewer seats", False),
        ("fewer seats", False),
        ("cheaper", False),
        ("yearly", False),
        ("at the period's end", False),
        ("of unknown cost", False),
        ("in a trial", False),
        ("from free", False),
        ("without its second price", False),
    ],
)
def test_moment__is_fixed_where_that_costs_no_less(
    host: SubscriptionHost, mine: Subscription, clock: None, wish: str, is_fixed: bool
) -> None:
    change_subscription(subscription=mine, quantity=5)
    host.deliver_new()
    mine = now(mine)
    same = host.sell("same", Decimal("20.00"), is_per_seat=True)
    cheaper = host.sell("cheaper", Decimal("5.00"), is_per_seat=True)
    yearly = host.sell("premium", Decimal("2400.00"), interval="year", is_per_seat=True)
    body: dict[str, Any] = {
        "dearer": {"pricing_id": host.premium.pk},
        "as much": {"pricing_id": same.pk},
        "dearer, fewer seats": {"pricing_id": host.premium.pk, "quantity": 1},
        "fewer seats": {"quantity": 4},
        "cheaper": {"pricing_id": cheaper.pk},
        "yearly": {"pricing_id": yearly.pk},
        "at the period's end": {"quantity": 6, "at_period_end": True},
        "without its second price": {"pricing_id": same.pk},
    }.get(wish, {"quantity": 6})
    if wish == "of unknown cost":
        # As it is in tiers.
        mine.items.update(amount=None)
    elif wish == "in a trial":
        Subscription.objects.filter(pk=mine.pk).update(status="trialing")
    elif wish == "from free":
        mine.items.update(amount=0)
    elif wish == "without its second price":
        mine.items.create(provider_id="si_2", kind="plan", plan=mine.plan, amount=1, currency="USD", interval="month")
    mine = now(mine)
    plan = pricing = None
    if "pricing_id" in body:
        pricing = PlanPricing.objects.select_related("plan").get(pk=body["pricing_id"])
    if wish == "at the period's end":
        assert preview(host, body_of(mine, **body))["proration_date"] is None
        return
    assert can_fix_moment(mine, plan, pricing, body.get("quantity")) is is_fixed


def test_token__overtaken_by_an_event(
    host: SubscriptionHost, mine: Subscription, clock: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = body_of(mine, quantity=3)
    token = preview(host, body)["preview_token"]
    begin_call = CHANGE_SUBSCRIPTION.begin_call

    def heard_meanwhile(claim: Any) -> None:
        # After the check under the lock, and before the call.
        begin_call(claim)
        quantity_at_stripe(host, mine, 1000)
        host.deliver_new()

    monkeypatch.setattr(CHANGE_SUBSCRIPTION, "begin_call", heard_meanwhile)
    answer = host.post("change", body | {"preview_token": token})
    assert (refusal(answer), now(mine).quantity) == ((409, "stale_preview"), 1000)
