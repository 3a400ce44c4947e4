"""Checkout Sessions that start a subscription, or that save a payment method."""

from __future__ import annotations

from tests.fake_stripe import cards, checkout, customers, invoicing, subscribing
from tests.fake_stripe.state import Object, Scope

_SUBSCRIPTION_DATA = (
    "automatic_tax billing_cycle_anchor billing_mode default_tax_rates description metadata proration_behavior "
    "trial_end trial_period_days trial_settings"
).split()


def _subscribe(scope: Scope, session: Object, kind: str) -> bool:
    """Start the session's subscription; a card that is declined, or asks for authentication, leaves it open."""
    method = None
    if session["payment_method_collection"] == "always" or session["amount_total"]:
        method = scope.find("payment_method", session.get("_method")) or cards.checkout_method(scope, kind)
        outcome = cards.behaviour_of(method).outcome
        if outcome == "requires_action":
            session["_method"] = method["id"]
            return False
        if outcome == "declined":
            return False
    customer = _customer(scope, session)
    if method:
        customers.attach(scope, method, customer)
    found = subscribing.create(scope, _params(scope, session, customer, method))
    invoice = scope.objects["invoice"][found["latest_invoice"]]
    if found["status"] == "incomplete":
        # A bank debit is on its way; the subscription does not wait for it.
        invoicing.change(scope, found, status="active")
    free = "no_payment_required" if not invoice["total"] else "unpaid"
    session.update(
        customer=customer["id"],
        invoice=invoice["id"],
        payment_status="paid" if invoice["status"] == "paid" and invoice["total"] else free,
        subscription=found["id"],
    )
    return True


def _params(scope: Scope, session: Object, customer: Object, method: Object | None) -> Object:
    prices = [item["price"] for item in session["_line_items"]]
    for price in prices:
        # One that the session itself described is made now; nobody else can use it.
        if price["id"] not in scope.objects.get("price", {}):
            scope.add({**price, "active": True})
    data = session["_subscription_data"]
    params = {name: data[name] for name in _SUBSCRIPTION_DATA if name in data}
    params.update(
        customer=customer["id"],
        items=[_item(line) for line in session["_line_items"]],
    )
    if method:
        params["default_payment_method"] = method["id"]
    if session["_automatic_tax"]:
        customer["address"] = customer["address"] or {"country": "US", "postal_code": "94102"}
        params["automatic_tax"] = {"enabled": True}
    if session["_discounts"]:
        params["discounts"] = session["_discounts"]
    return params


def _item(line: Object) -> Object:
    wanted = {"price": line["price"]["id"]}
    return wanted if line["quantity"] is None else {**wanted, "quantity": line["quantity"]}


def _customer(scope: Scope, session: Object) -> Object:
    if session["customer"]:
        return scope.objects["customer"][session["customer"]]
    email = session["customer_email"] or "customer@example.com"
    return customers.create(scope, {"email": email, "name": "Jenny Rosen"})


def _set_up(scope: Scope, session: Object, kind: str) -> bool:
    """Save the customer's payment method; a bad card leaves the session open."""
    method = cards.checkout_method(scope, kind)
    if not cards.behaviour_of(method).attaches:
        return False
    given = {"customer": session["customer"]} if session["customer"] else {}
    intent = customers.setup_intent(scope, {**given, "metadata": session["_setup_intent_data"].get("metadata", {})})
    session["setup_intent"] = intent["id"]
    customers.confirm_setup(scope, intent, method)
    return bool(intent["status"] == "succeeded")


checkout.MODES["subscription"] = _subscribe
checkout.MODES["setup"] = _set_up
