"""`/v1/subscription_items`."""

from __future__ import annotations

import re

from tests.fake_stripe import changing_subscriptions
from tests.fake_stripe.errors import ApiError, missing_param
from tests.fake_stripe.routes import Call, paginate, route
from tests.fake_stripe.state import Object
from tests.fake_stripe.subscription_objects import items

#: What of a request is about the subscription, not about its item.
_OF_THE_CHANGE = ("payment_behavior", "proration_behavior", "proration_date", "off_session")


@route("GET", "/v1/subscription_items")
def list_items(call: Call) -> Object:
    """List the items of a subscription, in the order of the subscription."""
    return paginate(call, items(_subscription(call)))


@route("POST", "/v1/subscription_items")
def create(call: Call) -> Object:
    """Add an item to a subscription."""
    if not {"price", "price_data"} & set(call.params):
        raise missing_param("price")
    subscription = _subscription(call)
    before = {item["id"] for item in items(subscription)}
    _change(call, subscription, {})
    pending = subscription["pending_update"]
    found = pending["subscription_items"] if pending and len(items(subscription)) == len(before) else None
    return next(item for item in found or items(subscription) if item["id"] not in before)


@route("GET", "/v1/subscription_items/{id}")
def retrieve(call: Call) -> Object:
    """Return an item."""
    return call.scope.get("subscription_item", call.id())


@route("POST", "/v1/subscription_items/{id}")
def update(call: Call) -> Object:
    """Change an item: its price, its quantity, its metadata."""
    item = call.scope.get("subscription_item", call.id())
    _change(call, call.scope.objects["subscription"][item["subscription"]], {"id": item["id"]})
    return call.scope.get("subscription_item", call.id())


@route("DELETE", "/v1/subscription_items/{id}")
def delete(call: Call) -> Object:
    """Take an item from its subscription."""
    item = call.scope.get("subscription_item", call.id())
    _change(call, call.scope.objects["subscription"][item["subscription"]], {"id": item["id"], "deleted": True})
    return {"id": item["id"], "object": "subscription_item", "deleted": True}


def _change(call: Call, subscription: Object, wanted: Object) -> None:
    params = {name: value for name, value in call.params.items() if name not in {"subscription", "expand"}}
    change = {name: params.pop(name) for name in _OF_THE_CHANGE if name in params}
    try:
        changing_subscriptions.update(call.scope, subscription, {**change, "items": [{**params, **wanted}]})
    except ApiError as error:
        # A parameter is named as in this request, without the `items[0]` of a subscription's own change.
        error.param = re.sub(r"^items\[\d+\]\[(\w+)\]", r"\1", error.param or "") or None
        raise


def _subscription(call: Call) -> Object:
    return call.scope.get("subscription", call.params["subscription"], param="subscription", in_url=False)
