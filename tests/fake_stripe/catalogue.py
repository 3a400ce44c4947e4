"""What happens to products, prices (and the plans that they were called before), coupons and promotion codes."""

from __future__ import annotations

from typing import Any

from tests.fake_stripe import objects
from tests.fake_stripe.errors import invalid, missing_param
from tests.fake_stripe.events import changing, record
from tests.fake_stripe.price_objects import plan_of, price
from tests.fake_stripe.state import Object, Scope


def create_product(scope: Scope, params: Object) -> Object:
    """Create a product from an API request."""
    if not params.get("name"):
        raise missing_param("name")
    identifier = params.get("id") or scope.new_id("prod_")
    if scope.find("product", identifier):
        raise invalid(f"Product already exists: {identifier}.", "id", "resource_already_exists")
    now = scope.now()
    product: Object = {
        "id": identifier,
        "object": "product",
        "active": params.get("active", True),
        "created": now,
        "default_price": None,
        "description": params.get("description") or None,
        "images": params.get("images", []),
        "livemode": scope.livemode,
        "marketing_features": [],
        "metadata": objects.merged_metadata({}, params.get("metadata")),
        "name": params["name"],
        "package_dimensions": None,
        "shippable": None,
        "statement_descriptor": params.get("statement_descriptor"),
        "tax_code": params.get("tax_code"),
        "type": "service",
        "unit_label": params.get("unit_label"),
        "updated": now,
        "url": None,
    }
    scope.add(product)
    record(scope, "product.created", product)
    return product


def update_product(scope: Scope, product: Object, params: Object) -> None:
    """Change a product."""
    with changing(scope, product, "product.updated"):
        for name in ("active", "name", "statement_descriptor", "tax_code", "unit_label"):
            if name in params:
                product[name] = params[name] if params[name] != "" else None
        if "description" in params:
            product["description"] = params["description"] or None
        if "default_price" in params:
            product["default_price"] = scope.get("price", params["default_price"], in_url=False)["id"]
        product["metadata"] = objects.merged_metadata(product["metadata"], params.get("metadata"))
        product["updated"] = scope.now()


def create_price(scope: Scope, params: Object, **fields: Any) -> Object:
    """Create a price from an API request; a recurring one is a plan to older API versions, and makes its event too."""
    if "product" not in params and "product_data" not in params:
        raise missing_param("product")
    lookup_key = params.get("lookup_key") or None
    if lookup_key:
        _take_lookup_key(scope, lookup_key, transfer=params.get("transfer_lookup_key", False))
    if "product" in params:
        product = scope.get("product", params["product"], param="product", in_url=False)
    else:
        product = create_product(scope, params["product_data"])
    new = price(
        scope,
        product["id"],
        params,
        active=params.get("active", True),
        lookup_key=lookup_key,
        metadata=objects.merged_metadata({}, params.get("metadata")),
        nickname=params.get("nickname"),
        tax_behavior=params.get("tax_behavior", "unspecified"),
        **fields,
    )
    scope.add(new)
    record(scope, "price.created", new)
    if new["recurring"]:
        record(scope, "plan.created", plan_of(new))
    return new


def update_price(scope: Scope, found: Object, params: Object) -> None:
    """Change what can change of a price: not what it costs."""
    if params.get("lookup_key"):
        _take_lookup_key(scope, params["lookup_key"], transfer=params.get("transfer_lookup_key", False), keep=found)
    if params.get("active") is False and scope.get("product", found["product"])["default_price"] == found["id"]:
        raise invalid("This price cannot be archived because it is the default price of its product.")
    before = plan_of(found) if found["recurring"] else None
    with changing(scope, found, "price.updated"):
        for name in ("active", "lookup_key", "nickname", "tax_behavior"):
            if name in params:
                found[name] = params[name] if params[name] != "" else None
        found["metadata"] = objects.merged_metadata(found["metadata"], params.get("metadata"))
    if before is not None:
        after = plan_of(found)
        previous = {name: value for name, value in before.items() if after[name] != value}
        if previous:
            record(scope, "plan.updated", after, previous=previous)


def _take_lookup_key(scope: Scope, lookup_key: str, *, transfer: bool, keep: Object | None = None) -> None:
    """Take a lookup key from the price that has it, or refuse."""
    for other in scope.related("price", lookup_key=lookup_key):
        if other is keep:
            continue
        if not transfer:
            raise invalid(
                f"A price (`{other['id']}`) already uses that lookup key.", "lookup_key", "resource_already_exists"
            )
        with changing(scope, other, "price.updated"):
            other["lookup_key"] = None


def create_coupon(scope: Scope, params: Object) -> Object:
    """Create a coupon of a percentage or an amount."""
    if ("percent_off" in params) == ("amount_off" in params):
        raise invalid("You must pass exactly one of `percent_off` and `amount_off`.", "percent_off")
    if "amount_off" in params and "currency" not in params:
        raise missing_param("currency")
    duration = params.get("duration", "once")
    if duration == "repeating" and "duration_in_months" not in params:
        raise missing_param("duration_in_months")
    coupon: Object = {
        "id": params.get("id") or scope.new_id("")[-8:],
        "object": "coupon",
        "amount_off": params.get("amount_off"),
        "created": scope.now(),
        "currency": params.get("currency"),
        "duration": duration,
        "duration_in_months": params.get("duration_in_months"),
        "livemode": scope.livemode,
        "max_redemptions": params.get("max_redemptions"),
        "metadata": objects.merged_metadata({}, params.get("metadata")),
        "name": params.get("name"),
        "percent_off": params.get("percent_off"),
        "redeem_by": params.get("redeem_by"),
        "times_redeemed": 0,
        "valid": True,
        # Shown to who asks for it only.
        "_applies_to": params.get("applies_to", {}).get("products"),
    }
    record(scope, "coupon.created", scope.add(coupon))
    return coupon


def create_promotion_code(scope: Scope, params: Object) -> Object:
    """Create a code that customers enter; an active one is the only one of its name."""
    coupon = scope.get("coupon", params["promotion"]["coupon"], param="promotion[coupon]", in_url=False)
    code = params.get("code") or scope.new_id("")[-8:].upper()
    if any(other["code"].lower() == code.lower() for other in scope.related("promotion_code", active=True)):
        raise invalid(f"An active promotion code with `code: {code}` already exists.", "code")
    promotion: Object = {
        "id": scope.new_id("promo_"),
        "object": "promotion_code",
        "active": params.get("active", True),
        "code": code,
        "created": scope.now(),
        "customer": params.get("customer"),
        "customer_account": None,
        "expires_at": params.get("expires_at"),
        "livemode": scope.livemode,
        "max_redemptions": params.get("max_redemptions"),
        "metadata": objects.merged_metadata({}, params.get("metadata")),
        "promotion": {"coupon": coupon["id"], "type": "coupon"},
        "restrictions": {
            "first_time_transaction": False,
            "minimum_amount": None,
            "minimum_amount_currency": None,
            **params.get("restrictions", {}),
        },
        "times_redeemed": 0,
    }
    record(scope, "promotion_code.created", scope.add(promotion))
    return promotion
