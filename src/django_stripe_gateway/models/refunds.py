"""Refunds: money given back, each with the provider's own status."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from django_stripe_gateway.choices import RefundReason, RefundStatus
from django_stripe_gateway.models.fields import MoneyField
from django_stripe_gateway.money import display_amount


class RefundQuerySet(models.QuerySet["Refund"]):
    """Questions about refunds."""

    def succeeded(self) -> RefundQuerySet:
        """Return the refunds whose money has left."""
        return self.filter(status=RefundStatus.SUCCEEDED)

    def under_way(self) -> RefundQuerySet:
        """Return the refunds that are neither done nor failed."""
        return self.filter(status__in=(RefundStatus.PENDING, RefundStatus.REQUIRES_ACTION))


class Refund(models.Model):
    """One refund of a payment, made here or found at the provider.

    The row is committed before the provider is asked; ``operation`` holds the call's idempotency key. ``provider_id``
    (``re_…``) is empty until it has answered.
    """

    payment = models.ForeignKey(settings.PAYMENT_MODEL, on_delete=models.PROTECT, related_name="refunds")
    operation = models.OneToOneField(
        "django_stripe_gateway.PaymentOperation",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="refund",
        editable=False,
    )
    provider_id = models.CharField(_("refund"), max_length=255, unique=True, null=True, blank=True)
    amount = MoneyField(_("amount"))
    currency = models.CharField(_("currency"), max_length=3)
    status = models.CharField(_("status"), max_length=16, choices=RefundStatus.choices, default=RefundStatus.PENDING)
    reason = models.CharField(_("reason"), max_length=32, choices=RefundReason.choices, blank=True, default="")
    failure_reason = models.CharField(_("failure reason"), max_length=64, blank=True, default="")
    created = models.DateTimeField(_("created"), auto_now_add=True)
    modified = models.DateTimeField(_("modified"), auto_now=True)

    objects = RefundQuerySet.as_manager()

    class Meta:
        verbose_name = _("refund")
        verbose_name_plural = _("refunds")
        ordering = ("id",)
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["status", "created"], name="dsg_refund_status_created"),
        ]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(condition=models.Q(amount__gt=0), name="dsg_refund_amount"),
        ]

    def __str__(self) -> str:
        return f"{self.provider_id or 'refund'}: {display_amount(self.amount, self.currency)} ({self.status})"

    @property
    def is_succeeded(self) -> bool:
        """Whether the money has left."""
        return self.status == RefundStatus.SUCCEEDED

    @property
    def is_under_way(self) -> bool:
        """Whether the refund is neither done nor failed."""
        return self.status in (RefundStatus.PENDING, RefundStatus.REQUIRES_ACTION)
