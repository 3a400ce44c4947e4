"""`/v1/products`, `/v1/prices` and the older `/v1/plans`."""

from __future__ import annotations

from tests.fake_stripe import catalogue, objects
from tests.fake_stripe.errors import ApiError, invalid, missing_param
from tests.fake_stripe.events import record
from tests.fake_stripe.price_objects import plan_of
from tests.fake_stripe.routes import Call, paginate, route
from tests.fake_stripe.state import Object

_MOST_KEYS = 10


@route("POST", "/v1/products")
def create_product(call: Call) -> Object:
    """Create a product."""
    return catalogue.create_product(call.scope, call.params)


@route("GET", "/v1/products")
def list_products(call: Call) -> Object:
    """List products, newest first."""
    wanted = {name: call.params[name] for name in ("active",) if name in call.params}
    ids = call.params.get("ids")
    return paginate(call, [item for item in call.scope.related("product", **wanted) if not ids or item["id"] in ids])


@route("GET", "/v1/products/{id}")
def retrieve_product(call: Call) -> Object:
    """Return a product."""
    return call.scope.get("product", call.id())


@route("POST", "/v1/products/{id}")
def update_product(call: Call) -> Object:
    """Change a product, or archive it."""
    product = call.scope.get("product", call.id())
    catalogue.update_product(call.scope, product, call.params)
    return product


@route("DELETE", "/v1/products/{id}")
def delete_product(call: Call) -> Object:
    """Delete a product that has no prices."""
    product = call.scope.get("product", call.id())
    if call.scope.related("price", product=product["id"]):
        raise ApiError(400, "This product cannot be deleted because it has one or more user-created prices.")
    del call.scope.objects["product"][product["id"]]
    record(call.scope, "product.deleted", product)
    return {"id": product["id"], "object": "product", "deleted": True}


@route("POST", "/v1/prices")
def create_price(call: Call) -> Object:
    """Create a price."""
    return catalogue.create_price(call.scope, call.params)


@route("GET", "/v1/prices")
def list_prices(call: Call) -> Object:
    """List prices, newest first."""
    names = ("active", "currency", "product", "type")
    wanted = {name: call.params[name] for name in names if name in call.params}
    keys = call.params.get("lookup_keys")
    if keys and len(keys) > _MOST_KEYS:
        raise invalid(f"You can specify up to {_MOST_KEYS} lookup keys.", "lookup_keys")
    recurring = call.params.get("recurring", {})
    found = [
        price
        for price in call.scope.related("price", **wanted)
        if (not keys or price["lookup_key"] in keys)
        and all((price["recurring"] or {}).get(name) == value for name, value in recurring.items())
    ]
    return paginate(call, found)


@route("GET", "/v1/prices/{id}")
def retrieve_price(call: Call) -> Object:
    """Return a price."""
    return call.scope.get("price", call.id())


@route("POST", "/v1/prices/{id}")
def update_price(call: Call) -> Object:
    """Change a price, but not what it costs."""
    price = call.scope.get("price", call.id())
    catalogue.update_price(call.scope, price, call.params)
    return price


@route("POST", "/v1/plans")
def create_plan(call: Call) -> Object:
    """Create a plan, which is a recurring price with another name."""
    params = call.params
    product = params.get("product")
    if isinstance(product, dict):
        product = catalogue.create_product(call.scope, product)["id"]
    if product is None:
        raise missing_param("product")
    names = ("active", "currency", "metadata", "nickname")
    given = {name: params[name] for name in names if name in params}
    given.update(product=product, unit_amount=params.get("amount", 0))
    recurring = ("interval", "interval_count", "trial_period_days", "usage_type", "meter")
    given["recurring"] = {name: params[name] for name in recurring if name in params}
    price = catalogue.create_price(call.scope, given, id=params.get("id") or call.scope.new_id("plan_"))
    return plan_of(price)


@route("GET", "/v1/plans")
def list_plans(call: Call) -> Object:
    """List plans, newest first."""
    wanted = {name: call.params[name] for name in ("active", "product") if name in call.params}
    prices = call.scope.related("price", type="recurring", **wanted)
    return paginate(call, [plan_of(price) for price in prices])


@route("GET", "/v1/plans/{id}")
def retrieve_plan(call: Call) -> Object:
    """Return a plan."""
    return plan_of(call.scope.get("price", call.id(), param="plan"))


@route("POST", "/v1/plans/{id}")
def update_plan(call: Call) -> Object:
    """Change a plan, but not what it costs."""
    price = call.scope.get("price", call.id(), param="plan")
    catalogue.update_price(call.scope, price, call.params)
    return plan_of(price)


@route("POST", "/v1/coupons")
def create_coupon(call: Call) -> Object:
    """Create a coupon."""
    return catalogue.create_coupon(call.scope, call.params)


@route("GET", "/v1/coupons")
def list_coupons(call: Call) -> Object:
    """List coupons, newest first."""
    return paginate(call, call.scope.all("coupon"))


@route("GET", "/v1/coupons/{id}")
def retrieve_coupon(call: Call) -> Object:
    """Return a coupon."""
    return call.scope.get("coupon", call.id(), param="coupon")


@route("POST", "/v1/promotion_codes")
def create_promotion_code(call: Call) -> Object:
    """Create a promotion code."""
    return catalogue.create_promotion_code(call.scope, call.params)


@route("GET", "/v1/promotion_codes")
def list_promotion_codes(call: Call) -> Object:
    """List promotion codes, newest first; `code` is compared without regard to case."""
    wanted = {name: call.params[name] for name in ("active", "customer") if name in call.params}
    code = call.params.get("code", "").lower()
    coupon = call.params.get("coupon")
    found = [
        item
        for item in call.scope.related("promotion_code", **wanted)
        if (not code or item["code"].lower() == code) and (not coupon or item["promotion"]["coupon"] == coupon)
    ]
    return paginate(call, found)


@route("GET", "/v1/promotion_codes/{id}")
def retrieve_promotion_code(call: Call) -> Object:
    """Return a promotion code."""
    return call.scope.get("promotion_code", call.id(), param="promotion_code")


@route("POST", "/v1/promotion_codes/{id}")
def update_promotion_code(call: Call) -> Object:
    """Change a promotion code, or take it out of use."""
    found = call.scope.get("promotion_code", call.id(), param="promotion_code")
    if "active" in call.params:
        found["active"] = call.params["active"]
    found["metadata"] = objects.merged_metadata(found["metadata"], call.params.get("metadata"))
    return found
