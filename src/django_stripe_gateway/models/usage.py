"""What owners have used of what their plans allow: counters, the ledger behind them, and reservations."""

from __future__ import annotations

import uuid
from datetime import date
from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Sum
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from django_stripe_gateway.choices import LimitPeriod, ReservationState, UsageKind
from django_stripe_gateway.models.logs import AppendOnlyError, AppendOnlyQuerySet
from django_stripe_gateway.models.meter_events import MeterEvent


class UsageCounter(models.Model):
    """How much of one metric an owner has used in one period.

    Change it through the services: they keep ``used + reserved`` within what is allowed with conditions in the UPDATE.
    """

    owner = models.ForeignKey(
        settings.STRIPE_GATEWAY_OWNER_MODEL,
        verbose_name=_("owner"),
        on_delete=models.CASCADE,
        related_name="+",
        db_index=False,
    )
    metric = models.SlugField(_("metric"), max_length=64, db_index=False)
    period = models.CharField(_("period"), max_length=16, choices=LimitPeriod.choices)
    # The local date it begins with ("day:2026-11-23"), so that a move to another time zone makes no new day.
    period_key = models.CharField(_("period's key"), max_length=64)
    starts = models.DateTimeField(_("starts"))
    ends = models.DateTimeField(_("ends"), null=True, blank=True)
    # Whose paid period it is: the provider's id of an item that has one of its own; empty for the subscription's.
    item_id = models.CharField(max_length=255, blank=True, default="", editable=False)
    # After that nobody asks for it; later than the period's end where that is only an estimate.
    current_until = models.DateTimeField(_("current until"))
    # Of the counters of months and paid periods, of which several can be current at once: the one that use goes to.
    # Empty for all others, so that the database holds the rest.
    is_open = models.BooleanField(null=True, default=None, editable=False)
    # How often it was opened again: what was read of other counters before is not true any more then.
    reopened = models.PositiveIntegerField(default=0, editable=False)
    used = models.PositiveBigIntegerField(_("used"), default=0)
    reserved = models.PositiveBigIntegerField(_("reserved"), default=0)
    extra = models.PositiveBigIntegerField(
        _("extra"), default=0, help_text=_("Taken out of grants, on top of the limit.")
    )
    modified = models.DateTimeField(_("modified"), default=timezone.now)

    class Meta:
        verbose_name = _("usage counter")
        verbose_name_plural = _("usage counters")
        ordering = ("-id",)
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["owner", "metric", "period_key"], name="dsg_counter_period_once"),
            models.UniqueConstraint(fields=["owner", "metric", "is_open"], name="dsg_counter_open_once"),
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["owner", "current_until"], name="dsg_counter_current"),
        ]

    def __str__(self) -> str:
        return f"{self.metric} ({self.period_key}): {self.used}"


class UsageRecordQuerySet(AppendOnlyQuerySet["UsageRecord"]):
    """Questions about the ledger."""

    def for_owner(self, owner: Any) -> UsageRecordQuerySet:
        """Return what one owner has used."""
        return self.filter(owner=owner)

    def per_day(self, metric: str, since: date, until: date) -> dict[date, int]:
        """Return what was used of ``metric`` on each day from ``since`` to ``until``, days without use included."""
        rows = self.filter(metric=metric, day__gte=since, day__lte=until).order_by("day").values("day")
        sums = dict(rows.annotate(total=Sum("quantity")).values_list("day", "total"))
        days = (date.fromordinal(number) for number in range(since.toordinal(), until.toordinal() + 1))
        # What is given back the day after it was used must not draw a bar below zero.
        return {day: max(0, int(sums.get(day, 0))) for day in days}


class UsageRecord(models.Model):
    """One line of the ledger: use, or use that was given back (negative). Lines are added, never changed."""

    owner = models.ForeignKey(
        settings.STRIPE_GATEWAY_OWNER_MODEL,
        verbose_name=_("owner"),
        null=True,
        blank=True,
        # What was metered stays when its owner goes.
        on_delete=models.SET_NULL,
        related_name="+",
        db_index=False,
    )
    metric = models.SlugField(_("metric"), max_length=64, db_index=False)
    kind = models.CharField(_("kind"), max_length=16, choices=UsageKind.choices)
    quantity = models.BigIntegerField(_("quantity"))
    # The caller's own key, hashed.
    key = models.CharField(max_length=64, null=True, blank=True, editable=False)
    period_key = models.CharField(_("period's key"), max_length=64)
    # In the owner's time zone.
    day = models.DateField(_("day"))
    created = models.DateTimeField(_("created"), default=timezone.now)
    # Not reported to the provider yet; after that, the event that reported it.
    awaits_meter = models.BooleanField(_("waits for the meter"), default=False, editable=False)
    meter_event = models.ForeignKey(
        MeterEvent, null=True, blank=True, on_delete=models.PROTECT, related_name="records", editable=False
    )

    objects: ClassVar[UsageRecordQuerySet] = UsageRecordQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        verbose_name = _("usage record")
        verbose_name_plural = _("usage records")
        ordering = ("-id",)
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["owner", "key"], name="dsg_usage_key_once"),
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["owner", "metric", "day"], name="dsg_usage_day"),
            models.Index(fields=["awaits_meter", "id"], name="dsg_usage_meter"),
        ]

    def __str__(self) -> str:
        return f"{self.metric}: {self.quantity:+d}"

    def save(self, **kwargs: Any) -> None:
        """Add the line; a line that exists is never changed."""
        if not self._state.adding:
            raise AppendOnlyError("The ledger can only be added to.")
        super().save(**kwargs | {"force_insert": True})

    def delete(self, *args: Any, **kwargs: Any) -> Any:
        """Refuse."""
        raise AppendOnlyError("The ledger can only be added to.")


class UsageReservation(models.Model):
    """Units that are kept free for work whose cost is known later."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(
        settings.STRIPE_GATEWAY_OWNER_MODEL,
        verbose_name=_("owner"),
        on_delete=models.CASCADE,
        related_name="+",
        db_index=False,
    )
    counter = models.ForeignKey(UsageCounter, on_delete=models.CASCADE, related_name="reservations", db_index=False)
    metric = models.SlugField(_("metric"), max_length=64, db_index=False)
    quantity = models.PositiveBigIntegerField(_("quantity"))
    used = models.PositiveBigIntegerField(_("used"), default=0)
    state = models.CharField(_("state"), max_length=16, choices=ReservationState.choices, default=ReservationState.HELD)
    key = models.CharField(max_length=64, null=True, blank=True, editable=False)
    expires = models.DateTimeField(_("expires"))
    created = models.DateTimeField(_("created"), default=timezone.now)
    modified = models.DateTimeField(_("modified"), default=timezone.now)

    class Meta:
        verbose_name = _("usage reservation")
        verbose_name_plural = _("usage reservations")
        ordering = ("-created",)
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["owner", "key"], name="dsg_reservation_key_once"),
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["counter", "state", "expires"], name="dsg_reservation_held"),
        ]

    def __str__(self) -> str:
        return f"{self.metric}: {self.quantity} ({self.state})"

    @property
    def is_held(self) -> bool:
        """Whether its units are still kept free."""
        return self.state == ReservationState.HELD and self.expires > timezone.now()
