"""`/v1/subscriptions` and `/v1/invoices`."""

from __future__ import annotations

from tests.fake_stripe import canceling, changing_subscriptions, invoicing, shapes, subscribing
from tests.fake_stripe.errors import ApiError, invalid, missing_param
from tests.fake_stripe.events import record
from tests.fake_stripe.invoice_objects import payment
from tests.fake_stripe.item_rules import with_billing_mode
from tests.fake_stripe.routes import Call, paginate, route
from tests.fake_stripe.state import Object
from tests.fake_stripe.subscription_objects import ENDED


@route("POST", "/v1/subscriptions")
def create(call: Call) -> Object:
    """Create a subscription, with its first invoice."""
    if "customer" not in call.params:
        raise missing_param("customer")
    return subscribing.create(call.scope, with_billing_mode(call.params, call.version))


@route("GET", "/v1/subscriptions")
def list_subscriptions(call: Call) -> Object:
    """List subscriptions, newest first; ended ones only if they are asked for."""
    wanted = {name: call.params[name] for name in ("customer",) if name in call.params}
    found = call.scope.related("subscription", **wanted)
    return paginate(call, [item for item in found if _matches(item, call.params.get("status"))])


def _matches(found: Object, status: str | None) -> bool:
    if status in {None, "ended"}:
        return (found["status"] in ENDED) == (status == "ended")
    return status in {"all", found["status"]}


@route("GET", "/v1/subscriptions/{id}")
def retrieve(call: Call) -> Object:
    """Return a subscription."""
    return _subscription(call)


@route("POST", "/v1/subscriptions/{id}")
def update(call: Call) -> Object:
    """Change a subscription."""
    found = _subscription(call)
    changing_subscriptions.update(call.scope, found, call.params)
    return found


@route("DELETE", "/v1/subscriptions/{id}")
def cancel(call: Call) -> Object:
    """End a subscription at once."""
    found = _subscription(call)
    canceling.cancel_now(call.scope, found, call.params)
    return found


@route("POST", "/v1/subscriptions/{id}/resume")
def resume(call: Call) -> Object:
    """Let a paused subscription go on."""
    found = _subscription(call)
    changing_subscriptions.resume(call.scope, found, call.params)
    return found


def _subscription(call: Call) -> Object:
    return call.scope.get("subscription", call.id())


@route("GET", "/v1/invoices")
def list_invoices(call: Call) -> Object:
    """List invoices, newest first."""
    wanted = {name: call.params[name] for name in ("customer", "status") if name in call.params}
    if "subscription" in call.params:
        wanted["_subscription"] = call.params["subscription"]
    return paginate(call, call.scope.related("invoice", **wanted))


@route("POST", "/v1/invoices/create_preview")
def create_preview(call: Call) -> Object:
    """Show the invoice that a change of a subscription would lead to."""
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
    invoicing.finalize(call.scope, invoice)
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
    record(call.scope, "invoice.deleted", invoice)
    return {"id": invoice["id"], "object": "invoice", "deleted": True}


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
