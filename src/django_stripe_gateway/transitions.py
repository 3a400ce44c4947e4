"""Which status a payment may move to, whatever arrives, in whatever order, however often.

The order is one of knowledge, not of time: what proves that money moved outweighs what says that it did not. A payment
that was cancelled here while the customer's bank had already accepted becomes confirmed, never the other way round, so
that every order of the same events ends in the same status.
"""

from __future__ import annotations

from collections.abc import Mapping

from django_stripe_gateway.choices import InvoiceStatus as Inv
from django_stripe_gateway.choices import PaymentStatus as S
from django_stripe_gateway.choices import RefundStatus as R
from django_stripe_gateway.choices import SubscriptionStatus as Sub

ALLOWED_TRANSITIONS: Mapping[str, frozenset[str]] = {
    S.WAITING: frozenset({S.INPUT, S.ERROR, S.PREAUTH, S.REJECTED, S.CANCELLED, S.CONFIRMED}),
    S.INPUT: frozenset({S.ERROR, S.PREAUTH, S.REJECTED, S.CANCELLED, S.CONFIRMED}),
    S.ERROR: frozenset({S.PREAUTH, S.REJECTED, S.CANCELLED, S.CONFIRMED}),
    S.PREAUTH: frozenset({S.REJECTED, S.CANCELLED, S.CONFIRMED}),
    S.REJECTED: frozenset({S.CANCELLED, S.CONFIRMED}),
    S.CANCELLED: frozenset({S.CONFIRMED}),
    S.CONFIRMED: frozenset({S.REFUNDED}),
    S.REFUNDED: frozenset(),
}

# A refund that succeeded can still fail at the customer's bank: the money is back, and so is the status. Only the sum
# of the refunds may say so; a late "paid" event must not turn a refunded payment back.
REFUND_REVERSAL = (S.REFUNDED, S.CONFIRMED)

# The failure code of a payment that waits until its customer has authenticated: nobody was there when it was charged.
AUTHENTICATION_REQUIRED = "authentication_required"

# A new attempt that we start ourselves makes a failed payment payable again; an event never does.
REOPENABLE = frozenset({S.ERROR, S.REJECTED})
PAYABLE = frozenset({S.WAITING, S.INPUT, S.ERROR})
CANCELLABLE = frozenset({S.WAITING, S.INPUT, S.ERROR, S.PREAUTH})
PAID = frozenset({S.CONFIRMED, S.REFUNDED})


ALLOWED_REFUND_TRANSITIONS: Mapping[str, frozenset[str]] = {
    R.PENDING: frozenset({R.REQUIRES_ACTION, R.SUCCEEDED, R.FAILED, R.CANCELED}),
    R.REQUIRES_ACTION: frozenset({R.SUCCEEDED, R.FAILED, R.CANCELED}),
    R.SUCCEEDED: frozenset({R.FAILED, R.CANCELED}),
    R.FAILED: frozenset(),
    R.CANCELED: frozenset({R.FAILED}),
}


def can_transition(current: str, target: str, *, refund_reversed: bool = False, new_attempt: bool = False) -> bool:
    """Return whether a payment may move from ``current`` to ``target``; staying is no move.

    Args:
        refund_reversed: the sum of the refunds has fallen below what was captured.
        new_attempt: we ourselves have started a new attempt at a payment that had failed.
    """
    if refund_reversed and (current, target) == REFUND_REVERSAL:
        return True
    if new_attempt and current in REOPENABLE and target == S.WAITING:
        return True
    return target in ALLOWED_TRANSITIONS.get(current, frozenset())


def can_transition_refund(current: str, target: str) -> bool:
    """Return whether a refund may move from ``current`` to ``target``."""
    return target in ALLOWED_REFUND_TRANSITIONS.get(current, frozenset())


ENDED_SUBSCRIPTIONS = frozenset({Sub.CANCELED, Sub.INCOMPLETE_EXPIRED})
_RUNNING = frozenset({Sub.TRIALING, Sub.ACTIVE, Sub.PAST_DUE, Sub.UNPAID, Sub.PAUSED})

# Stripe moves a running subscription in every direction; what has ended stays so, and nothing becomes new again
# (https://docs.stripe.com/billing/subscriptions/overview#subscription-statuses).
ALLOWED_SUBSCRIPTION_TRANSITIONS: Mapping[str, frozenset[str]] = {
    Sub.STARTING: frozenset({Sub.INCOMPLETE}) | _RUNNING | ENDED_SUBSCRIPTIONS,
    Sub.INCOMPLETE: _RUNNING | ENDED_SUBSCRIPTIONS,
    **{status: (_RUNNING - {status}) | {Sub.CANCELED} for status in _RUNNING},
    Sub.CANCELED: frozenset(),
    Sub.INCOMPLETE_EXPIRED: frozenset(),
}


def can_transition_subscription(current: str, target: str, *, was_given_up: bool = False) -> bool:
    """Return whether a subscription may move from ``current`` to ``target``.

    Args:
        was_given_up: nobody but staff has said that it is over, and the provider says how it stands.
    """
    if was_given_up and current in ENDED_SUBSCRIPTIONS:
        return target != current and target != Sub.STARTING
    return target in ALLOWED_SUBSCRIPTION_TRANSITIONS.get(current, frozenset())


# https://docs.stripe.com/invoicing/overview#invoice-statuses; a paid or void invoice stays what it is.
ALLOWED_INVOICE_TRANSITIONS: Mapping[str, frozenset[str]] = {
    Inv.DRAFT: frozenset({Inv.OPEN, Inv.PAID, Inv.UNCOLLECTIBLE, Inv.VOID}),
    Inv.OPEN: frozenset({Inv.PAID, Inv.UNCOLLECTIBLE, Inv.VOID}),
    Inv.UNCOLLECTIBLE: frozenset({Inv.PAID, Inv.VOID}),
    Inv.PAID: frozenset(),
    Inv.VOID: frozenset(),
}


def can_transition_invoice(current: str, target: str) -> bool:
    """Return whether an invoice may move from ``current`` to ``target``."""
    return target in ALLOWED_INVOICE_TRANSITIONS.get(current, frozenset())
