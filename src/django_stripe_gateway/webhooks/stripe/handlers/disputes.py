"""Disputes (chargebacks) of payments and of invoices."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.utils import timezone

from django_stripe_gateway.choices import WebhookState
from django_stripe_gateway.gateways.registry import get_gateway
from django_stripe_gateway.gateways.stripe.payment_objects import dispute_snapshot
from django_stripe_gateway.gateways.values import DisputeSnapshot
from django_stripe_gateway.models import Dispute
from django_stripe_gateway.services.payments.disputes import apply_dispute
from django_stripe_gateway.services.subscriptions.disputes import apply_invoice_dispute
from django_stripe_gateway.webhooks.answers import answers_of, needs
from django_stripe_gateway.webhooks.events import Event
from django_stripe_gateway.webhooks.stripe.payments import change_stripe_payment
from django_stripe_gateway.webhooks.stripe.registration import handles

Times = tuple[datetime | None, datetime | None]


@dataclasses.dataclass(frozen=True, slots=True)
class Look:
    """What the provider answered about a dispute, and what the row knew before."""

    known: Times
    began: datetime
    answer: DisputeSnapshot


@handles(
    "charge.dispute.created",
    "charge.dispute.updated",
    "charge.dispute.closed",
    "charge.dispute.funds_withdrawn",
    "charge.dispute.funds_reinstated",
)
def handle_dispute(event: Event) -> WebhookState:
    """Bring the dispute to what the provider says, and mark what it is about as disputed, won or lost."""
    return change_stripe_payment(
        event,
        "dispute",
        lambda payment: _apply(event, payment, apply_dispute),
        lambda invoice: _apply(event, invoice, apply_invoice_dispute),
    )


def _apply(event: Event, subject: Any, apply: Callable[..., Dispute | None]) -> None:
    """Write what the event says or, where that is unclear, what the provider was asked for."""
    said, look, times = dispute_snapshot(event.object), answers_of(event).look, {"said_at": event.created}
    if isinstance(look, Look) and look.known == _times(subject, said.dispute_id):
        apply(subject, look.answer, event.origin, looked_at=look.began, **times)
        return
    if event.looked_up is not None and _is_older(_times(subject, said.dispute_id), event):
        # What a thin event's object says is as new as the look, and not as the event.
        apply(subject, said, event.origin, looked_at=event.looked_up, **times)
        return
    unclear = apply(subject, said, event.origin, **times)
    if unclear is not None:
        raise needs(event, look=lambda: _ask(subject, said.dispute_id))


def _ask(subject: Any, dispute_id: str) -> Look:
    known, began = _times(subject, dispute_id), timezone.now()
    return Look(known, began, get_gateway(subject.variant).retrieve_dispute(dispute_id))


def _is_older(known: Times, event: Event) -> bool:
    """Return whether what is known of a dispute is older than a thin event, and than the look at its object."""
    said_at, looked_at = known
    is_said_before = said_at is None or (event.created is not None and said_at <= event.created)
    return is_said_before and (looked_at is None or (event.looked_up is not None and looked_at <= event.looked_up))


def _times(subject: Any, dispute_id: str) -> Times:
    rows = subject.disputes.filter(provider_id=dispute_id)
    found: Times | None = rows.values_list("provider_time", "fetched_at").first()
    return found or (None, None)
