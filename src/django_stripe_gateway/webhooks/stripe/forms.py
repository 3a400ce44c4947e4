"""Whether an event that comes in two forms, thin and whole, has been handled in the other one already."""

from __future__ import annotations

from datetime import timedelta

from django_stripe_gateway.choices import WebhookState
from django_stripe_gateway.models import WebhookEvent
from django_stripe_gateway.services.transactions import payments_database
from django_stripe_gateway.webhooks.events import Event, clean_id
from django_stripe_gateway.webhooks.stripe.thin import THIN_PREFIX

# The whole one's time is in whole seconds.
SAME_MOMENT = timedelta(seconds=1)


def was_told_in_other_form(event: Event) -> bool:
    """Return whether what is about to be announced was announced by the same event's other form.

    Where a thin event names its other form, both are stored as one, and this is not asked.
    """
    object_id = clean_id(event.object.get("id"))
    if event.created is None or not object_id:
        return False
    other = event.type if event.looked_up is not None else f"{THIN_PREFIX}{event.type}"
    rows = WebhookEvent.objects.using(payments_database()).filter(
        provider=event.provider,
        variant=event.variant,
        account_id=event.account_id,
        object_id=object_id,
        type=other,
        state=WebhookState.PROCESSED,
        occurred__gt=event.created - SAME_MOMENT,
        occurred__lt=event.created + SAME_MOMENT,
    )
    return rows.exists()
