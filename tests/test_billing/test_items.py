"""What a subscription is charged beside its plan: added, changed and removed, by the seller and by customers."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from rest_framework.test import APIClient

from django_stripe_gateway.exceptions import GatewayError, InvalidInput, WrongState
from django_stripe_gateway.models import PlanPricing, Subscription, SubscriptionItem
from django_stripe_gateway.services.subscriptions.add_items import add_item, change_item, remove_item
from django_stripe_gateway.services.subscriptions.change import change_subscription
from django_stripe_gateway.services.subscriptions.subscribe import subscribe
from tests.conftest import SignalRecorder
from tests.test_billing.host import SubscriptionHost

pytestmark = pytest.mark.django_db(transaction=True)


def support(host: SubscriptionHost, **fields: Any) -> PlanPricing:
    """Sell an add-on that customers may add, per seat."""
    return host.sell(
        "support", Decimal("15.00"), is_add_on=True, **{"is_per_seat": True, "may_be_added": True} | fields
    )


def charged(host: SubscriptionHost) -> list[tuple[str, int | None]]:
    """Return the prices and quantities that Stripe charges in the one subscription."""
    data = host.fake.all("subscription")[0]["items"]["data"]
    return [(item["price"]["id"], item.get("quantity")) for item in data]


def item_of(pricing: PlanPricing) -> SubscriptionItem:
    return SubscriptionItem.objects.select_related("subscription__customer", "pricing").get(pricing=pricing)


def kinds() -> dict[str, str]:
    """Return the kinds of the stored items, by their prices."""
    return dict(SubscriptionItem.objects.values_list("price_id", "kind"))


def refusal(act: Callable[[], Any]) -> GatewayError:
    with pytest.raises(GatewayError) as caught:
        act()
    return caught.value


def test_life_of_an_add_on(either_host: SubscriptionHost, recorded_signals: SignalRecorder) -> None:
    host = either_host
    pricing, subscription = support(host), host.subscribed()
    which = {"subscription_id": subscription.provider_id}
    added = host.post("items", which | {"pricing_id": pricing.pk, "quantity": 2})
    assert added.status_code == 201, added.content
    assert [(one["kind"], one["quantity"]) for one in added.json()["items"]] == [("plan", 1), ("add_on", 2)]
    assert added.json()["plan"]["slug"] == "basic"
    listed = host.client.get("/api/v1/subscriptions/items/", which).json()
    assert [one["pricing"]["pricing_id"] for one in listed["results"]] == [host.basic.pk, pricing.pk]
    item = listed["results"][1]
    changed = host.post(f"items/{item['item_id']}", {"quantity": 5})
    assert changed.json()["items"][1] == item | {"quantity": 5}
    assert charged(host) == [(host.basic.stripe_price_id, 1), (pricing.stripe_price_id, 5)]
    # The plan's own item is changed, and no other.
    host.post("change", which | {"plan_id": host.premium.plan_id})
    assert charged(host) == [(host.premium.stripe_price_id, 1), (pricing.stripe_price_id, 5)]
    removed = host.delete(f"items/{item['item_id']}")
    assert (removed.status_code, [one["kind"] for one in removed.json()["items"]]) == (200, ["plan"])
    assert host.delete(f"items/{item['item_id']}").status_code == 404
    assert charged(host) == [(host.premium.stripe_price_id, 1)]
    host.deliver_new()
    assert recorded_signals.names.count("subscription_items_changed") == 3
    assert recorded_signals.names.count("subscription_changed") == 1


def test_metered(either_host: SubscriptionHost) -> None:
    host = either_host
    metered = host.sell_metered("basic", Decimal("0.10"), product_id=host.basic.stripe_product_id)
    subscription = host.subscribed()
    assert subscription.pricing == host.basic
    refused = refusal(lambda: add_item(subscription=subscription, pricing=metered, quantity=2))
    assert refused.field == "quantity"
    add_item(subscription=subscription, pricing=metered)
    assert charged(host) == [(host.basic.stripe_price_id, 1), (metered.stripe_price_id, None)]
    assert kinds() == {host.basic.stripe_price_id: "plan", metered.stripe_price_id: "metered"}
    assert refusal(lambda: change_item(item=item_of(metered), quantity=2)).field == "quantity"
    assert Subscription.objects.get().pricing == host.basic
    remove_item(item=item_of(metered))
    assert charged(host) == [(host.basic.stripe_price_id, 1)]


@pytest.mark.parametrize("mode", ["direct", "checkout"])
def test_subscribe__with_add_ons(either_host: SubscriptionHost, mode: str) -> None:
    host = either_host
    pricing = support(host)
    made = host.subscribe(add_ons=[{"pricing_id": pricing.pk, "quantity": 3}], mode=mode)
    if mode == "checkout":
        host.fake.complete_checkout(host.fake.all("checkout.session")[0]["id"])
    else:
        again = host.subscribe(add_ons=[{"pricing_id": pricing.pk, "quantity": 3}])
        assert again["subscription_id"] == made["subscription_id"]
        host.fake.customer_pays(made["subscription_id"])
    host.deliver_new()
    assert charged(host) == [(host.basic.stripe_price_id, 1), (pricing.stripe_price_id, 3)]
    subscription = Subscription.objects.get()
    assert (subscription.plan, subscription.quantity, subscription.is_valid) == (host.basic.plan, 1, True)
    assert kinds() == {host.basic.stripe_price_id: "plan", pricing.stripe_price_id: "add_on"}
    assert subscription.invoices.get().total == Decimal("65.00")


@pytest.mark.parametrize(
    ("fields", "code", "status"),
    [
        ({"may_be_added": False}, "not_allowed", 403),
        ({"is_public": False}, "unknown_pricing", 400),
        ({"is_active": False}, "unknown_pricing", 400),
        ({"variant": "eu"}, "unknown_pricing", 400),
        ({"currency": "EUR"}, "other_currency", 400),
    ],
)
def test_refused(host: SubscriptionHost, fields: dict[str, Any], code: str, status: int) -> None:
    pricing, subscription = support(host), host.subscribed()
    PlanPricing.objects.filter(pk=pricing.pk).update(**fields)
    body = {"subscription_id": subscription.provider_id, "pricing_id": pricing.pk}
    refused = host.post("items", body)
    assert (refused.status_code, refused.json()["code"]) == (status, code)
    host.post("cancel", {"subscription_id": subscription.provider_id, "at_period_end": False})
    refused = host.post("subscribe", {"plan_id": host.basic.plan_id, "add_ons": [{"pricing_id": pricing.pk}]})
    assert (refused.status_code, refused.json()["code"]) == (status, code)
    assert len(host.fake.all("subscription")) == 1


def test_refused__what_is_there_or_no_add_on(host: SubscriptionHost) -> None:
    pricing, subscription = support(host), host.subscribed()
    host.premium.may_be_added = True
    host.premium.save()
    body = {"subscription_id": subscription.provider_id}
    plan = host.post("items", body | {"pricing_id": host.premium.pk})
    assert (plan.status_code, plan.json()["code"]) == (400, "not_an_add_on")
    assert host.post("items", body | {"pricing_id": pricing.pk}).status_code == 201
    twice = host.post("items", body | {"pricing_id": pricing.pk})
    assert (twice.status_code, twice.json()["code"]) == (409, "already_added")
    same = host.post(f"items/{item_of(pricing).provider_id}", {"quantity": 1})
    assert (same.status_code, same.json()["code"]) == (400, "nothing_to_change")
    assert host.post("items", {"pricing_id": pricing.pk}).json()["field"] == "subscription_id"
    assert host.client.get("/api/v1/subscriptions/items/").json()["field"] == "subscription_id"


@pytest.mark.parametrize(
    ("sold", "hint"), [("seats", " Change its quantity."), ("once", ""), ("metered", "")], ids=lambda value: str(value)
)
def test_refused__what_is_there_says_what_can_be_done(host: SubscriptionHost, sold: str, hint: str) -> None:
    pricing = support(host, is_per_seat=sold == "seats")
    if sold == "metered":
        pricing = host.sell_metered("support", Decimal("0.10"), product_id=pricing.stripe_product_id)
    subscription = add_item(subscription=host.subscribed(), pricing=pricing)
    refused = refusal(lambda: add_item(subscription=subscription, pricing=pricing))
    assert (refused.code, refused.detail) == ("already_added", f"The subscription has this price already.{hint}")


def test_add_on__at_one_price(either_host: SubscriptionHost) -> None:
    host = either_host
    pricing, other = support(host), host.sell("support", Decimal("16.00"), may_be_added=True)
    refused = host.post(
        "subscribe",
        {"plan_id": host.basic.plan_id, "add_ons": [{"pricing_id": pricing.pk}, {"pricing_id": other.pk}]},
    )
    assert (refused.status_code, refused.json()["field"]) == (400, "add_ons")
    subscription = host.subscribed()
    # Also beside a price that was negotiated.
    negotiated = host.made_at_stripe(pricing.stripe_product_id, Decimal("9.00"))
    host.fake.change_subscription(subscription.provider_id, {"items": [{"price": negotiated}]})
    host.deliver_new()
    body = {"subscription_id": subscription.provider_id, "pricing_id": pricing.pk}
    refused = host.post("items", body)
    assert (refused.status_code, refused.json()["code"]) == (409, "already_added")
    item = SubscriptionItem.objects.select_related("subscription__customer").get(price_id=negotiated)
    change_item(item=item, pricing=other)
    assert host.post("items", body).json()["code"] == "already_added"
    assert charged(host) == [(host.basic.stripe_price_id, 1), (other.stripe_price_id, 1)]
    # What it charges by use stands beside that.
    used = host.sell_metered("support", Decimal("0.10"), product_id=pricing.stripe_product_id)
    add_item(subscription=Subscription.objects.select_related("customer").get(), pricing=used)
    assert kinds()[used.stripe_price_id] == "metered"


def test_plan__has_its_own_verbs(host: SubscriptionHost) -> None:
    subscription = host.subscribed()
    for answer in (
        host.post(f"items/{subscription.item_id}", {"quantity": 2}),
        host.delete(f"items/{subscription.item_id}"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (400, "plan_item")
    assert charged(host) == [(host.basic.stripe_price_id, 1)]


def test_seller(host: SubscriptionHost) -> None:
    """What customers may not add, they may neither change nor remove; the seller may."""
    pricing, subscription = support(host, may_be_added=False, is_public=False), host.subscribed()
    body = {"subscription_id": subscription.provider_id, "pricing_id": pricing.pk}
    add_item(subscription=subscription, pricing=pricing)
    path = f"items/{item_of(pricing).provider_id}"
    for answer in (host.post(path, {"quantity": 2}), host.delete(path)):
        assert (answer.status_code, answer.json()["code"]) == (403, "not_allowed")
    host.user.user_permissions.add(Permission.objects.get(codename="change_terms"))
    host.client.force_authenticate(type(host.user).objects.get(pk=host.user.pk))
    assert host.post(path, {"quantity": 2}).status_code == 200
    assert host.delete(path).status_code == 200
    assert host.post("items", body).status_code == 201


def test_unknown_item(host: SubscriptionHost) -> None:
    subscription = host.subscribed()
    price_id = host.made_at_stripe(host.fake.all("product")[0]["id"], Decimal("7.00"))
    PlanPricing.objects.filter(pk=host.basic.pk).update(stripe_product_id="prod_other")
    host.fake.change_subscription(subscription.provider_id, {"items": [{"price": price_id}]})
    host.deliver_new()
    item = SubscriptionItem.objects.select_related("subscription__customer").get(price_id=price_id)
    assert item.kind == "unknown"
    for answer in (
        host.post(f"items/{item.provider_id}", {"quantity": 2}),
        host.delete(f"items/{item.provider_id}"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (403, "not_allowed")
    remove_item(item=item)
    assert charged(host) == [(host.basic.stripe_price_id, 1)]


def test_others(host: SubscriptionHost, other_user: Any) -> None:
    pricing, subscription = support(host), host.subscribed()
    add_item(subscription=subscription, pricing=pricing)
    item = item_of(pricing)
    stranger = APIClient()
    stranger.force_authenticate(other_user)
    which = {"subscription_id": subscription.provider_id}
    for answer in (
        stranger.get("/api/v1/subscriptions/items/", which),
        host.post("items", which | {"pricing_id": pricing.pk}, client=stranger),
        host.post(f"items/{item.provider_id}", {"quantity": 2}, client=stranger),
        host.delete(f"items/{item.provider_id}", client=stranger),
        host.delete("items/si_none"),
    ):
        assert answer.status_code == 404


def test_key__same_answer(host: SubscriptionHost) -> None:
    pricing, subscription = support(host), host.subscribed()
    body = {"subscription_id": subscription.provider_id, "pricing_id": pricing.pk}
    first, again = (host.post("items", body, headers={"Idempotency-Key": "k1"}) for _try in range(2))
    assert (first.status_code, again.status_code, again.json()) == (201, 201, first.json())
    path = f"items/{item_of(pricing).provider_id}"
    first, again = (host.delete(path, headers={"Idempotency-Key": "k2"}) for _try in range(2))
    assert (first.status_code, again.status_code, again.json()) == (200, 200, first.json())
    assert again.headers["Idempotent-Replayed"] == "true"


def test_service__refuses(host: SubscriptionHost) -> None:
    pricing, subscription = support(host), host.subscribed()
    add_item(subscription=subscription, pricing=pricing)
    item = item_of(pricing)
    other = host.sell("support", Decimal("25.00"))
    assert change_item(item=item, pricing=other).items.get(provider_id=item.provider_id).pricing == other
    item = item_of(other)
    assert refusal(lambda: change_item(item=item, quantity=3)).field == "quantity"
    remove_item(item=item)
    for act in (lambda: remove_item(item=item), lambda: change_item(item=item, pricing=pricing)):
        gone = refusal(act)
        assert (type(gone), gone.code) == (WrongState, "item_removed")
    assert refusal(lambda: change_subscription(subscription=subscription, pricing=pricing)).code == "not_for_sale"
    twice = refusal(lambda: subscribe(owner=host.user, plan=host.premium.plan, add_ons=[(pricing, 1), (pricing, 2)]))
    assert (type(twice), twice.field) == (InvalidInput, "add_ons")
    host.post("cancel", {"subscription_id": subscription.provider_id, "at_period_end": False})
    ended = Subscription.objects.select_related("customer").get(pk=subscription.pk)
    assert refusal(lambda: add_item(subscription=ended, pricing=pricing)).code == "wrong_state"


@pytest.mark.parametrize("preview", [True, False])
def test_item_that_is_gone_at_stripe(either_host: SubscriptionHost, preview: bool) -> None:
    """Nobody has said so yet: it fails with a sentence, and who asks again asks about what is there."""
    host = either_host
    subscription = host.subscribed()
    other = {"id": subscription.item_id, "deleted": True}
    host.fake.change_subscription(
        subscription.provider_id, {"items": [other, {"price": host.sell("other", Decimal("9.00")).stripe_price_id}]}
    )
    body = {"subscription_id": subscription.provider_id, "plan_id": host.premium.plan_id}
    answer = host.post("change", {**body, "preview": preview})
    assert (answer.status_code, answer.json()["code"]) == (409, "other_items")
    assert host.post("change", {**body, "preview": preview}).status_code == 200


@pytest.mark.usefixtures("one_per_plan")
def test_other_interval__is_for_stripe_to_say(either_host: SubscriptionHost) -> None:
    """The flexible billing mode takes it, the classic one does not."""
    host = either_host
    yearly, subscription = support(host, interval="year"), host.subscribed()
    answer = host.post("items", {"subscription_id": subscription.provider_id, "pricing_id": yearly.pk})
    if host.fake.generation == "current":
        assert answer.status_code == 201
        return
    refused = (answer.status_code, answer.json()["code"], answer.json()["field"])
    assert refused == (400, "other_interval", "pricing_id")
    body = {"plan_id": host.premium.plan_id, "add_ons": [{"pricing_id": yearly.pk}]}
    answer = host.post("subscribe", body)
    assert (answer.status_code, answer.json()["code"]) == (400, "other_interval")
    assert charged(host) == [(host.basic.stripe_price_id, 1)]


def test_base_price_replaced_at_stripe(either_host: SubscriptionHost) -> None:
    """The add-on comes first then: the plan stays the plan, and a change bills it once."""
    host = either_host
    pricing, subscription = support(host), host.subscribed()
    add_item(subscription=subscription, pricing=pricing)
    changes = [{"id": subscription.item_id, "deleted": True}, {"price": host.premium.stripe_price_id}]
    host.fake.change_subscription(subscription.provider_id, {"items": changes})
    host.deliver_new()
    assert [price for price, _quantity in charged(host)] == [pricing.stripe_price_id, host.premium.stripe_price_id]
    shown = host.get("status").json()["results"][0]
    assert (shown["plan"]["slug"], shown["valid"]) == ("premium", True)
    change_subscription(subscription=Subscription.objects.select_related("customer").get(), plan=host.basic.plan)
    assert charged(host) == [(pricing.stripe_price_id, 1), (host.basic.stripe_price_id, 1)]


def test_other_interval__as_an_old_endpoint_shows_it(host: SubscriptionHost) -> None:
    """The one period of a subscription that its events show there is the add-on's month, not the plan's year."""
    yearly = host.sell("yearly", Decimal("500.00"), interval="year")
    subscription = host.subscribed(yearly, pricing_id=yearly.pk)
    add_item(subscription=subscription, pricing=support(host))
    host.deliver_new()
    host.fake.generation = "legacy"
    for days in (2, 31, 340):
        host.fake.advance(days=days)
        host.fake.change_subscription(subscription.provider_id, {"metadata": {"days": str(days)}})
        events = host.new_events()[-1:]
        # Stripe answers in the version that the account is set to.
        host.fake.generation = "current"
        host.deliver(events)
        host.fake.generation = "legacy"
        subscription.refresh_from_db()
        ends = {item["id"]: item["current_period_end"] for item in host.fake.all("subscription_item")}
        assert subscription.current_period_end is not None
        assert subscription.current_period_end.timestamp() == ends[subscription.item_id]


@pytest.mark.parametrize("at_period_end", [False, True])
def test_many__none_goes_with_an_answer_that_shows_ten(either_host: SubscriptionHost, at_period_end: bool) -> None:
    host = either_host
    mine = host.subscribed()
    more = [host.sell(f"extra{n}", Decimal("1.00"), is_add_on=True) for n in range(11)]
    added = [{"price": price.stripe_price_id} for price in more]
    host.fake.change_subscription(mine.provider_id, {"items": added})
    host.deliver_new()
    before = set(mine.items.values_list("provider_id", flat=True))
    changed = change_subscription(subscription=mine, pricing=host.premium, at_period_end=at_period_end)
    assert (changed.scheduled_pricing if at_period_end else changed.pricing) == host.premium
    assert set(mine.items.values_list("provider_id", flat=True)) == before
    assert len(before) == 12
