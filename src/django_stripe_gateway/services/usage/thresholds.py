"""Tell receivers that use has come to a part of its limit."""

from __future__ import annotations

import logging
from typing import Any

from django.db import transaction

from django_stripe_gateway import signals
from django_stripe_gateway.models import UsageCounter
from django_stripe_gateway.services.usage.counters import Taken, passed_thresholds
from django_stripe_gateway.services.usage.entitlements import Allowance
from django_stripe_gateway.services.usage.transactions import usage_database

logger = logging.getLogger(__name__)


def announce_thresholds(owner: Any, allowance: Allowance, taken: Taken) -> None:
    """Send ``usage_threshold_reached`` after the commit, once for each threshold that was passed."""
    for threshold in passed_thresholds(allowance.base, taken.before, taken.after):
        _send_on_commit(owner, allowance, taken, threshold)


def _send_on_commit(owner: Any, allowance: Allowance, taken: Taken, threshold: int) -> None:
    def send() -> None:
        answers = signals.usage_threshold_reached.send_robust(
            sender=UsageCounter,
            owner=owner,
            metric=allowance.metric,
            threshold=threshold,
            used=taken.after,
            limit=allowance.base,
            resets_at=allowance.resets_at,
        )
        for receiver, answer in answers:
            if isinstance(answer, Exception):
                logger.error("A receiver of a usage signal raised: %r", receiver, exc_info=answer)

    transaction.on_commit(send, using=usage_database(), robust=True)
