"""What happens to refunds, whoever causes it. Call with the state's lock held."""

from __future__ import annotations

from tests.fake_stripe import balance, destinations, money, objects
from tests.fake_stripe.errors import ApiError, invalid
from tests.fake_stripe.events import record
from tests.fake_stripe.state import Object, Scope


def create(
    scope: Scope, charge: Object, amount: int | None, *, gives_back: Object | None = None, **fields: object
) -> Object:
    """Refund a charge in part or, without an amount, all that is left; refuse what Stripe refuses."""
    # Where what was released is counted as refunded, it is a part of the sum; where it is not, it was never there.
    is_counted = scope.state.releases != "uncounted"
    rest = (charge["amount"] if is_counted else charge["amount_captured"]) - charge["amount_refunded"]
    _check(scope, charge, amount, rest)
    destinations.check_give_back(charge, gives_back or {})
    status = "pending" if scope.state.refunds_stay_pending else "succeeded"
    refund = objects.refund(scope, charge, amount=rest if amount is None else amount, status=status)
    refund.update(fields)
    scope.add(refund)
    before = {"amount_refunded": charge["amount_refunded"], "refunded": charge["refunded"]}
    _count(charge, refund["amount"])
    destinations.give_back(scope, charge, refund, gives_back or {})
    record(scope, "refund.created", refund)
    record(scope, "charge.refunded", charge, previous=before)
    return refund


def _check(scope: Scope, charge: Object, amount: int | None, rest: int) -> None:
    if charge["status"] != "succeeded" or not charge["captured"]:
        raise ApiError(400, f"Charge {charge['id']} has not succeeded or is not captured; it cannot be refunded.")
    disputes = scope.related("dispute", charge=charge["id"])
    if any(not dispute["is_charge_refundable"] for dispute in disputes):
        raise ApiError(
            400, f"Charge {charge['id']} has been charged back; cannot issue a refund.", code="charge_disputed"
        )
    if rest <= 0:
        raise ApiError(400, f"Charge {charge['id']} has already been refunded.", code="charge_already_refunded")
    if amount is None:
        return
    if amount < 1:
        raise invalid("This value must be greater than or equal to 1.", "amount", "parameter_invalid_integer")
    if amount > rest:
        asked, left = money.display(amount, charge["currency"]), money.display(rest, charge["currency"])
        what = "unrefunded amount on charge" if charge["amount_refunded"] else "charge amount"
        # Stripe sends no code with this one; the message is all that names it.
        raise ApiError(400, f"Refund amount ({asked}) is greater than {what} ({left})", param="amount")


def settle(scope: Scope, refund: Object) -> None:
    """Let a pending refund succeed."""
    before = {"status": refund["status"]}
    refund["status"] = "succeeded"
    refund["balance_transaction"] = scope.new_id("txn_")
    card = {"reference": "74987501234567890123456", "reference_status": "available", "type": "refund"}
    refund["destination_details"]["card"].update(card)
    _updated(scope, refund, before)


def fail(scope: Scope, refund: Object, reason: str) -> None:
    """Let a refund fail, as it may days later: the money is back with the merchant."""
    before = {"status": refund["status"]}
    returned = balance.book(scope, refund["id"], "refund_failure", refund["amount"], refund["currency"])
    refund.update(status="failed", failure_reason=reason, failure_balance_transaction=returned)
    _count(scope.objects["charge"][refund["charge"]], -refund["amount"])
    _updated(scope, refund, before)
    record(scope, "refund.failed", refund)


def _count(charge: Object, amount: int) -> None:
    charge["amount_refunded"] += amount
    charge["refunded"] = charge["amount_refunded"] == charge["amount"]


def _updated(scope: Scope, refund: Object, before: Object) -> None:
    record(scope, "refund.updated", refund, previous=before)
    record(scope, "charge.refund.updated", refund, previous=before)
