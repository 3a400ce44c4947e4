"""What happens to disputes, whoever causes it. Call with the state's lock held."""

from __future__ import annotations

from tests.fake_stripe import objects
from tests.fake_stripe.events import record
from tests.fake_stripe.state import Object, Scope

_CLOSED = ("won", "lost", "warning_closed", "prevented")


def open_dispute(scope: Scope, charge: Object, *, amount: int | None, reason: str, status: str) -> Object:
    """Let the customer's bank dispute a charge; an inquiry (a status `warning_…`) takes no funds."""
    dispute = scope.add(objects.dispute(scope, charge, amount=amount or charge["amount"], reason=reason, status=status))
    charge["disputed"] = True
    record(scope, "charge.dispute.created", dispute)
    _follow_funds(scope, dispute)
    return dispute


def close_dispute(scope: Scope, dispute: Object, *, won: bool) -> None:
    """Let the bank decide a dispute; a won one gives the funds back."""
    inquiry = dispute["status"].startswith("warning")
    move(scope, dispute, "warning_closed" if inquiry else "won" if won else "lost")


def move(scope: Scope, dispute: Object, status: str) -> None:
    """Let a dispute be in another status, also one that was lost or won: an arbitration reverses that."""
    before = {"status": dispute["status"]}
    dispute["status"] = status
    dispute["is_charge_refundable"] = status.startswith("warning")
    closed = "charge.dispute.closed" if status in _CLOSED else "charge.dispute.updated"
    record(scope, closed, dispute, previous=before)
    _follow_funds(scope, dispute)


def _follow_funds(scope: Scope, dispute: Object) -> None:
    """Take the funds while a chargeback is open or lost, and give them back otherwise."""
    status, moved = dispute["status"], dispute["balance_transactions"]
    wanted = 0 if status.startswith("warning") or status in {"won", "prevented"} else -dispute["amount"]
    missing = wanted - sum(transaction["amount"] for transaction in moved)
    if not missing:
        return
    # Listed are all that there are; those of events that were recorded before stay as they were.
    dispute["balance_transactions"] = [*moved, _transaction(scope, dispute, missing)]
    record(scope, f"charge.dispute.funds_{'withdrawn' if missing < 0 else 'reinstated'}", dispute)


def _transaction(scope: Scope, dispute: Object, amount: int) -> Object:
    return {
        "id": scope.new_id("txn_"),
        "object": "balance_transaction",
        "amount": amount,
        "available_on": scope.now(),
        "balance_type": "payments",
        "created": scope.now(),
        "currency": dispute["currency"],
        "description": f"Chargeback {'withdrawal' if amount < 0 else 'reversal'} for {dispute['charge']}",
        "exchange_rate": None,
        "fee": 1500 if amount < 0 else 0,
        "fee_details": [],
        "net": amount - (1500 if amount < 0 else 0),
        "reporting_category": "dispute" if amount < 0 else "dispute_reversal",
        "source": dispute["id"],
        "status": "available",
        "type": "adjustment",
    }
