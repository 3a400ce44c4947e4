"""A handler that has done its work, and is held before its transaction is committed."""

from __future__ import annotations

import os
from pathlib import Path

from payments import get_payment_model

from django_stripe_gateway.models import PaymentLog
from django_stripe_gateway.webhooks.events import Event
from django_stripe_gateway.webhooks.registry import handles
from tests.waiting import wait_until

FOLDER = Path(os.environ["WORKER_FOLDER"])


@handles("checkout.session.completed")
def book(event: Event) -> None:
    """Write a line into the books of the payment; while the file ``hold`` is there, say who is held and wait."""
    payment = get_payment_model().objects.get(token=event.object["client_reference_id"])
    PaymentLog.objects.create(payment=payment, event="updated", message="booked", event_id=event.id)
    if (FOLDER / "hold").exists():
        (FOLDER / f"held-{os.getpid()}").touch()
        wait_until(lambda: not (FOLDER / "hold").exists(), what="the release", interval=0.02)
