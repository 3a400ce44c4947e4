"""Money that came for a payment and was not expected: another amount, another currency, or a second time."""

from __future__ import annotations

from decimal import Decimal
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from django_stripe_gateway.choices import RefundStatus, UnexpectedReason, UnexpectedState
from django_stripe_gateway.models.fields import ZERO, MoneyField
from django_stripe_gateway.money import display_amount

GONE = (RefundStatus.FAILED, RefundStatus.CANCELED)


class UnexpectedPaymentQuerySet(models.QuerySet["UnexpectedPayment"]):
    """Questions about unexpected money."""

    def open(self) -> UnexpectedPaymentQuerySet:
        """Return what nobody has decided about."""
        return self.filter(state=UnexpectedState.OPEN)


class UnexpectedPayment(models.Model):
    """What was paid for a payment and contradicts it; staff accept it, or give it back.

    The payment itself stays as it was until then: nothing of this counts as captured.
    """

    payment = models.ForeignKey(settings.PAYMENT_MODEL, on_delete=models.PROTECT, related_name="unexpected")
    reason = models.CharField(_("reason"), max_length=16, choices=UnexpectedReason.choices)
    state = models.CharField(_("state"), max_length=16, choices=UnexpectedState.choices, default=UnexpectedState.OPEN)
    # What was paid on, and what holds the money.
    object_id = models.CharField(_("object"), max_length=255)
    intent_id = models.CharField(_("intent"), max_length=255, db_index=True)
    amount = MoneyField(_("amount"))
    currency = models.CharField(_("currency"), max_length=3)
    is_held = models.BooleanField(_("only authorised"), default=False)
    # What was heard of its refunds: amount and status, by the provider's id.
    refunds = models.JSONField(default=dict, blank=True, editable=False)
    created = models.DateTimeField(_("created"), auto_now_add=True)
    modified = models.DateTimeField(_("modified"), auto_now=True)

    objects = UnexpectedPaymentQuerySet.as_manager()

    class Meta:
        verbose_name = _("unexpected payment")
        verbose_name_plural = _("unexpected payments")
        ordering = ("id",)
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["payment", "intent_id"], name="dsg_unexpected_once"),
            models.CheckConstraint(condition=models.Q(amount__gt=0), name="dsg_unexpected_amount"),
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["state", "created"], name="dsg_unexpected_state"),
        ]

    def __str__(self) -> str:
        return f"{self.intent_id}: {display_amount(self.amount, self.currency)} ({self.state})"

    @property
    def is_open(self) -> bool:
        """Whether nobody has decided about it."""
        return self.state == UnexpectedState.OPEN

    @property
    def is_given_back(self) -> bool:
        """Whether its refunds that were heard of, and have not failed, are all of it."""
        back = [Decimal(refund["amount"]) for refund in self.refunds.values() if refund["status"] not in GONE]
        return bool(sum(back, ZERO) >= self.amount)
