"""Invoice items: what waits for a subscription's next invoice. Call with the state's lock held."""

from __future__ import annotations

import copy

from tests.fake_stripe.events import record
from tests.fake_stripe.invoice_objects import line_details
from tests.fake_stripe.state import Object, Scope


def no_subscription(customer: str) -> Object:
    """Return what stands for the subscription of an invoice, or an item, that is of none."""
    names = "id status pause_collection latest_invoice default_payment_method days_until_due currency _pending"
    return dict.fromkeys(names.split()) | {
        "_announced": False,
        "automatic_tax": {"enabled": False},
        "collection_method": "charge_automatically",
        "customer": customer,
        "metadata": {},
        "payment_settings": {"save_default_payment_method": "off"},
    }


def keep(scope: Scope, subscription: Object, line: Object) -> Object:
    """Keep a line for the next invoice."""
    details = line_details(line)
    pending: Object = {
        "id": scope.new_id("ii_"),
        "object": "invoiceitem",
        "amount": line["amount"],
        "currency": line["currency"],
        "customer": subscription["customer"],
        "customer_account": None,
        "date": scope.now(),
        "description": line["description"],
        "discountable": False,
        "discounts": [],
        "invoice": None,
        "livemode": scope.livemode,
        "metadata": {},
        "net_amount": line["amount"],
        "parent": subscription["id"]
        and {
            "subscription_details": {
                "subscription": subscription["id"],
                **({"subscription_item": details["subscription_item"]} if "subscription_item" in details else {}),
            },
            "type": "subscription_details",
        },
        "period": line["period"],
        "pricing": line["pricing"],
        "proration": details["proration"],
        "proration_details": {"discount_amounts": []},
        "quantity": line["quantity"],
        "quantity_decimal": line["quantity_decimal"],
        "tax_rates": [],
        "test_clock": None,
        "_line": line,
        "_subscription": subscription["id"],
    }
    details["invoice_item"] = pending["id"]
    record(scope, "invoiceitem.created", scope.add(pending))
    return pending


def dropped(scope: Scope, subscription: Object) -> None:
    """Forget the prorations that wait."""
    for item in _waiting(scope, subscription):
        if item["proration"]:
            scope.objects["invoiceitem"].pop(item["id"])


def waiting(scope: Scope, subscription: Object) -> list[Object]:
    """Return the lines that wait for an invoice; the one that is made of them ends that."""
    return [item["_line"] for item in _waiting(scope, subscription)]


def shown(scope: Scope, subscription: Object) -> list[Object]:
    """Return copies of the lines that wait, for an invoice that is not kept."""
    return copy.deepcopy(waiting(scope, subscription))


def invoiced(scope: Scope, invoice: Object, lines: list[Object]) -> None:
    """Note the invoice on what waited for it."""
    by_id = {line["id"] for line in lines}
    for item in scope.related("invoiceitem", invoice=None):
        if item["_line"]["id"] in by_id:
            item["invoice"] = invoice["id"]


def released(scope: Scope, invoice: Object) -> None:
    """Let what was on a deleted draft wait again."""
    for item in scope.related("invoiceitem", invoice=invoice["id"]):
        item["invoice"] = None


def _waiting(scope: Scope, subscription: Object) -> list[Object]:
    of_no_other = (subscription["id"], None)
    found = scope.related("invoiceitem", customer=subscription["customer"], invoice=None)
    return [item for item in found[::-1] if item["_subscription"] in of_no_other]
