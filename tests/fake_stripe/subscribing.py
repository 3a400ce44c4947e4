"""How subscriptions begin. Call with the state's lock held."""

from __future__ import annotations

from tests.fake_stripe import (
    canceling,
    cards,
    customers,
    discounting,
    invoicing,
    item_rules,
    objects,
    proration,
    sending,
    trials,
)
from tests.fake_stripe.errors import ApiError, invalid, missing_param
from tests.fake_stripe.events import changing, record
from tests.fake_stripe.periods import DAY, period_end
from tests.fake_stripe.state import Object, Scope
from tests.fake_stripe.subscription_objects import (
    ENDED,
    begin_periods,
    check_quantity,
    items,
    period,
    price_of,
    set_period,
    subscription,
    subscription_item,
)


def create(scope: Scope, params: Object, *, schedule: str | None = None) -> Object:
    """Create a subscription from an API request, with its first invoice; refuse what Stripe refuses.

    That of a schedule is active at once, and its invoice waits for an hour like a renewal's.
    """
    customer = scope.get("customer", params["customer"], param="customer", in_url=False)
    new = subscription(scope, customer, params)
    new["schedule"] = schedule
    sending.set_collection(new, params)
    _add_items(scope, new, params.get("items"), params.get("currency", ""))
    new["default_payment_method"] = own_method(scope, new, params.get("default_payment_method"))
    if new["automatic_tax"]["enabled"] and not customer["address"]:
        raise ApiError(
            400,
            "The customer's location isn't recognized. Set a valid customer address in order to automatically "
            "calculate tax.",
            code="customer_tax_location_invalid",
            param="automatic_tax[enabled]",
        )
    discounts = discounting.discounts(scope, params.get("discounts"), customer)
    discounting.check_applies(scope, discounts, [item["price"] for item in items(new)])
    discounting.check_minimum(scope, discounts, sum(proration.full_amount(item) for item in items(new)))
    _set_first_period(scope, new, params)
    behavior = "default_incomplete" if schedule else params.get("payment_behavior", "allow_incomplete")
    # The discounts count for the amount that is checked before anything is kept.
    for discount in discounts:
        scope.add(discount)
    new["discounts"] = [discount["id"] for discount in discounts]
    if "cancel_at" in params or params.get("cancel_at_period_end"):
        canceling.schedule(scope, new, params)
    if params.get("proration_behavior") != "none" and new["status"] != "trialing":
        new["_cut"] = canceling.cut(new, new["cancel_at"])
    lines = _first_lines(scope, new, params)
    _check_payment(scope, new, lines, behavior)
    discounting.redeem(scope, discounts, new)
    scope.add(new)
    for item in items(new):
        scope.add(item)
    _begin(scope, new, lines, behavior)
    with changing(scope, customer, "customer.updated"):
        customer["currency"] = customer["currency"] or new["currency"]
    return new


def _add_items(scope: Scope, new: Object, given: list[Object] | None, currency: str) -> None:
    if not given:
        raise missing_param("items")
    new["currency"] = currency
    for index, wanted in enumerate(given):
        price = price_of(scope, wanted, f"items[{index}]")
        quantity = check_quantity(price, wanted.get("quantity"), f"items[{index}]")
        new["currency"] = new["currency"] or price["currency"]
        item = subscription_item(scope, new, price, quantity)
        item["metadata"] = objects.merged_metadata({}, wanted.get("metadata"))
        items(new).append(item)
    item_rules.check(new)
    item_rules.check_currency(scope, new["customer"], new["currency"])


def own_method(scope: Scope, subscription: Object, given: str | None) -> str | None:
    """Return the id of a payment method of the subscription's customer; an empty string stands for none."""
    if not given:
        return None
    method = cards.take(scope, given)
    if method["customer"] != subscription["customer"]:
        raise customers.not_attached(method, "default_payment_method")
    return str(method["id"])


