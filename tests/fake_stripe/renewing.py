"""What time does to subscriptions: trials and periods end, drafts are finalized, payments tried again."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tests.fake_stripe import (
    changing_subscriptions,
    checkout,
    invoicing,
    proration,
    schedule_steps,
    scheduling,
    subscribing,
    usage,
    usage_billing,
)
from tests.fake_stripe.events import changing, record
from tests.fake_stripe.periods import DAY, HOUR, period_end
from tests.fake_stripe.state import Object, Scope, State
from tests.fake_stripe.subscription_objects import items, period, set_period

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
    yield from scheduling.due(scope)
    for session in scope.related("checkout.session", status="open"):
        yield session["expires_at"], 3, lambda session=session: checkout.expire(scope, session)


def _due_of_subscription(scope: Scope, found: Object) -> Iterator[Due]:
    status = found["status"]
    if status == "incomplete":
        yield found["created"] + EXPIRES_AFTER, 0, lambda: subscribing.expire(scope, found)
    if found["pending_update"]:
        expires = found["pending_update"]["expires_at"]
        yield expires, 0, lambda: changing_subscriptions.expire_pending(scope, found)
    if status not in _BILLED:
        return
    start, end = period(found)
    if status == "trialing" and found["_warned_for"] != found["trial_end"]:
        when = max(start, found["trial_end"] - subscribing.WARNING)
        yield when, 4, lambda: subscribing.warn_of_trial_end(scope, found)
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
    subscribing.cancel(scope, found, reason="cancellation_requested", at=found["cancel_at"])
    usage_billing.final_invoice(scope, found, period(found)[0], found["cancel_at"])


def renew(scope: Scope, found: Object) -> None:
    """Begin the next period with its invoice, which is a draft for an hour."""
    start, end = period(found)
    if found["cancel_at_period_end"]:
        subscribing.cancel(scope, found)
        usage_billing.final_invoice(scope, found, start, end)
        return
    trial = found["status"] == "trialing"
    if trial and _ends_without_method(scope, found):
        return
    used = [] if trial else usage.lines(scope, found, start, end)
    with changing(scope, found, "customer.subscription.updated"):
        if trial:
            found["status"] = "active"
        schedule_steps.turn(scope, found, end)
        recurring = items(found)[0]["price"]["recurring"]
        set_period(found, end, period_end(found["billing_cycle_anchor"], end, recurring))
        lines = [*changing_subscriptions.take_pending(scope, found), *used]
        begun = proration.trial_lines if found["status"] == "trialing" else proration.period_lines
        lines += begun(scope, found, *period(found))
        invoice = invoicing.create(scope, found, lines, "subscription_cycle", period=(start, end))
    pause = found["pause_collection"]
    if found["status"] == "unpaid" or (pause and pause["behavior"] == "keep_as_draft"):
        invoice["auto_advance"] = False
    elif pause and pause["behavior"] == "mark_uncollectible":
        invoicing.mark_uncollectible(scope, invoice)
    elif pause:
        invoicing.finalize(scope, invoice)
        if invoice["status"] == "open":
            invoicing.void(scope, invoice)
    else:
        invoicing.hold_draft(scope, invoice)


def _ends_without_method(scope: Scope, found: Object) -> bool:
    """Pause or cancel at a trial's end, where the subscription asks for that and nothing can be charged."""
    behavior = found["trial_settings"]["end_behavior"]["missing_payment_method"]
    costs = any(proration.full_amount(item) for item in items(found))
    if behavior == "create_invoice" or not costs or invoicing.method_of(scope, found):
        return False
    if behavior == "cancel":
        subscribing.cancel(scope, found)
        return True
    with changing(scope, found, "customer.subscription.updated", "customer.subscription.paused"):
        found["status"] = "paused"
    return True


def _finalize(scope: Scope, invoice: Object) -> None:
    invoicing.finalize(scope, invoice)
    if invoice["status"] == "open":
        invoicing.collect(scope, invoice)


def _retry(scope: Scope, invoice: Object) -> None:
    invoice["next_payment_attempt"] = None
    invoicing.collect(scope, invoice)
