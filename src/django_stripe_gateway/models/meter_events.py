"""What was used, as it is reported to the provider's meters."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import ClassVar

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from django_stripe_gateway.choices import MeterEventState
from django_stripe_gateway.models.customers import Customer


def new_identifier() -> str:
    """Return the identifier by which the provider knows an event that it has seen before."""
    return f"dsg_{uuid.uuid4().hex}"


class MeterEventQuerySet(models.QuerySet["MeterEvent"]):
    """Questions about meter events."""

    def pending(self) -> MeterEventQuerySet:
        """Return the events whose arrival is not known."""
        return self.filter(state=MeterEventState.PENDING)

    def due(self, now: datetime | None = None) -> MeterEventQuerySet:
        """Return the pending events that no process is sending at this moment."""
        return self.pending().filter(leased_until__lte=now or timezone.now())


class MeterEvent(models.Model):
    """Some use of one customer, added up; committed with its identifier before it is sent."""

    customer = models.ForeignKey(
        Customer, on_delete=models.PROTECT, related_name="meter_events", verbose_name=_("customer")
    )
    metric = models.SlugField(_("metric"), max_length=64, db_index=False)
    event_name = models.CharField(_("meter's event name"), max_length=100)
    value = models.BigIntegerField(_("value"))
    identifier = models.CharField(_("identifier"), max_length=100, unique=True, default=new_identifier)
    occurred = models.DateTimeField(_("occurred"))
    state = models.CharField(
        _("state"), max_length=16, choices=MeterEventState.choices, default=MeterEventState.PENDING
    )
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    first_sent = models.DateTimeField(_("first sent"), null=True, blank=True)
    leased_until = models.DateTimeField(_("leased until"), default=timezone.now)
    error = models.JSONField(_("error"), default=dict, blank=True)
    created = models.DateTimeField(_("created"), default=timezone.now)
    modified = models.DateTimeField(_("modified"), auto_now=True)

    objects = MeterEventQuerySet.as_manager()

    class Meta:
        verbose_name = _("meter event")
        verbose_name_plural = _("meter events")
        ordering = ("-id",)
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["state", "leased_until"], name="dsg_meter_event_lease"),
            models.Index(fields=["customer", "metric", "occurred"], name="dsg_meter_event_customer"),
        ]

    def __str__(self) -> str:
        return f"{self.event_name}: {self.value:+d} ({self.state})"
