"""What a Checkout Session adds to its items, or takes off: delivery, tax, and another currency to show it in."""

from __future__ import annotations

from tests.fake_stripe.errors import ApiError, invalid
from tests.fake_stripe.state import Object, Scope

#: Percent; of prices without tax, as Stripe takes them where neither a price nor the account says otherwise.
TAX_RATE = 20


def open_with(scope: Scope, session: Object, params: Object) -> None:
    """Offer delivery, of which the first choice counts until the customer takes another; tax waits for an address."""
    if "shipping_options" in params and session["mode"] != "payment":
        raise invalid("You can not pass `shipping_options` in `subscription` mode.", "shipping_options")
    for index, option in enumerate(params.get("shipping_options", [])):
        data = option.get("shipping_rate_data")
        if data is None:
            raise ApiError(501, "The fake Stripe does not implement shipping rates of their own", type="api_error")
        price = data["fixed_amount"]
        if price["currency"] != session["currency"]:
            raise invalid(
                "The shipping rate's currency must match the session's.",
                f"shipping_options[{index}][shipping_rate_data][fixed_amount][currency]",
            )
        session["shipping_options"].append(
            {"shipping_amount": price["amount"], "shipping_rate": scope.new_id("shr_")},
        )
    if session["shipping_options"]:
        ship(session, 0)
    is_default = scope.state.taxes_by_default and session["mode"] == "payment"
    if params.get("automatic_tax", {"enabled": is_default})["enabled"]:
        status = "requires_location_inputs"
        session["automatic_tax"] = {
            "enabled": True,
            "liability": {"type": "self"},
            "provider": "stripe",
            "status": status,
        }
    if "adaptive_pricing" in params:
        session["adaptive_pricing"] = params["adaptive_pricing"]


def ship(session: Object, choice: int) -> None:
    """Let the customer choose how it is delivered."""
    option = session["shipping_options"][choice]
    amount = option["shipping_amount"]
    earlier = session["total_details"]["amount_shipping"] or 0
    session["total_details"]["amount_shipping"] = amount
    session["amount_total"] += amount - earlier
    session["shipping_cost"] = {
        "amount_subtotal": amount,
        "amount_tax": 0,
        "amount_total": amount,
        "shipping_rate": option["shipping_rate"],
    }


def tax(session: Object) -> None:
    """Add the tax, once the customer has said where they live."""
    automatic = session["automatic_tax"]
    if session["mode"] != "payment" or not automatic["enabled"] or automatic["status"] == "complete":
        return
    due = session["amount_total"] * TAX_RATE // 100
    session["automatic_tax"] = {**automatic, "status": "complete"}
    session["total_details"]["amount_tax"] = due
    session["amount_total"] += due


def present(session: Object, currency: str, amount: int) -> None:
    """Show the session to its customer in their own currency; what it settles in stays what it is."""
    session["presentment_details"] = {"presentment_amount": amount, "presentment_currency": currency}
