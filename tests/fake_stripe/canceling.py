"""How subscriptions end, at once or later. Call with the state's lock held."""

from __future__ import annotations

from collections.abc import Callable

from tests.fake_stripe import customers, invoicing, pending_items, proration, usage
from tests.fake_stripe.errors import ApiError, invalid
from tests.fake_stripe.events import record
from tests.fake_stripe.state import Object, Scope
from tests.fake_stripe.subscription_objects import ENDED, items, period

REQUESTED = "cancellation_requested"
#: What ends with a subscription: (scope, subscription, reason).
ON_END: list[Callable[[Scope, Object, str], None]] = []


def schedule(scope: Scope, found: Object, params: Object) -> None:
    """Let a subscription end later, or go on, as an API request asks."""
    note(found, params.get("cancellation_details", {}))
    if "cancel_at" in params:
        at = moment(scope, found, params["cancel_at"])
        if at != found["cancel_at"] or found["cancel_at_period_end"]:
            _set(scope, found, at, at_period_end=False)
    elif "cancel_at_period_end" in params and params["cancel_at_period_end"] != found["cancel_at_period_end"]:
        ends = params["cancel_at_period_end"]
        _set(scope, found, period(found)[1] if ends else None, at_period_end=ends)


def moment(scope: Scope, found: Object, given: int | str) -> int | None:
    """Return the moment that a `cancel_at` stands for, with the periods that the subscription has now."""
    if given == "":
        return None
    ends = [item["current_period_end"] for item in items(found)]
    named = {"min_period_end": min(ends), "max_period_end": max(ends)}
    if isinstance(given, str):
        if given not in named:
            raise ApiError(501, f"The fake Stripe does not implement cancel_at={given}", type="api_error")
        return named[given]
    if given <= scope.now():
        raise invalid("`cancel_at` must be in the future.", "cancel_at")
    return given


def _set(scope: Scope, found: Object, at: int | None, *, at_period_end: bool) -> None:
    found.update(cancel_at=at, cancel_at_period_end=at_period_end, canceled_at=scope.now() if at else None)
    found["cancellation_details"]["reason"] = REQUESTED if at else None


def note(found: Object, given: Object) -> None:
    """Note what the customer said of it."""
    said = {name: given[name] or None for name in ("comment", "feedback") if name in given}
    found["cancellation_details"] = {**found["cancellation_details"], **said}


def shortening(scope: Scope, found: Object, before: int | None, after: int | None) -> list[Object]:
    """Return the lines for a current period that was to be cut short at one moment, and is now at another."""
    if before == after:
        return []
    back = proration.rest_lines(scope, found, before, 1) if before else []
    return [*back, *(proration.rest_lines(scope, found, after, -1) if after else [])]


def cut(found: Object, at: int | None) -> int | None:
    """Return `at` if it is within the current period."""
    return at if at is not None and at < period(found)[1] else None


def cancel(scope: Scope, found: Object, *, reason: str = REQUESTED, at: int | None = None) -> None:
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
        cancellation_details={**found["cancellation_details"], "reason": reason},
        pause_collection=None,
        pending_update=None,
        _pending=None,
    )
    record(scope, "customer.subscription.deleted", found)
    for listener in ON_END:
        listener(scope, found, reason)


invoicing.CANCEL.append(cancel)


def cancel_with_final_invoice(scope: Scope, found: Object) -> None:
    """End a subscription at its planned moment; what was used, and what waits for an invoice, is billed."""
    span = (period(found)[0], found["cancel_at"])
    cancel(scope, found, at=found["cancel_at"])
    lines = [*pending_items.waiting(scope, found), *usage.lines(scope, found, found["cancel_at"])]
    if lines:
        invoicing.hold_draft(scope, invoicing.create(scope, found, lines, "subscription_cycle", period=span))


def cancel_now(scope: Scope, found: Object, params: Object) -> None:
    """End a subscription at once, with a credit for what is left of it where the request asks for that."""
    if found["status"] in ENDED:
        raise no_such_subscription(found)
    now = scope.now()
    lines: list[Object] = []
    billed = found["status"] not in {"trialing", "incomplete"}
    if params.get("prorate") and billed:
        lines = proration.unused_lines(scope, found, items(found), now)
        lines += shortening(scope, found, found["_cut"], None)
    note(found, params.get("cancellation_details", {}))
    cancel(scope, found)
    if params.get("invoice_now"):
        used = usage.lines(scope, found, now) if billed else []
        lines = [*pending_items.waiting(scope, found), *lines, *(line for line in used if line["amount"])]
        if lines:
            invoicing.begin(scope, invoicing.create(scope, found, lines, "subscription_update"))
        return
    if not params.get("prorate"):
        # What the merchant has made stays (https://docs.stripe.com/api/subscriptions/cancel).
        pending_items.dropped(scope, found)
    for line in lines:
        pending_items.keep(scope, found, line)


def final_lines(scope: Scope, found: Object, details: Object) -> list[Object]:
    """Return the lines that an end now would bring, beside those that wait."""
    if found["status"] in {"trialing", "incomplete"}:
        return []
    now = scope.now()
    lines = (
        [] if details.get("proration_behavior") == "none" else proration.unused_lines(scope, found, items(found), now)
    )
    return [*lines, *(line for line in usage.lines(scope, found, now) if line["amount"])]


def no_such_subscription(found: Object) -> ApiError:
    """Return the answer about a subscription that has ended: Stripe no longer knows it when asked to cancel it."""
    return ApiError(404, f"No such subscription: '{found['id']}'", code="resource_missing", param="id")


def _customer_deleted(scope: Scope, customer: Object) -> None:
    for found in scope.related("subscription", customer=customer["id"]):
        if found["status"] not in ENDED:
            cancel(scope, found)


customers.ON_DELETE.append(_customer_deleted)
