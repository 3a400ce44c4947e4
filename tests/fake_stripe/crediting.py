"""Credit notes: what is given back of an invoice. Call with the state's lock held."""

from __future__ import annotations

from tests.fake_stripe import invoicing, money, objects, refunding
from tests.fake_stripe.errors import ApiError, invalid
from tests.fake_stripe.events import changing, record
from tests.fake_stripe.state import Object, Scope, listed

#: How the amount of a note for a paid invoice is given back: parameter by parameter.
_WAYS = ("refund_amount", "credit_amount", "out_of_band_amount")


def create(scope: Scope, params: Object) -> Object:
    """Create a credit note: for an open invoice less is due then, of a paid one the money goes back."""
    note = draft(scope, params)
    invoice = scope.objects["invoice"][note["invoice"]]
    scope.add(note)
    if note["type"] == "pre_payment":
        _reduce(scope, invoice, note["amount"])
    else:
        _give_back(scope, invoice, note, params)
        invoice["post_payment_credit_notes_amount"] += note["amount"]
    record(scope, "credit_note.created", note)
    if invoice["status"] == "open" and not invoice["amount_remaining"]:
        invoicing.paid(scope, invoice)
    return note


def draft(scope: Scope, params: Object) -> Object:
    """Return a credit note that is not kept; refuse what Stripe refuses."""
    invoice = scope.get("invoice", params["invoice"], param="invoice", in_url=False)
    if invoice["status"] not in {"open", "paid", "uncollectible"}:
        raise ApiError(400, f"You cannot create a credit note for an invoice that is {invoice['status']}.")
    lines = _lines(scope, invoice, params)
    amount = sum(line["amount"] for line in lines)
    if amount < 1:
        raise invalid("The amount of a credit note must be at least 1.", "amount")
    paid = invoice["status"] == "paid"
    most = invoice["total"] - invoice["post_payment_credit_notes_amount"] if paid else invoice["amount_remaining"]
    most -= invoice["pre_payment_credit_notes_amount"] if paid else 0
    if amount > most:
        asked, left = (money.display(value, invoice["currency"]) for value in (amount, most))
        raise ApiError(400, f"The credit note amount ({asked}) is greater than what is left of the invoice ({left}).")
    given_back = sum(params.get(name, 0) for name in _WAYS)
    given_back += sum(refund.get("amount_refunded", 0) for refund in params.get("refunds", []))
    if (paid and given_back != amount) or (not paid and given_back):
        sums = tuple(money.display(value, invoice["currency"]) for value in (given_back, amount if paid else 0))
        raise ApiError(
            400,
            f"The sum of credit amount, refund amount and out of band amount ({sums[0]}) must equal the credit note "
            f"amount ({sums[1]}).",
        )
    return _note(scope, invoice, params, lines, amount)


def _lines(scope: Scope, invoice: Object, params: Object) -> list[Object]:
    if "lines" not in params:
        if "amount" not in params:
            raise invalid("You must pass at least one of `amount`, `lines`, or `shipping_cost`.", "amount")
        return [_line(scope, {"amount": params["amount"], "type": "custom_line_item"}, None)]
    billed = {line["id"]: line for line in invoice["lines"]["data"]}
    lines = []
    for index, wanted in enumerate(params["lines"]):
        of = wanted.get("invoice_line_item")
        if wanted["type"] == "invoice_line_item" and of not in billed:
            raise invalid(f"No such invoice line item: '{of}'", f"lines[{index}][invoice_line_item]")
        lines.append(_line(scope, wanted, billed.get(of)))
    return lines


def _line(scope: Scope, wanted: Object, billed: Object | None) -> Object:
    quantity = wanted.get("quantity")
    amount = wanted.get("amount")
    if amount is None and billed:
        whole = billed["quantity"] or 1
        amount = billed["amount"] * (whole if quantity is None else quantity) // whole
    elif amount is None:
        amount = wanted.get("unit_amount", 0) * (quantity or 1)
    return {
        "id": scope.new_id("cnli_"),
        "object": "credit_note_line_item",
        "amount": amount,
        "description": wanted.get("description") or (billed["description"] if billed else "Credit"),
        "discount_amount": 0,
        "discount_amounts": [],
        **({"invoice_line_item": billed["id"]} if billed else {}),
        "livemode": scope.livemode,
        "metadata": {},
        "pretax_credit_amounts": [],
        "quantity": quantity,
        "tax_rates": [],
        "taxes": [],
        "type": wanted["type"],
        "unit_amount": None,
        "unit_amount_decimal": None,
    }


