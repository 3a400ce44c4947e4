"""Build subscriptions and their items with the fields that Stripe shows, in the current shape."""

from __future__ import annotations

from typing import Any

from tests.fake_stripe import objects, price_objects
from tests.fake_stripe.errors import ApiError, invalid, missing_param
from tests.fake_stripe.periods import current_period, period_end
from tests.fake_stripe.state import Object, Scope, listed

#: The statuses that nothing leads out of.
ENDED = ("canceled", "incomplete_expired")


def price_of(scope: Scope, item: Object, param: str) -> Object:
    """Return the recurring price that an item of an API request names, as a price or a legacy plan, or describes."""
    identifier = item.get("price") or item.get("plan")
    if identifier:
        name = "price" if "price" in item else "plan"
        price = scope.get("price", identifier, param=f"{param}[{name}]", in_url=False)
    elif "price_data" in item:
        data = item["price_data"]
        price = scope.add(price_objects.price(scope, data["product"], data, f"{param}[price_data]", active=False))
        return price
    else:
        raise missing_param(f"{param}[price]")
    if not price["recurring"]:
        raise invalid(
            f"The price specified is set to `type=one_time` but this field only accepts prices with `type=recurring`: "
            f"{price['id']}.",
            f"{param}[price]",
        )
    if not price["active"]:
        raise ApiError(
            400,
            f"The price specified is inactive. This field only accepts active prices: {price['id']}.",
            param=f"{param}[price]",
            stored=False,
        )
    product = scope.find("product", price["product"])
    if product and not product["active"]:
        raise price_objects.not_available(price, f"{param}[price]")
    return price


def check_quantity(price: Object, quantity: int | None, param: str) -> int | None:
    """Return how many; a metered price has no quantity."""
    if price["recurring"]["usage_type"] == "metered":
        if quantity is not None:
            raise invalid("You cannot set a quantity for a metered price.", f"{param}[quantity]")
        return None
    if quantity is not None and quantity < 0:
        raise invalid("This value must be greater than or equal to 0.", f"{param}[quantity]")
    return 1 if quantity is None else quantity


def subscription_item(scope: Scope, subscription: Object, price: Object, quantity: int | None) -> Object:
    """Return a new item; its period is still to be set."""
    item: Object = {
        "id": scope.new_id("si_"),
        "object": "subscription_item",
        "billing_thresholds": None,
        "created": scope.now(),
        "current_period_end": 0,
        "current_period_start": 0,
        "discounts": [],
        "metadata": {},
        "plan": price_objects.plan_of(price),
        "price": price,
        "subscription": subscription["id"],
        "tax_rates": [],
        "_currency": subscription["currency"],
    }
    if quantity is not None:
        item["quantity"] = quantity
    return item


_NULL_FIELDS = (
    "application application_fee_percent billing_cycle_anchor_config billing_thresholds cancel_at canceled_at "
    "customer_account days_until_due default_payment_method default_source description ended_at latest_invoice "
    "managed_payments next_pending_invoice_item_invoice on_behalf_of pause_collection pending_invoice_item_interval "
    "pending_setup_intent pending_update schedule test_clock transfer_data trial_end trial_start"
).split()


def subscription(scope: Scope, customer: Object, params: Object) -> Object:
    """Return a new subscription without items; the fields beginning with an underscore are the fake's notes."""
    identifier = scope.new_id("sub_")
    now = scope.now()
    made: dict[str, Any] = dict.fromkeys(_NULL_FIELDS)
    settings = {"payment_method_options": None, "payment_method_types": None, "save_default_payment_method": "off"}
    ending = {"end_behavior": {"missing_payment_method": "create_invoice"}}
    made.update(
        id=identifier,
        object="subscription",
        automatic_tax={
            "disabled_reason": None,
            "enabled": params.get("automatic_tax", {}).get("enabled", False),
            "liability": None,
        },
        billing_cycle_anchor=now,
        billing_mode=billing_mode(params.get("billing_mode", {})),
        billing_schedules=[],
        cancel_at_period_end=False,
        cancellation_details={"comment": None, "feedback": None, "reason": None},
        collection_method="charge_automatically",
        created=now,
        currency="",
        customer=customer["id"],
        default_tax_rates=[],
        description=params.get("description"),
        discounts=[],
        invoice_settings={
            "account_tax_ids": None,
            "custom_fields": None,
            "description": None,
            "footer": None,
            "issuer": {"type": "self"},
        },
        items=listed([], f"/v1/subscription_items?subscription={identifier}"),
        livemode=scope.livemode,
        metadata=objects.merged_metadata({}, params.get("metadata")),
        payment_settings={**settings, **params.get("payment_settings", {})},
        start_date=now,
        status="incomplete",
        trial_settings=params.get("trial_settings", ending),
        _announced=False,
        _begins_anew=False,
        _cut=None,
        _metered_since={},
        _pending=None,
        _upcoming_for=0,
        _warned_for=0,
    )
    return made


