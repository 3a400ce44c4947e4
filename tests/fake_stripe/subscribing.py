"""How subscriptions begin and end. Call with the state's lock held."""

from __future__ import annotations

from collections.abc import Callable

from tests.fake_stripe import cards, customers, discounting, invoicing, payments, proration
from tests.fake_stripe.errors import ApiError, invalid, missing_param
from tests.fake_stripe.events import changing, record
from tests.fake_stripe.periods import DAY, period_end
from tests.fake_stripe.state import Object, Scope
from tests.fake_stripe.subscription_objects import (
    check_quantity,
    items,
    period,
    price_of,
    set_period,
    subscription,
    subscription_item,
)

ENDED = ("canceled", "incomplete_expired")
_MOST_TRIAL_DAYS = 730
#: Stripe warns this long before a trial ends.
WARNING = 3 * DAY


#: What ends with a subscription: (scope, subscription, reason).
ON_END: list[Callable[[Scope, Object, str], None]] = []


def create(scope: Scope, params: Object, *, schedule: str | None = None) -> Object:
    """Create a subscription from an API request, with its first invoice; refuse what Stripe refuses.

    That of a schedule is active at once, and its invoice waits for an hour like a renewal's.
    """
    customer = scope.get("customer", params["customer"], param="customer", in_url=False)
    new = subscription(scope, customer, params)
    new["schedule"] = schedule
    _add_items(scope, new, params.get("items"))
    if params.get("default_payment_method"):
        method = cards.take(scope, params["default_payment_method"])
        if method["customer"] != customer["id"]:
            raise customers.not_attached(method, "default_payment_method")
        new["default_payment_method"] = method["id"]
    if new["automatic_tax"]["enabled"] and not customer["address"]:
        raise ApiError(
            400,
            "The customer's location isn't recognized. Set a valid customer address in order to automatically "
            "calculate tax.",
            code="customer_tax_location_invalid",
            param="automatic_tax[enabled]",
        )
    discounts = discounting.discounts(scope, params.get("discounts"), customer)
    _set_first_period(scope, new, params)
    behavior = "default_incomplete" if schedule else params.get("payment_behavior", "allow_incomplete")
    # The discounts count for the amount that is checked before anything is kept.
    for discount in discounts:
        scope.add(discount)
    new["discounts"] = [discount["id"] for discount in discounts]
    lines = _first_lines(scope, new, params)
    _check_payment(scope, new, lines, behavior)
    discounting.redeem(scope, discounts, new)
    scope.add(new)
    if params.get("cancel_at_period_end"):
        end_with_period(scope, new, True)
    if "cancel_at" in params:
        new["cancel_at"] = params["cancel_at"]
    _begin(scope, new, lines, behavior)
    with changing(scope, customer, "customer.updated"):
        customer["currency"] = customer["currency"] or new["currency"]
    return new


def _add_items(scope: Scope, new: Object, given: list[Object] | None) -> None:
    if not given:
        raise missing_param("items")
    for index, wanted in enumerate(given):
        price = price_of(scope, wanted, f"items[{index}]")
        quantity = check_quantity(price, wanted.get("quantity"), f"items[{index}]")
        item = subscription_item(scope, new, price, quantity)
        item["metadata"] = wanted.get("metadata", {})
        items(new).append(item)
        scope.add(item)
    for name in ("currency",):
        if len({item["price"][name] for item in items(new)}) > 1:
            raise invalid("All prices on a subscription must have the same currency.", "items")
    cycles = {(i["price"]["recurring"]["interval"], i["price"]["recurring"]["interval_count"]) for i in items(new)}
    if len(cycles) > 1:
        raise invalid("Currently, all prices on a subscription must have the same interval.", "items")
    new["currency"] = items(new)[0]["price"]["currency"]


def _set_first_period(scope: Scope, new: Object, params: Object) -> None:
    now = scope.now()
    trial_end = params.get("trial_end")
    if "trial_period_days" in params:
        if trial_end is not None:
            raise invalid("You may only specify one of these parameters: trial_end, trial_period_days.", "trial_end")
        if not 0 <= params["trial_period_days"] <= _MOST_TRIAL_DAYS:
            raise invalid("The maximum number of trial period days is 730 (2 years).", "trial_period_days")
        trial_end = now + params["trial_period_days"] * DAY if params["trial_period_days"] else None
    if trial_end == "now":
        trial_end = None
    if trial_end is not None:
        if trial_end <= now:
            raise invalid("Invalid timestamp: must be an integer Unix timestamp in the future.", "trial_end")
        new.update(status="trialing", trial_start=now, trial_end=trial_end, billing_cycle_anchor=trial_end)
        set_period(new, now, trial_end)
        return
    recurring = items(new)[0]["price"]["recurring"]
    anchor = params.get("billing_cycle_anchor")
    if anchor is not None:
        if not now < anchor <= period_end(now, now, recurring):
            raise invalid(
                "`billing_cycle_anchor` must be in the future, and not later than the next natural billing date.",
                "billing_cycle_anchor",
            )
        new["billing_cycle_anchor"] = anchor
    set_period(new, now, period_end(new["billing_cycle_anchor"], now, recurring))


