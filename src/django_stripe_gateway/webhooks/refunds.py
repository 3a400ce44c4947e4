"""Write the refunds that an event names, in whichever order events come; ask first where the event cannot tell."""

from __future__ import annotations

from collections.abc import Iterable

from django_stripe_gateway.gateways.values import RefundSnapshot
from django_stripe_gateway.models import AbstractPayment
from django_stripe_gateway.services.moments import happened_at
from django_stripe_gateway.services.payments.refund_sync import RefundUnclear, apply_refund, in_order
from django_stripe_gateway.services.payments.standing import Standing, ask_standing
from django_stripe_gateway.services.payments.sync import apply_snapshot
from django_stripe_gateway.services.snapshots import SnapshotMismatch, SupersededAttempt
from django_stripe_gateway.webhooks.answers import answers_of, needs
from django_stripe_gateway.webhooks.events import Event, clean_id
from django_stripe_gateway.webhooks.registry import FetchNeeded


def apply_event_refunds(
    event: Event, payment: AbstractPayment, refunds: Iterable[RefundSnapshot], intent_id: str = ""
) -> None:
    """Write the refunds of the locked payment that an event names.

    Where it is not known yet what was captured, or more is refunded than was, the provider is asked how the payment and
    all of its refunds stand; that is written first.

    Args:
        intent_id: what holds the money, as the event says it.

    Raises:
        FetchNeeded: the provider has to be asked first.
        SnapshotMismatch: a refund contradicts the payment; the others were written.
    """
    standing = answers_of(event).standing
    found = [*refunds]
    if standing is not None:
        _apply_standing(event, payment, standing)
        found = [*standing.refunds, *found]
    contradiction: SnapshotMismatch | None = None
    for snapshot in in_order(found):
        try:
            if not clean_id(snapshot.refund_id):
                raise SnapshotMismatch("a refund's id is malformed")
            apply_refund(payment, snapshot, event.origin, is_current=standing is not None)
        except RefundUnclear as error:
            if standing is not None:
                contradiction = contradiction or error
                continue
            raise needs_standing(event, payment, intent_id or snapshot.intent_id) from None
        except SnapshotMismatch as error:
            # The other refunds are true all the same, in whichever order the provider lists them.
            contradiction = contradiction or error
    if contradiction is not None:
        raise contradiction


def needs_standing(event: Event, payment: AbstractPayment, intent_id: str) -> FetchNeeded:
    """Return the request to be called again with how the payment and its refunds stand at the provider."""
    return needs(event, standing=lambda: ask_standing(payment, intent_id))


def _apply_standing(event: Event, payment: AbstractPayment, standing: Standing) -> None:
    if standing.snapshot is None:
        return
    try:
        # The event says when it was refunded; when it was paid the payment itself does.
        with happened_at(None):
            apply_snapshot(payment, standing.snapshot, event.origin)
    except SupersededAttempt:
        # Its refunds are of an attempt that was never paid.
        raise SnapshotMismatch("a refund of an attempt that was not paid") from None