def _set_first_period(scope: Scope, new: Object, params: Object) -> None:
    now = scope.now()
    trial_end = params.get("trial_end")
    if "trial_period_days" in params:
        if trial_end is not None:
            raise invalid("You may only specify one of these parameters: trial_end, trial_period_days.", "trial_end")
        trials.check_days(params["trial_period_days"], "trial_period_days")
        trial_end = now + params["trial_period_days"] * DAY if params["trial_period_days"] else None
    if trial_end == "now":
        trial_end = None
    if trial_end is not None:
        if trial_end <= now:
            raise invalid("Invalid timestamp: must be an integer Unix timestamp in the future.", "trial_end")
        trials.check_days((trial_end - now) / DAY, "trial_end")
        new.update(status="trialing", trial_start=now, trial_end=trial_end, billing_cycle_anchor=trial_end)
        set_period(new, now, trial_end)
        return
    anchor = params.get("billing_cycle_anchor")
    if anchor is not None:
        if not now < anchor <= min(period_end(now, now, item["price"]["recurring"]) for item in items(new)):
            raise invalid(
                "`billing_cycle_anchor` must be in the future, and not later than the next natural billing date.",
                "billing_cycle_anchor",
            )
        new["billing_cycle_anchor"] = anchor
    begin_periods(new, now)


def _first_lines(scope: Scope, new: Object, params: Object) -> list[Object]:
    start, end = period(new)
    if new["status"] == "trialing":
        return proration.trial_lines(scope, new, start, end)
    if new["billing_cycle_anchor"] != start:
        prorate = params.get("proration_behavior", "create_prorations") != "none"
        return proration.first_lines(scope, new, start, end, prorate=prorate)
    lines = proration.current_lines(scope, new)
    return proration.shorten(lines, new["_cut"]) if new["_cut"] else lines


def _check_payment(scope: Scope, new: Object, lines: list[Object], behavior: str) -> None:
    """Refuse before anything is made what could not be paid, where the request asks for that."""
    due = invoicing.draft(scope, new, lines, "subscription_create")["amount_due"]
    if not due or behavior == "default_incomplete" or new["collection_method"] == "send_invoice":
        return
    method = invoicing.method_of(scope, new)
    if method is None:
        raise invoicing.no_method()
    if behavior == "error_if_incomplete":
        check_card(method)


def check_card(method: Object) -> None:
    """Refuse a card that will not pay at once."""
    behaviour = cards.behaviour_of(method)
    if behaviour.outcome == "requires_action":
        raise invoicing.requires_action()
    if behaviour.outcome == "declined":
        raise ApiError(
            402,
            behaviour.message,
            code=behaviour.code,
            type="card_error",
            **({"decline_code": behaviour.decline_code} if behaviour.decline_code else {}),
        )


def _begin(scope: Scope, new: Object, lines: list[Object], behavior: str) -> None:
    """Make the first invoice and try to pay it, unless the customer is to do so."""
    invoice = invoicing.create(scope, new, lines, "subscription_create")
    if new["schedule"]:
        invoice["_as_renewal"] = True
        invoicing.hold_draft(scope, invoice)
    else:
        invoicing.begin(scope, invoice, charge=behavior != "default_incomplete")
    sent = new["collection_method"] == "send_invoice"
    if (sent or new["schedule"]) and new["status"] == "incomplete":
        new["status"] = "active"
    costs = any(proration.full_amount(item) for item in items(new))
    if new["status"] == "trialing" and costs and not sent and invoicing.method_of(scope, new) is None:
        intent = customers.setup_intent(scope, {"customer": new["customer"], "usage": "off_session"})
        intent["_subscription"] = new["id"]
        new["pending_setup_intent"] = intent["id"]
    record(scope, "customer.subscription.created", new)
    new["_announced"] = True
    if new["status"] == "trialing":
        trials.warn_of_end(scope, new)


def _set_up(scope: Scope, intent: Object) -> None:
    """Charge what the customer has set up for a subscription."""
    found = scope.find("subscription", intent.get("_subscription"))
    if found and found["status"] not in ENDED:
        invoicing.change(scope, found, pending_setup_intent=None, default_payment_method=intent["payment_method"])


customers.ON_SETUP.append(_set_up)


def expire(scope: Scope, found: Object) -> None:
    """Give up a subscription whose first invoice nobody has paid for 23 hours."""
    invoice = scope.objects["invoice"][found["latest_invoice"]]
    if invoice["status"] == "open":
        invoicing.void(scope, invoice)
    invoicing.change(scope, found, status="incomplete_expired", ended_at=scope.now())