def _first_lines(scope: Scope, new: Object, params: Object) -> list[Object]:
    start, end = period(new)
    if new["status"] == "trialing":
        return proration.trial_lines(scope, new, start, end)
    if new["billing_cycle_anchor"] != start:
        prorate = params.get("proration_behavior", "create_prorations") != "none"
        return proration.first_lines(scope, new, start, end, prorate=prorate)
    return proration.period_lines(scope, new, start, end)


def _check_payment(scope: Scope, new: Object, lines: list[Object], behavior: str) -> None:
    """Refuse before anything is made what could not be paid, where the request asks for that."""
    due = invoicing.draft(scope, new, lines, "subscription_create")["amount_due"]
    if not due or behavior == "default_incomplete":
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
        new["status"] = "active" if new["status"] == "incomplete" else new["status"]
        invoice["_as_renewal"] = True
        invoicing.hold_draft(scope, invoice)
    else:
        invoicing.finalize(scope, invoice)
    if invoice["status"] == "open" and behavior != "default_incomplete":
        invoicing.collect(scope, invoice)
    costs = any(proration.full_amount(item) for item in items(new))
    if new["status"] == "trialing" and costs and invoicing.method_of(scope, new) is None:
        intent = customers.setup_intent(scope, {"customer": new["customer"], "usage": "off_session"})
        intent["_subscription"] = new["id"]
        new["pending_setup_intent"] = intent["id"]
    record(scope, "customer.subscription.created", new)
    new["_announced"] = True
    if new["status"] == "trialing":
        warn_of_trial_end(scope, new)


def _set_up(scope: Scope, intent: Object) -> None:
    """Charge what the customer has set up for a subscription."""
    found = scope.find("subscription", intent.get("_subscription"))
    if found and found["status"] not in ENDED:
        invoicing.change(scope, found, pending_setup_intent=None, default_payment_method=intent["payment_method"])


customers.ON_SETUP.append(_set_up)


def warn_of_trial_end(scope: Scope, found: Object) -> None:
    """Warn three days before a trial ends, or at once if it is shorter."""
    if found["_warned_for"] != found["trial_end"] and scope.now() >= found["trial_end"] - WARNING:
        found["_warned_for"] = found["trial_end"]
        record(scope, "customer.subscription.trial_will_end", found)


def end_with_period(scope: Scope, found: Object, ends: bool) -> None:
    """Let a subscription end with its period, or go on."""
    if found["cancel_at_period_end"] == ends:
        return
    details = {"comment": None, "feedback": None, "reason": "cancellation_requested" if ends else None}
    found.update(
        cancel_at_period_end=ends,
        cancel_at=period(found)[1] if ends else None,
        canceled_at=scope.now() if ends else None,
        cancellation_details=details,
    )


def cancel(scope: Scope, found: Object, *, reason: str = "cancellation_requested", at: int | None = None) -> None:
    """End a subscription at once; an open first invoice is voided with it."""
    if found["status"] in ENDED:
        raise no_such_subscription(found)
    now = scope.now() if at is None else at
    invoice = scope.find("invoice", found["latest_invoice"])
    if found["status"] == "incomplete" and invoice and invoice["status"] == "open":
        invoicing.void(scope, invoice)
    for draft in scope.related("invoice", _subscription=found["id"]):
        if draft["status"] in {"draft", "open"}:
            draft.update(auto_advance=False, next_payment_attempt=None, automatically_finalizes_at=None)
    found.update(
        status="canceled",
        canceled_at=found["canceled_at"] or now,
        ended_at=now,
        cancellation_details={"comment": None, "feedback": None, **found["cancellation_details"], "reason": reason},
        pause_collection=None,
        pending_update=None,
    )
    record(scope, "customer.subscription.deleted", found)
    for listener in ON_END:
        listener(scope, found, reason)


invoicing.CANCEL.append(cancel)


def no_such_subscription(found: Object) -> ApiError:
    """Return the answer about a subscription that has ended: Stripe no longer knows it when asked to cancel it."""
    return ApiError(404, f"No such subscription: '{found['id']}'", code="resource_missing", param="id")


def expire(scope: Scope, found: Object) -> None:
    """Give up a subscription whose first invoice nobody has paid for 23 hours."""
    invoice = scope.objects["invoice"][found["latest_invoice"]]
    if invoice["status"] == "open":
        invoicing.void(scope, invoice)
    invoicing.change(scope, found, status="incomplete_expired", ended_at=scope.now())


def _customer_deleted(scope: Scope, customer: Object) -> None:
    for found in scope.related("subscription", customer=customer["id"]):
        if found["status"] not in ENDED:
            cancel(scope, found)


customers.ON_DELETE.append(_customer_deleted)


def cancelable(intent: Object | None) -> bool:
    """Return whether a payment can still be canceled."""
    return intent is not None and intent["status"] in payments.CANCELABLE
