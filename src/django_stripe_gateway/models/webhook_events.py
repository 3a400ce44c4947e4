"""The inbox: every webhook event that was accepted, stored once and kept."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, ClassVar

from django.db import models
from django.db.models import Count, Min, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from django_stripe_gateway.choices import WebhookState
from django_stripe_gateway.models.provider_accounts import ACCOUNT_ID_LENGTH

REASON_LENGTH = 255
#: Their effect is still missing, and will be tried for.
UNPROCESSED = (WebhookState.RECEIVED, WebhookState.FAILED)
#: Nothing is left to do, now or later: these can be purged.
SETTLED = (WebhookState.PROCESSED, WebhookState.IGNORED, WebhookState.UNMATCHED, WebhookState.MISMATCHED)
COUNTED = (*UNPROCESSED, WebhookState.DEAD, WebhookState.UNMATCHED)


@dataclass(frozen=True, slots=True)
class InboxStats:
    """How many events wait or need somebody to look at them.

    ``oldest_age`` is the age in whole seconds of the oldest event whose effect is still missing, 0 if there is none.
    """

    received: int
    failed: int
    dead: int
    unmatched: int
    oldest_age: int


class WebhookEventQuerySet(models.QuerySet["WebhookEvent"]):
    """Questions about events."""

    def unprocessed(self) -> WebhookEventQuerySet:
        """Return the events whose effect is still missing."""
        return self.filter(state__in=UNPROCESSED)

    def settled(self) -> WebhookEventQuerySet:
        """Return the events with which nothing is left to do."""
        return self.filter(state__in=SETTLED)

    def dead(self) -> WebhookEventQuerySet:
        """Return the events that were given up: only a replay handles them."""
        return self.filter(state=WebhookState.DEAD)

    def of_types(self, patterns: Collection[str]) -> WebhookEventQuerySet:
        """Return the events of some types; a type ends with ``*`` to stand for all that begin like it."""
        wanted = Q()
        for pattern in patterns:
            name = pattern.removesuffix("*")
            wanted |= Q(type=name) if name == pattern else Q(type__startswith=name)
        return self.filter(wanted) if patterns else self.none()

    def due(self, now: datetime | None = None) -> WebhookEventQuerySet:
        """Return the events that should be looked at again by now; whatever is settled has no next attempt."""
        return self.filter(next_attempt__lte=now or timezone.now())

    def stats(self, now: datetime | None = None) -> InboxStats:
        """Return counts and lag, in one query."""
        rows = (
            self.filter(state__in=COUNTED)
            .order_by()
            .values_list("state")
            .annotate(count=Count("pk"), oldest=Min("received"))
        )
        counts, oldest = dict.fromkeys(COUNTED, 0), []
        for state, count, first in rows:
            counts[state] = count
            if state in UNPROCESSED:
                oldest.append(first)
        age = ((now or timezone.now()) - min(oldest)).total_seconds() if oldest else 0
        return InboxStats(
            received=counts[WebhookState.RECEIVED],
            failed=counts[WebhookState.FAILED],
            dead=counts[WebhookState.DEAD],
            unmatched=counts[WebhookState.UNMATCHED],
            oldest_age=max(0, int(age)),
        )

    def failed(self) -> WebhookEventQuerySet:
        """Return the events whose handler raised."""
        return self.filter(state=WebhookState.FAILED)

    def unmatched(self) -> WebhookEventQuerySet:
        """Return the events about objects that are unknown here."""
        return self.filter(state=WebhookState.UNMATCHED)


class WebhookEvent(models.Model):
    """One event as the provider sent it, with what became of it."""

    provider = models.CharField(_("provider"), max_length=32)
    # The variant whose secret verified the delivery: two variants may be sent the same event ids.
    variant = models.CharField(_("variant"), max_length=64, blank=True, default="")
    # Of the provider's accounts the one that it is about, where that is none of this site's own: a connected one.
    account_id = models.CharField(_("account"), max_length=ACCOUNT_ID_LENGTH, blank=True, default="")
    # Of one that comes in two forms, the same in both: then it is stored once.
    event_id = models.CharField(_("event"), max_length=255)
    type = models.CharField(_("type"), max_length=128)
    object_id = models.CharField(_("object"), max_length=255, blank=True, default="", db_index=True)
    # What the object belongs to, such as the payment intent of a dispute; empty where the event names nothing.
    related_id = models.CharField(_("related object"), max_length=255, blank=True, default="")
    api_version = models.CharField(_("API version"), max_length=32, blank=True, default="")
    livemode = models.BooleanField(_("live mode"), null=True)
    # The provider's own time of the event, for order and for age.
    occurred = models.DateTimeField(_("occurred"), null=True, blank=True)
    headers = models.JSONField(_("headers"), default=dict, blank=True)
    body = models.TextField(_("body"))
    state = models.CharField(_("state"), max_length=16, choices=WebhookState.choices, default=WebhookState.RECEIVED)
    attempts = models.PositiveIntegerField(_("attempts"), default=0)
    error = models.TextField(_("error"), blank=True, default="")
    # Why it is ignored, or what it waits for.
    reason = models.CharField(_("reason"), max_length=REASON_LENGTH, blank=True, default="")
    received = models.DateTimeField(_("received"), auto_now_add=True)
    processed = models.DateTimeField(_("processed"), null=True, blank=True)
    # When the sweeper should look at it: a failed event again, a received one whose worker has died by then, an
    # unmatched one whose object may have appeared. Empty when there is nothing to wait for.
    next_attempt = models.DateTimeField(_("next attempt"), null=True, blank=True)
    # A worker is handling it until then, unless it dies.
    leased_until = models.DateTimeField(_("leased until"), null=True, blank=True)

    objects = WebhookEventQuerySet.as_manager()

    class Meta:
        verbose_name = _("webhook event")
        verbose_name_plural = _("webhook events")
        ordering = ("-id",)
        permissions: ClassVar[list[tuple[str, Any]]] = [("replay_event", _("Can replay webhook events"))]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["provider", "variant", "account_id", "event_id"], name="dsg_event_once"),
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["state", "received"], name="dsg_event_state_received"),
            models.Index(fields=["related_id"], name="dsg_event_related"),
            models.Index(fields=["next_attempt"], name="dsg_event_next_attempt"),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.event_id}"

    @cached_property
    def payload(self) -> dict[str, Any]:
        """The event, parsed."""
        payload: dict[str, Any] = json.loads(self.body)
        return payload

    @property
    def is_settled(self) -> bool:
        """Whether a repeated delivery is acknowledged without effect."""
        return self.state not in UNPROCESSED

    def is_leased(self, now: datetime) -> bool:
        """Return whether a worker may still be handling it."""
        return self.leased_until is not None and self.leased_until > now
