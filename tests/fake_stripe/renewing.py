"""What time does to subscriptions: trials and periods end, drafts are finalized, payments tried again."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tests.fake_stripe import (
    canceling,
    changing_subscriptions,
    checkout,
    invoicing,
    pending_items,
    pending_updates,
    proration,
    schedule_steps,
    scheduling,
    sending,
    subscribing,
    trials,
    usage,
)
from tests.fake_stripe.events import changing, record
from tests.fake_stripe.periods import DAY, HOUR
from tests.fake_stripe.state import Object, Scope, State
from tests.fake_stripe.subscription_objects import begin_periods, ending, period

Due = tuple[int, int, Callable[[], None]]

EXPIRES_AFTER = 23 * HOUR
UPCOMING_BEFORE = 7 * DAY
_BILLED = ("active", "past_due", "unpaid", "trialing")


def advance(state: State, seconds: int) -> None:
    """Move the present on, and let everything happen at its time on the way."""
    target = state.now() + seconds
    while True:
        due = min((found for scope in state.scopes() for found in _due(scope)), default=None, key=lambda f: f[:2])
        if due is None or due[0] > target:
            break
        state.ahead += max(0, due[0] - state.now())
        due[2]()
    state.ahead += max(0, target - state.now())


def _due(scope: Scope) -> Iterator[Due]:
    """Yield what time will bring next: when, its rank among what happens at the same moment, and what."""
    for found in list(scope.objects.get("subscription", {}).values()):
        yield from _due_of_subscription(scope, found)
    for invoice in list(scope.objects.get("invoice", {}).values()):
        if invoice["status"] == "draft" and invoice["automatically_finalizes_at"]:
            yield invoice["automatically_finalizes_at"], 1, lambda invoice=invoice: _finalize(scope, invoice)
        elif invoice["status"] == "open" and invoice["next_payment_attempt"]:
            yield invoice["next_payment_attempt"], 2, lambda invoice=invoice: _retry(scope, invoice)
        elif invoice["status"] == "open" and invoice["due_date"] and not invoice["_overdue"]:
            yield invoice["due_date"], 2, lambda invoice=invoice: sending.overdue(scope, invoice)
        elif invoice["status"] == "open" and invoice["_overdue"] is True:
            gives_up = invoice["due_date"] + sending.GIVES_UP_AFTER
            yield gives_up, 2, lambda invoice=invoice: sending.gives_up(scope, invoice)
    yield from scheduling.due(scope)
    for session in scope.related("checkout.session", status="open"):
        yield session["expires_at"], 3, lambda session=session: checkout.expire(scope, session)


def _due_of_subscription(scope: Scope, found: Object) -> Iterator[Due]:
    status = found["status"]
    if status == "incomplete":
        yield found["created"] + EXPIRES_AFTER, 0, lambda: subscribing.expire(scope, found)
    if found["pending_update"]:
        expires = found["pending_update"]["expires_at"]
        yield expires, 0, lambda: pending_updates.expire(scope, found)
    if status not in _BILLED:
        return
    start, end = period(found)
    if status == "trialing" and found["_warned_for"] != found["trial_end"]:
        when = max(start, found["trial_end"] - trials.WARNING)
        yield when, 4, lambda: trials.warn_of_end(scope, found)
    elif status != "trialing" and found["_upcoming_for"] != end and not found["cancel_at_period_end"]:
        yield max(start, end - UPCOMING_BEFORE), 4, lambda: _announce(scope, found, end)
    if found["cancel_at"] and found["cancel_at"] <= end:
        yield found["cancel_at"], 5, lambda: _end(scope, found)
    yield end, 6, lambda: renew(scope, found)
    pause = found["pause_collection"]
    if pause and pause["resumes_at"]:
        yield pause["resumes_at"], 4, lambda: invoicing.change(scope, found, pause_collection=None)


def _announce(scope: Scope, found: Object, end: int) -> None:
    """Send `invoice.upcoming`, whose invoice has no id yet."""
    found["_upcoming_for"] = end
    if end - period(found)[0] <= UPCOMING_BEFORE:
        return  # Stripe announces no renewal that follows this soon upon the last
    invoice = changing_subscriptions.upcoming(scope, found)
    invoice.pop("id")
    record(scope, "invoice.upcoming", invoice)


def _end(scope: Scope, found: Object) -> None:
    canceling.cancel_with_final_invoice(scope, found)


def renew(scope: Scope, found: Object) -> None:
    """Begin the next period with its invoice, which is a draft for an hour."""
    start, end = period(found)
    if found["cancel_at_period_end"]:
        canceling.cancel_with_final_invoice(scope, found)
        return
    trial = found["status"] == "trialing"
    if trial and trials.ends_without_method(scope, found):
        return
    used = [] if trial else usage.lines(scope, ending(found, end), end)
    with changing(scope, found, "customer.subscription.updated"):
        if trial:
            found["status"] = "active"
        schedule_steps.turn(scope, found, end)
        due = ending(found, end)
        begin_periods(due, end)
        found["_cut"] = canceling.cut(found, found["cancel_at"])
        lines = [*pending_items.waiting(scope, found), *used, *_begun(scope, found, due)]
        invoice = invoicing.create(scope, found, lines, "subscription_cycle", period=(start, end))
    if found["status"] == "unpaid":
        invoice["auto_advance"] = False
    elif not invoicing.is_left_uncollected(scope, invoice):
        invoicing.hold_draft(scope, invoice)


def _begun(scope: Scope, found: Object, due: Object) -> list[Object]:
    """Return the lines of the periods that `due` begins: free in a trial that a schedule brings, or ahead of them."""
    if found["status"] == "trialing":
        return proration.trial_lines(scope, due, *period(due))
    lines = proration.current_lines(scope, due)
    return proration.shorten(lines, found["_cut"]) if found["_cut"] else lines


def _finalize(scope: Scope, invoice: Object) -> None:
    invoicing.finalize(scope, invoice)
    if invoice["collection_method"] == "send_invoice":
        sending.send(scope, invoice)
    elif invoice["status"] == "open":
        invoicing.collect(scope, invoice)


def _retry(scope: Scope, invoice: Object) -> None:
    invoice["next_payment_attempt"] = None
    intent = scope.find("payment_intent", invoice["_intent"])
    if not (intent and intent["status"] == "processing"):
        invoicing.collect(scope, invoice)
