"""Build invoices and their lines with the fields that Stripe shows, in the current shape."""

from __future__ import annotations

import decimal
from typing import Any

from tests.fake_stripe.periods import DAY
from tests.fake_stripe.state import Object, Scope, listed


def line(
    scope: Scope,
    subscription: Object,
    item: Object,
    price: Object,
    amount: int,
    period: tuple[int, int],
    *,
    description: str | None = None,
    quantity: int | None = None,
    proration: bool = False,
) -> Object:
    """Return a line for `period` of a subscription's item; a proration's amount may be negative."""
    quantity = item.get("quantity", 1) if quantity is None else quantity
    return {
        "id": scope.new_id("il_"),
        "object": "line_item",
        "amount": amount,
        "currency": subscription["currency"],
        "description": description or description_of(scope, price, quantity),
        "discount_amounts": [],
        "discountable": not proration,
        "discounts": [],
        "invoice": None,
        "livemode": scope.livemode,
        "metadata": dict(subscription["metadata"]),
        "parent": {
            "invoice_item_details": None,
            "subscription_item_details": {
                "invoice_item": None,
                "proration": proration,
                "proration_details": {"credited_items": None},
                "subscription": subscription["id"],
                "subscription_item": item["id"],
            },
            "type": "subscription_item_details",
        },
        "period": {"end": period[1], "start": period[0]},
        "pretax_credit_amounts": [],
        "pricing": {
            "price_details": {"price": price["id"], "product": price["product"]},
            "type": "price_details",
            "unit_amount_decimal": price["unit_amount_decimal"],
        },
        "quantity": quantity,
        "quantity_decimal": str(quantity),
        "subscription": subscription["id"],
        "subtotal": amount,
        "taxes": [],
    }


def sellers_line(scope: Scope, subscription: Object, item: Object, amount: int, description: str) -> Object:
    """Return a line that the merchant has made, at the currency of an item's price."""
    now = scope.now()
    made = line(scope, subscription, item, item["price"], amount, (now, now), description=description, quantity=1)
    details = {"invoice_item": None, "proration": False, "proration_details": None, "subscription": subscription["id"]}
    made["parent"] = {
        "invoice_item_details": details,
        "subscription_item_details": None,
        "type": "invoice_item_details",
    }
    return made


def line_details(line: Object) -> Object:
    """Return what says where a line comes from."""
    details: Object = line["parent"][line["parent"]["type"]]
    return details


def product_name(scope: Scope, price: Object) -> str:
    """Return the name of what a price sells."""
    product = scope.find("product", price["product"])
    return str(product["name"]) if product else str(price["product"])


def description_of(scope: Scope, price: Object, quantity: int) -> str:
    """Return how a line calls what it charges for."""
    recurring = price["recurring"]
    count = recurring["interval_count"]
    each = recurring["interval"] if count == 1 else f"every {count} {recurring['interval']}s"
    if price["unit_amount_decimal"] is None:
        return f"{quantity} x {product_name(scope, price)} ({price['tiers_mode']} tiers / {each})"
    cents = decimal.Decimal(price["unit_amount_decimal"])
    places = max(2, -int((cents / 100).normalize().as_tuple().exponent))
    return f"{quantity} x {product_name(scope, price)} (at ${cents / 100:.{places}f} / {each})"


_NULL_FIELDS = (
    "account_tax_ids application automatically_finalizes_at custom_fields customer_account "
    "customer_address customer_phone customer_shipping default_payment_method default_source description "
    "effective_at ending_balance footer from_invoice hosted_invoice_url invoice_pdf last_finalization_error "
    "latest_revision next_payment_attempt number on_behalf_of receipt_number rendering shipping_cost shipping_details "
    "statement_descriptor test_clock webhooks_delivered_at"
).split()


def invoice(scope: Scope, customer: Object, subscription: Object, lines: list[Object], reason: str) -> Object:
    """Return a draft of these lines; its totals are still to be counted."""
    identifier = scope.new_id("in_")
    now = scope.now()
    for item in lines:
        item["invoice"] = identifier
    made: dict[str, Any] = dict.fromkeys(_NULL_FIELDS)
    made.update(
        id=identifier,
        object="invoice",
        account_country="US",
        account_name="Fake Stripe",
        amount_overpaid=0,
        amount_paid=0,
        amount_paid_off_stripe=0,
        amount_shipping=0,
        attempt_count=0,
        attempted=False,
        auto_advance=True,
        automatic_tax={
            "disabled_reason": None,
            "enabled": subscription["automatic_tax"]["enabled"],
            "liability": None,
            "provider": None,
            "status": "complete" if subscription["automatic_tax"]["enabled"] else None,
        },
        billing_reason=reason,
        collection_method=subscription["collection_method"],
        created=now,
        currency=subscription["currency"],
        customer=customer["id"],
        due_date=_due_date(now, subscription),
        customer_email=customer["email"],
        customer_name=customer["name"],
        customer_tax_exempt=customer["tax_exempt"],
        customer_tax_ids=[],
        default_tax_rates=[],
        discounts=[],
        issuer={"type": "self"},
        lines=listed(lines, f"/v1/invoices/{identifier}/lines"),
        livemode=scope.livemode,
        metadata={},
        parent={
            "quote_details": None,
            "subscription_details": {"metadata": dict(subscription["metadata"]), "subscription": subscription["id"]},
            "type": "subscription_details",
        },
        payment_settings={"default_mandate": None, "payment_method_options": None, "payment_method_types": None},
        period_end=now,
        period_start=now,
        post_payment_credit_notes_amount=0,
        pre_payment_credit_notes_amount=0,
        starting_balance=0,
        status="draft",
        status_transitions=dict.fromkeys(("finalized_at", "marked_uncollectible_at", "paid_at", "voided_at")),
        total_pretax_credit_amounts=[],
        _days_until_due=subscription["days_until_due"],
        _intent=None,
        _out_of_band=False,
        _overdue=False,
        _pending_update=False,
        _retries=0,
        _subscription=subscription["id"],
    )
    return made


def _due_date(now: int, subscription: Object) -> int | None:
    days = subscription["days_until_due"]
    return None if days is None else now + days * DAY


def payment(scope: Scope, invoice: Object) -> Object:
    """Return the payment of a finalized invoice, which `payments` lists since 2025-03-31.basil."""
    paid = invoice["status"] == "paid"
    canceled = invoice["status_transitions"]["voided_at"]
    return {
        "id": "inpay_" + invoice["id"].removeprefix("in_"),
        "object": "invoice_payment",
        "amount_paid": invoice["amount_paid"] if paid else None,
        "amount_requested": invoice["amount_due"],
        "created": invoice["status_transitions"]["finalized_at"] or invoice["created"],
        "currency": invoice["currency"],
        "invoice": invoice["id"],
        "is_default": True,
        "livemode": scope.livemode,
        "payment": {"payment_intent": invoice["_intent"], "type": "payment_intent"},
        "status": "paid" if paid else "canceled" if canceled else "open",
        "status_transitions": {"canceled_at": canceled, "paid_at": invoice["status_transitions"]["paid_at"]},
    }
