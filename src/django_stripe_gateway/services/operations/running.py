"""Run an operation from the wish to the written answer."""

from __future__ import annotations

import hashlib
from typing import Any

from django_stripe_gateway.exceptions import OperationInProgress
from django_stripe_gateway.models import PaymentOperation
from django_stripe_gateway.services.operations.lifecycle import (
    Intention,
    begin_operation,
    recorded_origin,
    take_over_operation,
)
from django_stripe_gateway.services.operations.performing import perform_operation
from django_stripe_gateway.services.operations.superseding import make_way
from django_stripe_gateway.services.origins import SYSTEM, Origin

MAX_ROUNDS = 3


def run_operation(payment_id: Any, intention: Intention, origin: Origin) -> PaymentOperation:
    """Do what ``intention`` asks for, once, and return the operation with the payment as it is afterwards.

    An operation that an earlier process left behind is carried on if it was this very wish; another one makes way.

    Raises:
        GatewayError: see ``begin_operation`` and ``perform_operation``.
    """
    for _round in range(MAX_ROUNDS):
        begun = begin_operation(payment_id, intention, origin)
        if begun.is_answered:
            return begun.operation
        if begun.is_own:
            return perform_operation(begun, origin)
        make_way(begun, recorded_origin(begun.operation) or origin)
    raise OperationInProgress("Other operations on this payment keep coming first. Try again.", retry_after=1)


def resume_operation(operation_id: int, origin: Origin = SYSTEM) -> None:
    """Settle an abandoned operation in the name of who asked for it; does nothing if it is settled already.

    Raises:
        GatewayError: the provider refused (which settles it), or is still silent (which does not).
    """
    begun = take_over_operation(operation_id)
    if begun is not None:
        perform_operation(begun, recorded_origin(begun.operation) or origin)


def scoped_request_key(idempotency_key: str | None, *scope: Any) -> str | None:
    """Return the caller's key as stored on an operation: one-way, and apart for each owner and purpose."""
    if not idempotency_key:
        return None
    text = "\n".join([idempotency_key, *(str(part) for part in scope)])
    return hashlib.sha256(text.encode()).hexdigest()
