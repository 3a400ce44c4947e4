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
from django_stripe_gateway.webhooks.events import Event
from django_stripe_gateway.webhooks.registry import FetchNeeded
from django_stripe_gateway.webhooks.stripe.invoice_money import Answers, answers_of, change_invoice_of_payment
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
    state = change_stripe_payment(event, "dispute", lambda payment: _apply(event, payment, apply_dispute))
    if state != WebhookState.UNMATCHED:
        return state
    return change_invoice_of_payment(event, "dispute", lambda invoice: _apply(event, invoice, apply_invoice_dispute))


def _apply(event: Event, subject: Any, apply: Callable[..., Dispute | None]) -> None:
    """Write what the event says or, where that is unclear, what the provider was asked for."""
    answers, times = answers_of(event), {"said_at": event.created}
    said, look = dispute_snapshot(event.object), answers.look
    if isinstance(look, Look) and look.known == _times(subject, said.dispute_id):
        apply(subject, look.answer, event.origin, looked_at=look.began, **times)
        return
    unclear = apply(subject, said, event.origin, **times)
    if unclear is not None:
        raise FetchNeeded(lambda: _ask(answers, subject, said.dispute_id))


def _ask(answers: Answers, subject: Any, dispute_id: str) -> Answers:
    known, began = _times(subject, dispute_id), timezone.now()
    look = Look(known, began, get_gateway(subject.variant).retrieve_dispute(dispute_id))
    return dataclasses.replace(answers, look=look)


def _times(subject: Any, dispute_id: str) -> Times:
    rows = subject.disputes.filter(provider_id=dispute_id)
    found: Times | None = rows.values_list("provider_time", "fetched_at").first()
    return found or (None, None)
