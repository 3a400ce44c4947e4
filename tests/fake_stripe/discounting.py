"""What coupons and promotion codes take off."""

from __future__ import annotations

import fractions

from tests.fake_stripe.errors import ApiError, invalid, no_such
from tests.fake_stripe.events import record
from tests.fake_stripe.periods import moment_after
from tests.fake_stripe.state import Object, Scope


def discounts(scope: Scope, given: list[Object] | str | None, customer: Object | None) -> list[Object]:
    """Return a new discount for each of an API request's `discounts`; refuse a code that cannot be used."""
    return [_discount(scope, item, customer, f"discounts[{index}]") for index, item in enumerate(given or [])]


def _discount(scope: Scope, given: Object, customer: Object | None, param: str) -> Object:
    if "discount" in given:
        return _kept(scope, given["discount"], customer, param)
    promotion = None
    if "promotion_code" in given:
        promotion = scope.get("promotion_code", given["promotion_code"], param=f"{param}[promotion_code]", in_url=False)
        _check_promotion(scope, promotion, customer, param)
    identifier = promotion["promotion"]["coupon"] if promotion else given.get("coupon")
    if identifier is None:
        raise invalid("You must pass one of `coupon`, `promotion_code` and `discount`.", param)
    coupon = scope.get("coupon", identifier, param=f"{param}[coupon]", in_url=False)
    for counted in (coupon, promotion):
        most = counted["max_redemptions"] if counted else None
        if most is not None and counted is not None and counted["times_redeemed"] >= most:
            raise ApiError(400, f"Coupon expired: {coupon['id']}", code="coupon_expired", param=param, stored=False)
    now = scope.now()
    end = None
    if coupon["duration"] == "repeating":
        end = moment_after(now, "month", coupon["duration_in_months"])
    return {
        "id": scope.new_id("di_"),
        "object": "discount",
        "checkout_session": None,
        "customer": customer["id"] if customer else None,
        "customer_account": None,
        "end": end,
        "invoice": None,
        "invoice_item": None,
        "promotion_code": promotion["id"] if promotion else None,
        "source": {"coupon": coupon["id"], "type": "coupon"},
        "start": now,
        "subscription": None,
        "subscription_item": None,
    }


def _kept(scope: Scope, identifier: str, customer: Object | None, param: str) -> Object:
    """Return a discount that the customer has, to stay as it is."""
    found = scope.get("discount", identifier, param=f"{param}[discount]", in_url=False)
    if customer is None or found["customer"] != customer["id"]:
        raise no_such("discount", identifier, param=f"{param}[discount]", in_url=False)
    return found


def _check_promotion(scope: Scope, promotion: Object, customer: Object | None, param: str) -> None:
    over = promotion["expires_at"] is not None and promotion["expires_at"] <= scope.now()
    if over or not promotion["active"]:
        raise ApiError(400, "This promotion code is expired.", code="coupon_expired", param=param, stored=False)
    param = f"{param}[promotion_code]"
    if promotion["customer"] and customer and promotion["customer"] != customer["id"]:
        raise ApiError(400, "This promotion code cannot be redeemed by this customer.", param=param, stored=False)
    first = promotion["restrictions"]["first_time_transaction"]
    if first and customer and scope.related("invoice", customer=customer["id"], status="paid"):
        raise ApiError(
            400,
            "This promotion code cannot be redeemed because the associated customer has prior transactions.",
            param=param,
            stored=False,
        )


def check_applies(scope: Scope, used: list[Object], prices: list[Object]) -> None:
    """Refuse a coupon of other products than those of the prices that are charged."""
    products = {price["product"] for price in prices}
    for discount in used:
        wanted = scope.objects["coupon"][discount["source"]["coupon"]].get("_applies_to")
        if wanted and not products & set(wanted):
            raise ApiError(
                400,
                "This coupon cannot be redeemed because it does not apply to anything in this order.",
                code="coupon_applies_to_nothing",
                stored=False,
            )


def check_minimum(scope: Scope, used: list[Object], total: int | None) -> None:
    """Refuse a code for larger orders; ``total`` is in the smallest unit, ``None`` where it may still change."""
    for discount in used:
        found = scope.find("promotion_code", discount["promotion_code"])
        least = found["restrictions"]["minimum_amount"] if found else None
        if least is None or (total is not None and total >= least):
            continue
        reason = "because the order does not meet its minimum amount."
        if total is None:
            reason = (
                "on a subscription update because it uses the `minimum_amount` restriction and the amount may change."
            )
        message = f"This promotion code cannot be redeemed {reason}"
        raise ApiError(400, message, param="discounts[0][promotion_code]", stored=False)


def redeem(scope: Scope, used: list[Object], subscription: Object) -> None:
    """Give a subscription these discounts in place of those it has; count the coupons and codes of new ones."""
    ids = [discount["id"] for discount in used]
    for identifier in subscription["discounts"]:
        if identifier not in ids:
            record(scope, "customer.discount.deleted", scope.objects["discount"][identifier])
    subscription["discounts"] = ids
    for discount in used:
        if discount["subscription"] == subscription["id"]:
            continue
        discount["subscription"] = subscription["id"]
        scope.objects["coupon"][discount["source"]["coupon"]]["times_redeemed"] += 1
        if discount["promotion_code"]:
            scope.objects["promotion_code"][discount["promotion_code"]]["times_redeemed"] += 1
        record(scope, "customer.discount.created", scope.add(discount))


def amounts(scope: Scope, subtotal: int, used: list[Object]) -> list[int]:
    """Return what each discount takes off `subtotal`, one after the other, in the smallest unit."""
    taken = []
    for discount in used:
        coupon = scope.objects["coupon"][discount["source"]["coupon"]]
        if coupon["percent_off"] is not None:
            exact = subtotal * fractions.Fraction(str(coupon["percent_off"])) / 100
            off = int(exact + fractions.Fraction(1, 2))
        else:
            off = coupon["amount_off"]
        off = max(0, min(off, subtotal))
        taken.append(off)
        subtotal -= off
    return taken


def note_on_lines(lines: list[Object], used: list[Object], taken: list[int]) -> None:
    """Note on each line its share of what the discounts take off, in proportion to what it costs."""
    shared = [line for line in lines if line["discountable"]]
    for line in shared:
        line["discount_amounts"] = []
    for discount, off in zip(used, taken, strict=True):
        left, of = off, sum(line["amount"] for line in shared)
        for line in shared:
            part = left if line is shared[-1] else off * line["amount"] // max(1, of)
            left -= part
            line["discount_amounts"].append({"amount": part, "discount": discount["id"]})


def percent_left(scope: Scope, subscription: Object, at: int) -> fractions.Fraction:
    """Return what the subscription's percentages leave of a price."""
    left = fractions.Fraction(1)
    for discount in still_valid(scope, subscription, at):
        percent = scope.objects["coupon"][discount["source"]["coupon"]]["percent_off"]
        left *= 1 - fractions.Fraction(str(percent or 0)) / 100
    return left


def still_valid(scope: Scope, subscription: Object, at: int) -> list[Object]:
    """Return the discounts that count for an invoice of a subscription at a moment."""
    found = [scope.objects["discount"][identifier] for identifier in subscription["discounts"]]
    return [discount for discount in found if discount["end"] is None or discount["end"] > at]


def drop_used(scope: Scope, subscription: Object) -> None:
    """Take those that count once only from a subscription, after its invoice."""
    subscription["discounts"] = [
        identifier
        for identifier in subscription["discounts"]
        if scope.objects["coupon"][scope.objects["discount"][identifier]["source"]["coupon"]]["duration"] != "once"
    ]
