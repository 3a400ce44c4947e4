"""What is only read: charges, disputes, the balance and the account."""

from __future__ import annotations

from tests.fake_stripe import cards
from tests.fake_stripe.routes import Call, paginate, route
from tests.fake_stripe.state import Object


@route("GET", "/v1/charges")
def list_charges(call: Call) -> Object:
    """List charges, newest first."""
    wanted = {name: call.params[name] for name in ("payment_intent", "customer") if name in call.params}
    return paginate(call, call.scope.related("charge", **wanted))


@route("GET", "/v1/charges/{id}")
def retrieve_charge(call: Call) -> Object:
    """Return a charge."""
    return call.scope.get("charge", call.id())


@route("GET", "/v1/disputes")
def list_disputes(call: Call) -> Object:
    """List disputes, newest first."""
    wanted = {name: call.params[name] for name in ("payment_intent", "charge") if name in call.params}
    return paginate(call, call.scope.related("dispute", **wanted))


@route("GET", "/v1/disputes/{id}")
def retrieve_dispute(call: Call) -> Object:
    """Return a dispute."""
    return call.scope.get("dispute", call.id())


@route("GET", "/v1/payment_methods/{id}")
def retrieve_payment_method(call: Call) -> Object:
    """Return a payment method."""
    # A test name stands for a new one, here as in all other places.
    if call.id() in cards.METHODS:
        return cards.take(call.scope, call.id())
    return call.scope.get("payment_method", call.id())


@route("GET", "/v1/balance")
def retrieve_balance(call: Call) -> Object:
    """Return a balance of nothing."""
    nothing = [{"amount": 0, "currency": "usd", "source_types": {"card": 0}}]
    return {"object": "balance", "available": nothing, "livemode": call.scope.livemode, "pending": nothing}


@route("GET", "/v1/account")
def retrieve_account(call: Call) -> Object:
    """Return the account that the API key belongs to."""
    return {
        "id": call.scope.account,
        "object": "account",
        "charges_enabled": True,
        "country": "US",
        "default_currency": "usd",
        "details_submitted": True,
        "payouts_enabled": True,
        "settings": {"dashboard": {"display_name": "Fake Stripe", "timezone": "Etc/UTC"}},
        "type": "standard",
    }
