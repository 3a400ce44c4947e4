"""What one owner may use beside what the plan says."""

from __future__ import annotations

from typing import Any, ClassVar

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from django_stripe_gateway.choices import LimitPeriod


class LimitOverride(models.Model):
    """A limit that takes the place of the plans' for one owner."""

    owner = models.ForeignKey(
        settings.STRIPE_GATEWAY_OWNER_MODEL,
        verbose_name=_("owner"),
        on_delete=models.CASCADE,
        related_name="+",
        db_index=False,
    )
    metric = models.SlugField(_("metric"), max_length=64, db_index=False)
    limit = models.PositiveBigIntegerField(_("limit"), null=True, blank=True, help_text=_("Empty for no limit."))
    period = models.CharField(
        _("period"),
        max_length=16,
        choices=LimitPeriod.choices,
        blank=True,
        default="",
        help_text=_("Empty for the plan's."),
    )
    expires = models.DateTimeField(_("expires"), null=True, blank=True)
    note = models.CharField(_("note"), max_length=255, blank=True, default="")
    created = models.DateTimeField(_("created"), auto_now_add=True)
    modified = models.DateTimeField(_("modified"), auto_now=True)

    class Meta:
        verbose_name = _("limit override")
        verbose_name_plural = _("limit overrides")
        ordering = ("-id",)
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["owner", "metric"], name="dsg_override_metric_once"),
        ]

    def __str__(self) -> str:
        return f"{self.metric}: {'∞' if self.limit is None else self.limit}"


class UsageGrantQuerySet(models.QuerySet["UsageGrant"]):
    """Questions about grants."""

    def available(self, now: Any = None) -> UsageGrantQuerySet:
        """Return the grants of which something is left."""
        now = now or timezone.now()
        return self.filter(Q(expires__isnull=True) | Q(expires__gt=now), drawn__lt=F("quantity"))


class UsageGrant(models.Model):
    """Units that an owner gets once, on top of the limit; used when the limit is spent, until they expire."""

    owner = models.ForeignKey(
        settings.STRIPE_GATEWAY_OWNER_MODEL,
        verbose_name=_("owner"),
        on_delete=models.CASCADE,
        related_name="+",
        db_index=False,
    )
    metric = models.SlugField(_("metric"), max_length=64, db_index=False)
    quantity = models.PositiveBigIntegerField(_("quantity"))
    drawn = models.PositiveBigIntegerField(_("drawn"), default=0, editable=False)
    expires = models.DateTimeField(_("expires"), null=True, blank=True)
    note = models.CharField(_("note"), max_length=255, blank=True, default="")
    created = models.DateTimeField(_("created"), auto_now_add=True)

    objects = UsageGrantQuerySet.as_manager()

    class Meta:
        verbose_name = _("usage grant")
        verbose_name_plural = _("usage grants")
        ordering = ("-id",)
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(condition=Q(drawn__lte=F("quantity")), name="dsg_grant_drawn"),
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["owner", "expires"], name="dsg_grant_owner"),
        ]

    def __str__(self) -> str:
        return f"{self.metric}: {self.quantity}"

    def clean(self) -> None:
        """Refuse a quantity below what was used of it."""
        if self.quantity is not None and self.quantity < self.drawn:
            raise ValidationError({"quantity": _("%(drawn)d were used already.") % {"drawn": self.drawn}})
