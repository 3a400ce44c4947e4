"""Build subscriptions and their items with the fields that Stripe shows, in the current shape."""

from __future__ import annotations

from typing import Any

from tests.fake_stripe import objects, price_objects
from tests.fake_stripe.errors import ApiError, invalid, missing_param
from tests.fake_stripe.state import Object, Scope, listed


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
        billing_mode={"flexible": {"proration_discounts": "included"}, "type": "flexible"},
        billing_schedules=[],
        cancel_at_period_end=False,
        cancellation_details={"comment": None, "feedback": None, "reason": None},
        collection_method=params.get("collection_method", "charge_automatically"),
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
        _metered_since={},
        _pending=None,
        _upcoming_for=0,
        _warned_for=0,
    )
    return made


def items(subscription: Object) -> list[Object]:
    """Return the items of a subscription."""
    found: list[Object] = subscription["items"]["data"]
    return found


def period(subscription: Object) -> tuple[int, int]:
    """Return the current period of a subscription, which all items of one share here."""
    first = items(subscription)[0]
    return first["current_period_start"], first["current_period_end"]


def set_period(subscription: Object, start: int, end: int) -> None:
    """Set the current period of every item."""
    for item in items(subscription):
        item.update(current_period_start=start, current_period_end=end)
