"""Subscriptions whose invoices are sent, for the customer to pay by a date. Call with the state's lock held."""

from __future__ import annotations

from tests.fake_stripe import invoicing
from tests.fake_stripe.errors import invalid, missing_param
from tests.fake_stripe.events import changing, record
from tests.fake_stripe.periods import DAY
from tests.fake_stripe.state import Object, Scope

#: How long after its due date an invoice that nobody pays makes an end of its subscription, as the account sets it.
GIVES_UP_AFTER = 30 * DAY


def set_collection(subscription: Object, params: Object) -> None:
    """Set how a subscription's invoices are to be paid from now on, as an API request asks."""
    method = params.get("collection_method", subscription["collection_method"])
    days = params.get("days_until_due", subscription["days_until_due"])
    if method == "send_invoice":
        if days is None:
            raise missing_param("days_until_due")
        if days < 0:
            raise invalid("This value must be greater than or equal to 0.", "days_until_due")
    elif "days_until_due" in params:
        raise invalid("`days_until_due` can only be set if `collection_method` is `send_invoice`.", "days_until_due")
    subscription.update(collection_method=method, days_until_due=days if method == "send_invoice" else None)


def send(scope: Scope, invoice: Object) -> None:
    """Send an invoice to its customer; a draft is finalized first."""
    if invoice["status"] == "draft":
        invoicing.finalize(scope, invoice)
    record(scope, "invoice.sent", invoice)


def overdue(scope: Scope, invoice: Object) -> None:
    """Let the due date of an open invoice pass."""
    invoice["_overdue"] = True
    record(scope, "invoice.overdue", invoice)
    customer = scope.objects["customer"][invoice["customer"]]
    with changing(scope, customer, "customer.updated"):
        customer["delinquent"] = True
    subscription = invoicing.subscription_of(scope, invoice)
    if subscription["latest_invoice"] == invoice["id"] and subscription["status"] == "active":
        invoicing.change(scope, subscription, status="past_due")


def gives_up(scope: Scope, invoice: Object) -> None:
    """Do what the account has set for subscriptions whose invoice nobody pays."""
    invoice["_overdue"] = "for good"
    subscription = invoicing.subscription_of(scope, invoice)
    if subscription["status"] == "past_due":
        invoicing.give_up(scope, subscription)
