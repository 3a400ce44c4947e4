"""What billing objects looked like before 2025-03-31.basil, and what they only show when it is asked for."""

from __future__ import annotations

from tests.fake_stripe import invoice_objects, price_objects
from tests.fake_stripe.state import Object, Scope, listed
from tests.fake_stripe.subscription_objects import period

_EMBEDDED = 10
_PERIOD = ("current_period_start", "current_period_end")


def old_subscription(obj: Object, scope: Scope) -> Object:
    """Show the period, the plan and the quantity on the subscription itself."""
    items = obj["items"]["data"]
    first = items[0]
    discounts = [old_discount(scope.objects["discount"][identifier], scope) for identifier in obj["discounts"]]
    shown = first_page(obj["items"])
    shown["data"] = [old_item(item, scope) for item in shown["data"]]
    start, end = period(obj)
    return {
        **obj,
        "current_period_start": start,
        "current_period_end": end,
        "billing": obj["collection_method"],
        "discount": discounts[0] if discounts else None,
        "items": shown,
        "plan": first["plan"] if len(items) == 1 else None,
        "quantity": first.get("quantity") if len(items) == 1 else None,
        "start": obj["start_date"],
        "tax_percent": None,
    }


def old_item(obj: Object, scope: Scope) -> Object:
    """Leave out the period, which stands on the subscription."""
    return {name: value for name, value in obj.items() if name not in _PERIOD}


def current_subscription(obj: Object, scope: Scope) -> Object:
    """Show the first page of the items."""
    return {**obj, "items": first_page(obj["items"])}


def current_invoice(obj: Object, scope: Scope) -> Object:
    """Show the first page of the lines."""
    if obj.get("deleted"):
        return obj
    return {**obj, "lines": first_page(obj["lines"])}


def first_page(found: Object) -> Object:
    """Return an embedded list as Stripe shows it: ten at most; the others come from the list's own URL."""
    return {**found, "data": found["data"][:_EMBEDDED], "has_more": len(found["data"]) > _EMBEDDED}


def old_invoice(obj: Object, scope: Scope) -> Object:
    """Show the subscription and the payment on the invoice itself, and the plan on its lines."""
    if obj.get("deleted"):
        return obj
    intent = scope.find("payment_intent", obj["_intent"])
    taxes = sum(tax["amount"] for tax in obj["total_taxes"])
    discounts = [old_discount(scope.objects["discount"][identifier], scope) for identifier in obj["discounts"]]
    lines = first_page(obj["lines"])
    new = {"parent", "total_taxes", "total_pretax_credit_amounts", "amount_overpaid"}
    return {
        **{name: value for name, value in obj.items() if name not in new},
        "billing": obj["collection_method"],
        "charge": intent["latest_charge"] if intent else None,
        "date": obj["created"],
        "discount": discounts[0] if discounts else None,
        "lines": {**lines, "data": [old_line(line, scope) for line in lines["data"]]},
        "paid": obj["status"] == "paid",
        "paid_out_of_band": obj["_out_of_band"],
        "payment_intent": obj["_intent"],
        "subscription": obj["_subscription"],
        "subscription_details": (
            {"metadata": obj["parent"]["subscription_details"]["metadata"]} if obj["parent"] else None
        ),
        "tax": taxes or None,
        "total_tax_amounts": [{"amount": taxes, "inclusive": False, "tax_rate": "txr_fake"}] if taxes else [],
    }


def old_line(line: Object, scope: Scope) -> Object:
    """Show the plan, and what the line is of."""
    details = invoice_objects.line_details(line)
    is_item = details["proration"] or line["parent"]["type"] == "invoice_item_details"
    price = scope.objects["price"][line["pricing"]["price_details"]["price"]]
    new = {"parent", "pricing", "taxes", "pretax_credit_amounts", "subtotal", "quantity_decimal"}
    return {
        **{name: value for name, value in line.items() if name not in new},
        **({"invoice_item": details["invoice_item"]} if details["invoice_item"] else {}),
        "plan": price_objects.plan_of(price) if price["recurring"] else None,
        "price": price,
        "proration": details["proration"],
        "proration_details": details["proration_details"],
        "subscription": details["subscription"],
        **({"subscription_item": details["subscription_item"]} if "subscription_item" in details else {}),
        "tax_amounts": [],
        "tax_rates": [],
        "type": "invoiceitem" if is_item else "subscription",
    }


def old_credit_note(obj: Object, scope: Scope) -> Object:
    """Name the one refund."""
    rest = {name: value for name, value in obj.items() if name not in {"refunds", "total_taxes"}}
    refunds = [refund["refund"] for refund in obj["refunds"]]
    return {**rest, "refund": refunds[0] if refunds else None, "tax_amounts": []}


def old_discount(obj: Object, scope: Scope) -> Object:
    """Embed the coupon."""
    rest = {name: value for name, value in obj.items() if name != "source"}
    return {**rest, "coupon": scope.objects["coupon"][obj["source"]["coupon"]]}


def old_promotion_code(obj: Object, scope: Scope) -> Object:
    """Embed the coupon."""
    rest = {name: value for name, value in obj.items() if name != "promotion"}
    return {**rest, "coupon": scope.objects["coupon"][obj["promotion"]["coupon"]]}


def old_schedule(obj: Object, scope: Scope) -> Object:
    """Name one coupon on each phase, as long as there could be only one."""
    new = {"billing_mode", "customer_account"}
    phases = [{**phase, "coupon": _coupon(phase["discounts"], scope)} for phase in obj["phases"]]
    return {**{name: value for name, value in obj.items() if name not in new}, "phases": phases}


def _coupon(discounts: list[Object], scope: Scope) -> str | None:
    for item in discounts:
        discount = scope.find("discount", item["discount"])
        return item["coupon"] or (discount["source"]["coupon"] if discount else None)
    return None


#: By object type; both older generations show the first of these.
RENDERERS = {
    "credit_note": old_credit_note,
    "discount": old_discount,
    "line_item": old_line,
    "invoice": old_invoice,
    "promotion_code": old_promotion_code,
    "subscription": old_subscription,
    "subscription_item": old_item,
    "subscription_schedule": old_schedule,
}

CURRENT_RENDERERS = {"invoice": current_invoice, "subscription": current_subscription}


def payments(obj: Object, scope: Scope) -> Object:
    """Return the payments of an invoice, which only `expand` brings."""
    data = [invoice_objects.payment(scope, obj)] if obj["_intent"] else []
    return listed(data, "/v1/invoice_payments")


def confirmation_secret(obj: Object, scope: Scope) -> Object | None:
    """Return what confirms the payment of an invoice in the browser, which only `expand` brings."""
    intent = scope.find("payment_intent", obj["_intent"])
    return {"client_secret": intent["client_secret"], "type": "payment_intent"} if intent else None