def _note(scope: Scope, invoice: Object, params: Object, lines: list[Object], amount: int) -> Object:
    identifier = scope.new_id("cn_")
    paid = invoice["status"] == "paid"
    earlier = len(scope.related("credit_note", invoice=invoice["id"]))
    return {
        "id": identifier,
        "object": "credit_note",
        "amount": amount,
        "amount_shipping": 0,
        "created": scope.now(),
        "currency": invoice["currency"],
        "customer": invoice["customer"],
        "customer_account": None,
        "customer_balance_transaction": None,
        "discount_amount": 0,
        "discount_amounts": [],
        "effective_at": params.get("effective_at", scope.now()),
        "invoice": invoice["id"],
        "lines": listed(lines, f"/v1/credit_notes/{identifier}/lines"),
        "livemode": scope.livemode,
        "memo": params.get("memo"),
        "metadata": objects.merged_metadata({}, params.get("metadata")),
        "number": f"{invoice['number']}-CN-{earlier + 1:02d}",
        "out_of_band_amount": params.get("out_of_band_amount"),
        "pdf": f"{scope.state.base_url}/credit_notes/{identifier}/pdf",
        "post_payment_amount": amount if paid else 0,
        "pre_payment_amount": 0 if paid else amount,
        "pretax_credit_amounts": [],
        "reason": params.get("reason"),
        "refunds": [],
        "shipping_cost": None,
        "status": "issued",
        "subtotal": amount,
        "subtotal_excluding_tax": amount,
        "total": amount,
        "total_excluding_tax": amount,
        "total_taxes": [],
        "type": "post_payment" if paid else "pre_payment",
        "voided_at": None,
    }


def _reduce(scope: Scope, invoice: Object, amount: int) -> None:
    """Let less be due of an open invoice."""
    with changing(scope, invoice, "invoice.updated"):
        invoice["amount_due"] -= amount
        invoice["amount_remaining"] -= amount
        invoice["pre_payment_credit_notes_amount"] += amount
    intent = scope.find("payment_intent", invoice["_intent"])
    if intent:
        intent["amount"] = invoice["amount_remaining"] or intent["amount"]


def _give_back(scope: Scope, invoice: Object, note: Object, params: Object) -> None:
    """Refund what was paid, or credit it to the customer's balance; what is out of band is somebody else's."""
    for linked in params.get("refunds", []):
        refund = scope.get("refund", linked["refund"], param="refunds", in_url=False)
        _name(note, refund, linked.get("amount_refunded", refund["amount"]))
    if params.get("refund_amount"):
        intent = scope.find("payment_intent", invoice["_intent"])
        charge = scope.find("charge", intent["latest_charge"]) if intent else None
        if charge is None:
            raise ApiError(400, "This invoice has no payment that could be refunded.", param="refund_amount")
        refund = refunding.create(scope, charge, params["refund_amount"], metadata={}, reason=None)
        _name(note, refund, refund["amount"])
    if params.get("credit_amount"):
        customer = scope.objects["customer"][invoice["customer"]]
        note["customer_balance_transaction"] = scope.new_id("cbtxn_")
        with changing(scope, customer, "customer.updated"):
            customer["balance"] -= params["credit_amount"]


def _name(note: Object, refund: Object, amount: int) -> None:
    note["refunds"].append(
        {"amount_refunded": amount, "payment_record_refund": None, "refund": refund["id"], "type": "refund"}
    )


def void(scope: Scope, note: Object) -> None:
    """Take back a note for an open invoice: all of it is due again."""
    invoice = scope.objects["invoice"][note["invoice"]]
    if note["status"] == "void" or invoice["status"] != "open":
        raise ApiError(400, "You can only void an issued credit note of an open invoice.")
    note.update(status="void", voided_at=scope.now())
    _reduce(scope, invoice, -note["amount"])
    record(scope, "credit_note.voided", note)
