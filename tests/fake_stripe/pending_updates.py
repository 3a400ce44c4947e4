"""Changes of a subscription that wait for their payment
(https://docs.stripe.com/billing/subscriptions/pending-updates-reference). Call with the state's lock held.
"""

from __future__ import annotations

import copy

from tests.fake_stripe import invoicing
from tests.fake_stripe.errors import invalid
from tests.fake_stripe.events import changing
from tests.fake_stripe.periods import HOUR
from tests.fake_stripe.state import Object, Scope
from tests.fake_stripe.subscription_objects import items, period, put_items

_SUPPORTED = {
    "add_invoice_items",
    "billing_cycle_anchor",
    "expand",
    "items",
    "payment_behavior",
    "proration_behavior",
    "proration_date",
    "trial_end",
    "trial_from_plan",
}
_SUPPORTED_OF_ITEMS = {"clear_usage", "deleted", "id", "plan", "price", "price_data", "quantity"}
_UPDATED = "customer.subscription.updated"


def check(found: Object, params: Object) -> None:
    """Refuse what cannot wait; where invoices are sent, no change can."""
    if found["collection_method"] == "send_invoice":
        sentence = "`payment_behavior=pending_if_incomplete` is for `collection_method=charge_automatically` alone."
        raise invalid(sentence, "payment_behavior")
    wrong = sorted(set(params) - _SUPPORTED)
    for index, item in enumerate(params.get("items", [])):
        wrong += [f"items[{index}][{name}]" for name in sorted(set(item) - _SUPPORTED_OF_ITEMS)]
    if wrong:
        raise invalid(f"`{wrong[0]}` is not supported with `payment_behavior=pending_if_incomplete`.", wrong[0])


def wait(scope: Scope, found: Object, changed: Object, lines: list[Object]) -> None:
    """Leave the subscription as it is until the change is paid for, for 23 hours at most."""
    if found["pending_update"]:
        drop(scope, found)
    anew = changed["billing_cycle_anchor"] != found["billing_cycle_anchor"]
    with changing(scope, found, _UPDATED):
        found["pending_update"] = {
            "billing_cycle_anchor": changed["billing_cycle_anchor"] if anew else None,
            "discount": None,
            "discounts": None,
            "expires_at": min(scope.now() + 23 * HOUR, period(found)[1]),
            "metadata": None,
            "subscription_items": copy.deepcopy(items(changed)),
            "trial_end": changed["trial_end"] if changed["trial_end"] != found["trial_end"] else None,
            "trial_from_plan": None,
        }
        found["_pending"] = changed
        invoice = invoicing.create(scope, found, lines, "subscription_update")
        invoice["_pending_update"] = True
    invoicing.finalize(scope, invoice)
    invoicing.collect(scope, invoice)


def _apply(scope: Scope, found: Object, invoice: Object) -> None:
    if not invoice["_pending_update"] or not found["_pending"]:
        return
    changed = found["_pending"]
    with changing(scope, found, _UPDATED, "customer.subscription.pending_update_applied"):
        found.update(pending_update=None, _pending=None)
        put_items(scope, found, changed)
        for name in ("billing_cycle_anchor", "trial_start", "trial_end", "status"):
            found[name] = changed[name]
        if found["cancel_at_period_end"]:
            found["cancel_at"] = period(found)[1]


def expire(scope: Scope, found: Object) -> None:
    """Give up a change that nobody has paid for."""
    _give_up(scope, found, _UPDATED, "customer.subscription.pending_update_expired")


def drop(scope: Scope, found: Object) -> None:
    """Give up a change because another one comes, or its invoice has been voided."""
    _give_up(scope, found, _UPDATED)


def _give_up(scope: Scope, found: Object, *events: str) -> None:
    with changing(scope, found, *events):
        found.update(pending_update=None, _pending=None)
    for invoice in scope.related("invoice", _subscription=found["id"], _pending_update=True, status="open"):
        invoicing.void(scope, invoice)


def _voided(scope: Scope, found: Object, invoice: Object) -> None:
    if invoice["_pending_update"] and found["_pending"]:
        drop(scope, found)


invoicing.ON_PAID.append(_apply)
invoicing.ON_VOID.append(_voided)
