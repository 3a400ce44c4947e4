"""What becomes of authorised money that is not taken: Stripe shows it in one of three ways.

``State.releases`` says which: until 2025-03-31.basil a Refund was made ("refunds"), of which some accounts see no more
than its sum on the charge ("counted"); since then the charge says nothing of it ("uncounted").
https://docs.stripe.com/changelog/basil/2025-03-31/remove-refund-from-partial-capture-and-payment-cancellation-flow
"""

from __future__ import annotations

from tests.fake_stripe import objects
from tests.fake_stripe.events import record
from tests.fake_stripe.state import Object, Scope

WAYS = ("counted", "refunds", "uncounted")


def release(scope: Scope, charge: Object, amount: int, *, reason: str | None = None, expired: bool = False) -> None:
    """Let go of what was authorised and not taken.

    Args:
        reason: what the refund says, where one is made.
        expired: the authorisation has run out.
    """
    way = scope.state.releases
    if expired:
        record(scope, "charge.expired", charge)
    if way == "uncounted" or not amount:
        return
    before = {"amount_refunded": charge["amount_refunded"], "refunded": charge["refunded"]}
    charge["amount_refunded"] += amount
    charge["refunded"] = charge["amount_refunded"] == charge["amount"]
    if way == "refunds":
        refund = objects.refund(scope, charge, amount=amount, status="succeeded")
        refund.update(reason=reason, balance_transaction=None)
        refund["destination_details"] = {"card": {"type": "reversal"}, "type": "card"}
        scope.add(refund)
        record(scope, "refund.created", refund)
        record(scope, "refund.updated", refund)
        record(scope, "charge.refund.updated", refund)
    if way == "refunds" or not charge["captured"]:
        record(scope, "charge.refunded", charge, previous=before)
