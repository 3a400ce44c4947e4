"""Invoices that the merchant makes, of no subscription, and the items that are put on them.

Call with the state's lock held.
"""

from __future__ import annotations

from tests.fake_stripe import invoice_objects, invoicing, objects, pending_items, price_objects
from tests.fake_stripe.errors import ApiError, invalid, missing_param
from tests.fake_stripe.events import record
from tests.fake_stripe.state import Object, Scope


def create(scope: Scope, params: Object) -> Object:
    """Make a draft of what waits for the customer, if that is asked for, or of nothing."""
    customer = _customer(scope, params)
    days = params.get("days_until_due")
    if params.get("collection_method") == "send_invoice" and days is None and "due_date" not in params:
        raise missing_param("days_until_due")
    if days is not None and params.get("collection_method") != "send_invoice":
        raise invalid("`days_until_due` can only be set if `collection_method` is `send_invoice`.", "days_until_due")
    currency = params.get("currency") or customer["currency"] or "usd"
    nothing = pending_items.no_subscription(customer["id"])
    nothing.update(
        collection_method=params.get("collection_method", "charge_automatically"),
        currency=currency.lower(),
        days_until_due=days,
    )
    waiting = []
    if params.get("pending_invoice_items_behavior") == "include":
        waiting = [item for item in _of_customer(scope, customer) if item["currency"] == nothing["currency"]]
    lines = [item["_line"] for item in waiting]
    invoice = invoice_objects.invoice(scope, customer, nothing, lines, "manual")
    invoice.update(
        auto_advance=params.get("auto_advance", False),
        description=params.get("description"),
        metadata=objects.merged_metadata({}, params.get("metadata")),
        parent=None,
        _subscription=None,
    )
    scope.add(invoice)
    invoicing.recount(scope, invoice)
    pending_items.invoiced(scope, invoice, lines)
    record(scope, "invoice.created", invoice)
    return invoice


def add_item(scope: Scope, params: Object) -> Object:
    """Put an item on a draft, or let it wait for the next invoice of the customer or of a subscription."""
    customer = _customer(scope, params)
    if "amount" not in params and "unit_amount_decimal" not in params:
        raise missing_param("amount")
    quantity = params.get("quantity", 1)
    each = params.get("unit_amount_decimal", str(params.get("amount")))
    currency = params.get("currency", customer["currency"] or "usd").lower()
    subscription = _subscription(scope, params, customer)
    invoice = None
    if "invoice" in params:
        invoice = scope.get("invoice", params["invoice"], param="invoice", in_url=False)
        if invoice["status"] != "draft":
            raise ApiError(400, "This invoice is no longer editable.", code="invoice_not_editable", param="invoice")
        if invoice["currency"] != currency:
            raise invalid(f"The currency of the invoice is {invoice['currency']}, not {currency}.", "currency")
    price = price_objects.price(
        scope, scope.new_id("prod_"), {"currency": currency, "unit_amount_decimal": each}, active=False
    )
    scope.add(price)
    line = invoice_objects.sellers_line(
        scope,
        {**subscription, "currency": currency},
        {"id": None, "price": price, "quantity": quantity},
        round(float(each) * quantity),
        params.get("description") or "",
    )
    line.update(quantity=quantity, quantity_decimal=str(quantity), description=params.get("description"))
    item = pending_items.keep(scope, subscription, line)
    item["metadata"] = objects.merged_metadata({}, params.get("metadata"))
    if subscription["id"] is None:
        item["parent"] = None
    if invoice is not None:
        line["invoice"] = item["invoice"] = invoice["id"]
        invoice["lines"]["data"].append(line)
        invoicing.recount(scope, invoice)
    return item


def delete_item(scope: Scope, item: Object) -> None:
    """Take an item away that waits, or is on a draft."""
    invoice = scope.find("invoice", item["invoice"])
    if invoice is not None:
        if invoice["status"] != "draft":
            raise ApiError(400, "You cannot delete an invoice item that is on an invoice.", code="invoice_not_editable")
        invoice["lines"]["data"].remove(item["_line"])
        invoicing.recount(scope, invoice)
    del scope.objects["invoiceitem"][item["id"]]
    record(scope, "invoiceitem.deleted", item)


def _customer(scope: Scope, params: Object) -> Object:
    if "customer" not in params:
        raise missing_param("customer")
    return scope.get("customer", params["customer"], param="customer", in_url=False)


def _subscription(scope: Scope, params: Object, customer: Object) -> Object:
    if "subscription" not in params:
        return pending_items.no_subscription(customer["id"])
    found = scope.get("subscription", params["subscription"], param="subscription", in_url=False)
    if found["customer"] != customer["id"]:
        raise invalid("The subscription does not belong to the customer.", "subscription")
    return found


def _of_customer(scope: Scope, customer: Object) -> list[Object]:
    found = scope.related("invoiceitem", customer=customer["id"], invoice=None, _subscription=None)
    return found[::-1]