def billing_mode(given: Object) -> Object:
    """Return the billing mode that a request asks for, as Stripe shows it."""
    if given.get("type") == "classic":
        return {"flexible": None, "type": "classic"}
    return {"flexible": {"proration_discounts": "included", **given.get("flexible", {})}, "type": "flexible"}


def items(subscription: Object) -> list[Object]:
    """Return the items of a subscription."""
    found: list[Object] = subscription["items"]["data"]
    return found


def put_items(scope: Scope, subscription: Object, changed: Object) -> None:
    """Put the items of a changed copy into a subscription, and forget those that it has no more."""
    before = items(subscription)
    kept = {item["id"] for item in items(changed)}
    for item in items(subscription):
        if item["id"] not in kept:
            scope.objects["subscription_item"].pop(item["id"], None)
    subscription["items"] = changed["items"]
    for item in items(subscription):
        # The price's own later changes show again.
        item["price"] = scope.objects["price"][item["price"]["id"]]
        scope.add(item)
    count_from(subscription, before, scope.now())


def count_from(subscription: Object, before: list[Object], moment: int) -> None:
    """Note that what is used at prices that a subscription did not have before counts from a moment on."""
    was_there = {(item["id"], item["price"]["id"]) for item in before}
    for item in items(subscription):
        if (item["id"], item["price"]["id"]) not in was_there:
            subscription["_metered_since"][item["id"]] = moment


def ending(subscription: Object, end: int) -> Object:
    """Return a view of a subscription that has the items only whose period ends at a moment."""
    return with_items(subscription, [item for item in items(subscription) if item["current_period_end"] == end])


def with_items(subscription: Object, some: list[Object]) -> Object:
    """Return a view of a subscription that has these items only, to count what they cost."""
    return {**subscription, "items": {**subscription["items"], "data": some}}


def period(subscription: Object) -> tuple[int, int]:
    """Return the current period of a subscription: of the item whose period ends first, where they differ."""
    first = min(items(subscription), key=lambda item: item["current_period_end"])
    return first["current_period_start"], first["current_period_end"]


def set_period(subscription: Object, start: int, end: int) -> None:
    """Set the current period of every item."""
    for item in items(subscription):
        item.update(current_period_start=start, current_period_end=end)


def begin_periods(subscription: Object, start: int) -> None:
    """Let every item begin a period, each of its own interval, counted from the subscription's anchor."""
    for item in items(subscription):
        end = period_end(subscription["billing_cycle_anchor"], start, item["price"]["recurring"])
        item.update(current_period_start=start, current_period_end=end)


def join_period(subscription: Object, item: Object, at: int) -> None:
    """Give an item that comes in at a moment the period that it would be in, had it been there from the beginning."""
    for other in items(subscription):
        if other is not item and cycle(other) == cycle(item):
            item.update({name: other[name] for name in ("current_period_start", "current_period_end")})
            return
    start, end = current_period(subscription["billing_cycle_anchor"], at, item["price"]["recurring"])
    item.update(current_period_start=start, current_period_end=end)


def cycle(item: Object) -> tuple[str, int]:
    """Return how often an item is billed."""
    recurring = item["price"]["recurring"]
    return recurring["interval"], recurring["interval_count"]


def all_cycle_anew(before: set[tuple[str, int]], after: set[tuple[str, int]]) -> bool:
    """Return whether another interval takes the place of the one before.

    Where intervals are mixed, an item that comes or goes leaves the others as they are.
    """
    return before != after and len(before) == len(after) == 1


def cycles(subscription: Object) -> set[tuple[str, int]]:
    """Return how often the items of a subscription are billed; in flexible billing mode they can differ."""
    return {cycle(item) for item in items(subscription)}
