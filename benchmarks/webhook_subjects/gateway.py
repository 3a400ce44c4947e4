"""This package's view, with the settings that its tests use."""

from __future__ import annotations

import logging
import sys
from decimal import Decimal
from pathlib import Path

import django
from timing import AMOUNT, SECRET, database, serve

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from django.conf import settings

from tests import settings as test_settings

values = {name: getattr(test_settings, name) for name in dir(test_settings) if name.isupper()}
# The bare view has no middleware either.
own = {"DATABASES": {"default": database()}, "MIDDLEWARE": [], "STRIPE_GATEWAY_WEBHOOK_SECRET": SECRET}
settings.configure(**values | own)
django.setup()

from django.core.management import call_command  # noqa: E402

from django_stripe_gateway.models import Payment, WebhookEvent  # noqa: E402

BATCH = 5000


def prepare(start: int, stop: int) -> list[str]:
    """Make payments."""
    total = Decimal(AMOUNT) / 100
    payments = [
        Payment(total=total, currency="USD", variant="stripe", gateway="Stripe", token=f"00000000-{number:027d}")
        for number in range(start, stop)
    ]
    return [str(payment.token) for payment in Payment.objects.bulk_create(payments)]


def fill(count: int) -> None:
    """Store events, and as many paid payments, of the past."""
    for start in range(0, count, BATCH):
        numbers = range(start, min(start + BATCH, count))
        WebhookEvent.objects.bulk_create(
            WebhookEvent(
                provider="stripe",
                account="stripe",
                event_id=f"evt_old_{number}",
                type="payment_intent.succeeded",
                object_id=f"pi_old_{number}",
                state="processed",
                attempts=1,
                body="{}" * 500,
            )
            for number in numbers
        )
        Payment.objects.bulk_create(
            Payment(
                total=Decimal(10),
                currency="USD",
                variant="stripe",
                gateway="Stripe",
                status="confirmed",
                captured_amount=Decimal(10),
                intent_id=f"pi_old_{number}",
                token=f"11111111-{number:027d}",
            )
            for number in numbers
        )


if __name__ == "__main__":
    logging.disable(logging.INFO)
    call_command("migrate", verbosity=0)
    serve("/api/v1/webhooks/stripe/", prepare, fill)
