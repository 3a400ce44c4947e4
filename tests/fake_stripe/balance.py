"""Book charges and refunds on the account's balance, as balance transactions."""

from __future__ import annotations

from tests.fake_stripe.state import Object, Scope

#: What a charge costs: a part of it in ten-thousandths, and so much besides, in the settlement's minor units.
RATE, FIXED = 290, 30
_THOUSANDTHS = 1000


def book(scope: Scope, source: str, kind: str, amount: int, currency: str, *, platform_fee: int = 0) -> str:
    """Book an amount, negative where it leaves, and return the id of its transaction.

    `state.settlement` names the currency of the account's bank and the rate of exchange to it, in thousandths.
    """
    settlement, rate = scope.state.settlement or (currency, _THOUSANDTHS)
    is_foreign = settlement != currency
    booked = round(amount * rate / _THOUSANDTHS) if is_foreign else amount
    details = []
    if kind == "charge":
        own = round(booked * RATE / 10_000) + FIXED
        details.append(_detail("stripe_fee", own, settlement, "Stripe processing fees"))
        if platform_fee:
            details.append(_detail("application_fee", platform_fee, settlement, "My platform application fee"))
    fee = sum(detail["amount"] for detail in details)
    transaction = {
        "id": scope.new_id("txn_"),
        "object": "balance_transaction",
        "amount": booked,
        "available_on": scope.now() + 2 * 86400,
        "balance_type": "payments",
        "created": scope.now(),
        "currency": settlement,
        "description": None,
        "exchange_rate": rate / _THOUSANDTHS if is_foreign else None,
        "fee": fee,
        "fee_details": details,
        "net": booked - fee,
        "reporting_category": kind,
        "source": source,
        "status": "pending",
        "type": kind,
    }
    return str(scope.add(transaction)["id"])


def _detail(kind: str, amount: int, currency: str, description: str) -> Object:
    application = "ca_fake" if kind == "application_fee" else None
    return {
        "amount": amount,
        "application": application,
        "currency": currency,
        "description": description,
        "type": kind,
    }
