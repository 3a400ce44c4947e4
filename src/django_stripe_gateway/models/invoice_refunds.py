"""What was given back of invoices: refunds of what has paid them, and credit notes."""

from __future__ import annotations

from decimal import Decimal

from django.db import models
from django.utils.translation import gettext_lazy as _

from django_stripe_gateway.choices import CreditNoteReason, CreditNoteStatus, RefundReason, RefundStatus
from django_stripe_gateway.models.fields import ZERO, MoneyField
from django_stripe_gateway.models.invoices import Invoice
from django_stripe_gateway.models.operations import BillingOperation
from django_stripe_gateway.money import display_amount

#: Refunds that count: their money has left, or is about to.
LIVE_REFUNDS = (RefundStatus.PENDING, RefundStatus.REQUIRES_ACTION, RefundStatus.SUCCEEDED)


class InvoiceRefundQuerySet(models.QuerySet["InvoiceRefund"]):
    """Questions about refunds of invoices."""

    def succeeded(self) -> InvoiceRefundQuerySet:
        """Return the refunds whose money has left."""
        return self.filter(status=RefundStatus.SUCCEEDED)

    def under_way(self) -> InvoiceRefundQuerySet:
        """Return the refunds that are neither done nor failed."""
        return self.filter(status__in=(RefundStatus.PENDING, RefundStatus.REQUIRES_ACTION))

    def live(self) -> InvoiceRefundQuerySet:
        """Return the refunds that have not failed."""
        return self.filter(status__in=LIVE_REFUNDS)


class InvoiceRefund(models.Model):
    """One refund of what has paid an invoice, made here, by a credit note or at the provider.

    The row is committed before the provider is asked. ``provider_id`` (``re_…``) is empty until it has answered.
    """

    invoice = models.ForeignKey(Invoice, on_delete=models.PROTECT, related_name="refunds")
    operation = models.OneToOneField(
        BillingOperation, null=True, blank=True, on_delete=models.PROTECT, related_name="refund", editable=False
    )
    provider_id = models.CharField(_("refund"), max_length=255, unique=True, null=True, blank=True)
    intent_id = models.CharField(_("intent"), max_length=255, blank=True, default="")
    amount = MoneyField(_("amount"))
    currency = models.CharField(_("currency"), max_length=3)
    status = models.CharField(_("status"), max_length=16, choices=RefundStatus.choices, default=RefundStatus.PENDING)
    reason = models.CharField(_("reason"), max_length=32, choices=RefundReason.choices, blank=True, default="")
    failure_reason = models.CharField(_("failure reason"), max_length=64, blank=True, default="")
    created = models.DateTimeField(_("created"), auto_now_add=True)
    modified = models.DateTimeField(_("modified"), auto_now=True)

    objects = InvoiceRefundQuerySet.as_manager()

    class Meta:
        verbose_name = _("refund of an invoice")
        verbose_name_plural = _("refunds of invoices")
        ordering = ("id",)

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


class CreditNote(models.Model):
    """One credit note of an invoice: less is due of one that is open; of a paid one something is given back.

    The row is committed before the provider is asked; ``provider_id`` (``cn_…``) is empty until it has answered.
    """

    invoice = models.ForeignKey(Invoice, on_delete=models.PROTECT, related_name="credit_notes")
    operation = models.OneToOneField(
        BillingOperation, null=True, blank=True, on_delete=models.PROTECT, related_name="credit_note", editable=False
    )
    provider_id = models.CharField(_("credit note"), max_length=255, unique=True, null=True, blank=True)
    number = models.CharField(_("number"), max_length=64, blank=True, default="")
    status = models.CharField(
        _("status"), max_length=16, choices=CreditNoteStatus.choices, default=CreditNoteStatus.PENDING
    )
    reason = models.CharField(_("reason"), max_length=32, choices=CreditNoteReason.choices, blank=True, default="")
    memo = models.TextField(_("memo"), blank=True, default="")
    amount = MoneyField(_("amount"))
    currency = models.CharField(_("currency"), max_length=3)
    # Of a note that was issued once the invoice was paid: what is given back, and how.
    is_post_payment = models.BooleanField(_("after the payment"), default=False)
    refund_amount = MoneyField(_("refunded"), default=ZERO)
    credit_amount = MoneyField(_("to the customer's credit"), default=ZERO)
    out_of_band_amount = MoneyField(_("given back elsewhere"), default=ZERO)
    # The refunds that are part of it, by the provider's ids.
    refund_ids = models.JSONField(default=list, blank=True, editable=False)
    pdf_url = models.URLField(_("PDF"), max_length=1000, blank=True, default="")
    issued = models.DateTimeField(_("issued"), null=True, blank=True)
    created = models.DateTimeField(_("created"), auto_now_add=True)
    modified = models.DateTimeField(_("modified"), auto_now=True)

    class Meta:
        verbose_name = _("credit note")
        verbose_name_plural = _("credit notes")
        ordering = ("id",)

    def __str__(self) -> str:
        return f"{self.number or self.provider_id or 'credit note'}: {display_amount(self.amount, self.currency)}"

    @property
    def is_issued(self) -> bool:
        """Whether it holds."""
        return self.status == CreditNoteStatus.ISSUED

    @property
    def amount_beside_refunds(self) -> Decimal:
        """What it gives back of a paid invoice otherwise than by refunds: as a credit, or elsewhere."""
        beside: Decimal = self.credit_amount + self.out_of_band_amount
        return beside
