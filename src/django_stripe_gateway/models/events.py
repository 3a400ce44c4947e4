"""The inbox: every webhook event that was accepted, stored once and kept."""

from __future__ import annotations

import json
from functools import cached_property
from typing import Any, ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from django_stripe_gateway.choices import WebhookState


class WebhookEventQuerySet(models.QuerySet["WebhookEvent"]):
    """Questions about events."""

    def unprocessed(self) -> WebhookEventQuerySet:
        """Return the events whose effect is still missing."""
        return self.filter(state__in=(WebhookState.RECEIVED, WebhookState.FAILED))

    def failed(self) -> WebhookEventQuerySet:
        """Return the events whose handler raised."""
        return self.filter(state=WebhookState.FAILED)

    def unmatched(self) -> WebhookEventQuerySet:
        """Return the events about objects that are unknown here."""
        return self.filter(state=WebhookState.UNMATCHED)


class WebhookEvent(models.Model):
    """One event as the provider sent it, with what became of it."""

    provider = models.CharField(_("provider"), max_length=32)
    # The variant whose secret verified the delivery: two accounts may use the same event ids.
    account = models.CharField(_("account"), max_length=64, blank=True, default="")
    event_id = models.CharField(_("event"), max_length=255)
    type = models.CharField(_("type"), max_length=128)
    object_id = models.CharField(_("object"), max_length=255, blank=True, default="", db_index=True)
    api_version = models.CharField(_("API version"), max_length=32, blank=True, default="")
    livemode = models.BooleanField(_("live mode"), null=True)
    # The provider's own time of the event, for order and for age.
    occurred = models.DateTimeField(_("occurred"), null=True, blank=True)
    headers = models.JSONField(_("headers"), default=dict, blank=True)
    body = models.TextField(_("body"))
    state = models.CharField(_("state"), max_length=16, choices=WebhookState.choices, default=WebhookState.RECEIVED)
    attempts = models.PositiveIntegerField(_("attempts"), default=0)
    error = models.TextField(_("error"), blank=True, default="")
    received = models.DateTimeField(_("received"), auto_now_add=True)
    processed = models.DateTimeField(_("processed"), null=True, blank=True)

    objects = WebhookEventQuerySet.as_manager()

    class Meta:
        verbose_name = _("webhook event")
        verbose_name_plural = _("webhook events")
        ordering = ("-id",)
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["provider", "account", "event_id"], name="dsg_event_once"),
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["state", "received"], name="dsg_event_state_received"),
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
        """Whether nothing is left to do: a repeated delivery is acknowledged without effect."""
        return self.state not in (WebhookState.RECEIVED, WebhookState.FAILED)
