"""Answers to idempotency keys that nobody can ask for any more."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from django.utils import timezone

from django_stripe_gateway.conf import gateway_settings
from django_stripe_gateway.models import IdempotencyKey
from django_stripe_gateway.services.operations.reconcile import Reconciled
from django_stripe_gateway.services.transactions import payments_database


def forget_answers() -> Iterator[Reconciled]:
    """Delete the keys whose time is over, with their answers; who has none yet may still be carried on."""
    ended = timezone.now() - timedelta(seconds=gateway_settings.idempotency_key_ttl)
    rows = IdempotencyKey.objects.using(payments_database()).filter(created__lt=ended, response_status__isnull=False)
    if count := rows.delete()[0]:
        yield Reconciled("idempotency keys", "unchanged", f"{count} whose time is over, deleted")
