"""What the provider was asked for about one event: one value for all who ask, none of whom loses another's answer."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import datetime
from typing import Any

from django_stripe_gateway.gateways.billing_values import InvoiceSnapshot
from django_stripe_gateway.services.payments.standing import Standing
from django_stripe_gateway.webhooks.events import Event
from django_stripe_gateway.webhooks.registry import FetchNeeded


@dataclasses.dataclass(frozen=True, slots=True)
class Answers:
    """What the handler of a provider's own has learnt of one event so far.

    Args:
        facts: what a payment was made for of which no row is known.
        asked: when it was asked which invoice the payment pays; ``invoice`` is that, if it pays one.
        standing: how a payment stands with all of its refunds.
        look: what else was asked for: the object itself, or what it only names.
    """

    facts: Any = None
    asked: datetime | None = None
    invoice: InvoiceSnapshot | None = None
    standing: Standing | None = None
    look: Any = None


def answers_of(event: Event) -> Answers:
    """Return what the provider was asked for about an event so far."""
    return event.fetched if isinstance(event.fetched, Answers) else Answers()


def needs(event: Event, **questions: Callable[[], Any]) -> FetchNeeded:
    """Return the request to be called again with further answers.

    Args:
        questions: names of ``Answers``, and what asks for each.
    """
    answers = answers_of(event)
    return FetchNeeded(lambda: dataclasses.replace(answers, **{name: ask() for name, ask in questions.items()}))
