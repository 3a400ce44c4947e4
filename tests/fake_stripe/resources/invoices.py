"""`/v1/invoices`, `/v1/invoiceitems` and `/v1/invoice_payments`."""

from __future__ import annotations

from tests.fake_stripe import (
    changing_subscriptions,
    invoicing,
    one_off_invoices,
    pending_items,
    scheduling,
    sending,
    shapes,
)
from tests.fake_stripe.errors import ApiError, invalid
from tests.fake_stripe.events import record
from tests.fake_stripe.invoice_objects import payment
from tests.fake_stripe.periods import HOUR
from tests.fake_stripe.routes import Call, paginate, route
from tests.fake_stripe.state import Object
from tests.fake_stripe.subscription_objects import ENDED


@route("GET", "/v1/invoices")
def list_invoices(call: Call) -> Object:
    """List invoices, newest first."""
    wanted = {name: call.params[name] for name in ("customer", "status") if name in call.params}
    if "subscription" in call.params:
        wanted["_subscription"] = call.params["subscription"]
    return paginate(call, call.scope.related("invoice", **wanted))


@route("POST", "/v1/invoices/create_preview")
def create_preview(call: Call) -> Object:
    """Show the invoice that a change of a subscription, or of its schedule, would lead to."""
    of_schedule = {"schedule", "schedule_details"} & set(call.params)
    if of_schedule and {"subscription", "subscription_details"} & set(call.params):
        raise invalid("You cannot use a schedule together with a subscription.", "schedule")
    if "schedule" in call.params:
        schedule = call.scope.get("subscription_schedule", call.params["schedule"], param="schedule", in_url=False)
        return scheduling.preview(call.scope, schedule, call.params.get("schedule_details", {}))
    if "subscription" not in call.params:
        raise invalid("The fake Stripe previews changes of a subscription only.", "subscription")
    found = call.scope.get("subscription", call.params["subscription"], param="subscription", in_url=False)
    if found["status"] in ENDED:
        raise ApiError(400, "This subscription has ended; there is no upcoming invoice.", code="invoice_upcoming_none")
    return changing_subscriptions.preview(call.scope, found, call.params.get("subscription_details", {}))


@route("GET", "/v1/invoices/{id}")
def retrieve_invoice(call: Call) -> Object:
    """Return an invoice."""
    return _invoice(call)


@route("GET", "/v1/invoices/{id}/lines")
def list_lines(call: Call) -> Object:
    """List what an invoice is made of."""
    return paginate(call, _invoice(call)["lines"]["data"])


@route("POST", "/v1/invoices/{id}/pay")
def pay(call: Call) -> Object:
    """Charge an invoice."""
    invoice = _invoice(call)
    invoicing.pay(call.scope, invoice, call.params)
    return invoice


@route("POST", "/v1/invoices/{id}/finalize")
def finalize(call: Call) -> Object:
    """Finalize a draft."""
    invoice = _invoice(call)
    advances = call.params.get("auto_advance", invoice["auto_advance"])
    invoicing.finalize(call.scope, invoice)
    if invoice["status"] == "open" and invoice["collection_method"] == "charge_automatically":
        invoice.update(auto_advance=advances, next_payment_attempt=call.scope.now() + HOUR if advances else None)
    return invoice


@route("POST", "/v1/invoices/{id}/send")
def send(call: Call) -> Object:
    """Send an invoice to the customer."""
    invoice = _invoice(call)
    if invoice["collection_method"] != "send_invoice" or invoice["status"] not in {"draft", "open"}:
        raise ApiError(400, "You can only manually send an open invoice whose collection_method is send_invoice.")
    sending.send(call.scope, invoice)
    return invoice


@route("POST", "/v1/invoices/{id}/void")
def void(call: Call) -> Object:
    """Take an invoice back."""
    invoice = _invoice(call)
    invoicing.void(call.scope, invoice)
    return invoice


@route("POST", "/v1/invoices/{id}/mark_uncollectible")
def mark_uncollectible(call: Call) -> Object:
    """Write an invoice off."""
    invoice = _invoice(call)
    invoicing.mark_uncollectible(call.scope, invoice)
    return invoice


@route("DELETE", "/v1/invoices/{id}")
def delete_draft(call: Call) -> Object:
    """Delete a draft."""
    invoice = _invoice(call)
    if invoice["status"] != "draft":
        raise ApiError(400, "You can only delete draft invoices.")
    del call.scope.objects["invoice"][invoice["id"]]
    pending_items.released(call.scope, invoice)
    record(call.scope, "invoice.deleted", invoice)
    return {"id": invoice["id"], "object": "invoice", "deleted": True}


@route("GET", "/v1/invoiceitems")
def list_items(call: Call) -> Object:
    """List invoice items, newest first: all, or those that wait for an invoice (`pending`)."""
    wanted = {name: call.params[name] for name in ("customer", "invoice") if name in call.params}
    found = [{**item, "created": item["date"]} for item in call.scope.related("invoiceitem", **wanted)]
    pending = call.params.get("pending")
    page = paginate(call, [item for item in found if pending in {None, item["invoice"] is None}])
    return {**page, "data": [call.scope.objects["invoiceitem"][item["id"]] for item in page["data"]]}


@route("GET", "/v1/invoiceitems/{id}")
def retrieve_item(call: Call) -> Object:
    """Return an invoice item."""
    return call.scope.get("invoiceitem", call.id())


@route("DELETE", "/v1/invoiceitems/{id}")
def delete_item(call: Call) -> Object:
    """Delete an invoice item that still waits, or is on a draft."""
    item = call.scope.get("invoiceitem", call.id())
    one_off_invoices.delete_item(call.scope, item)
    return {"id": item["id"], "object": "invoiceitem", "deleted": True}


@route("GET", "/v1/invoice_payments")
def list_payments(call: Call) -> Object:
    """List the payments of an invoice, or the one that an intent makes."""
    intent = call.params.get("payment", {}).get("payment_intent")
    invoice = call.params.get("invoice")
    found = [
        payment(call.scope, item)
        for item in call.scope.all("invoice")
        if item["_intent"] and intent in {None, item["_intent"]} and invoice in {None, item["id"]}
    ]
    return shapes.listed(found, call.path)


def _invoice(call: Call) -> Object:
    return call.scope.get("invoice", call.id(), param="invoice")


@route("GET", "/v1/invoice_payments/{id}")
def retrieve_payment(call: Call) -> Object:
    """Return a payment of an invoice."""
    invoice = call.scope.get("invoice", call.id().replace("inpay_", "in_", 1), param="invoice_payment")
    return payment(call.scope, invoice)
