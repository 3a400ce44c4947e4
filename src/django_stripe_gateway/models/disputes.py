"""Disputes: what a customer's bank has asked back, of a payment or of an invoice."""

from __future__ import annotations

from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from django_stripe_gateway.choices import DISPUTES_LOST, DISPUTES_WON, INQUIRY
from django_stripe_gateway.models.connected_accounts import of_sellers
from django_stripe_gateway.models.fields import MoneyField
from django_stripe_gateway.models.invoices import Invoice
from django_stripe_gateway.models.provider_accounts import AccountQuerySet, OfAccount, of_current_accounts
from django_stripe_gateway.money import display_amount


class DisputeQuerySet(AccountQuerySet["Dispute"]):
    """Each filter stands for the predicate of the same name on the model."""

    def of_configured_account(self) -> DisputeQuerySet:
        """See ``AccountQuerySet``; of sellers who are connected, too."""
        return self.filter(of_current_accounts() | of_sellers())

    def open(self) -> DisputeQuerySet:
        """Return the disputes that nobody has decided yet."""
        return self.exclude(status__in=(*DISPUTES_WON, *DISPUTES_LOST))

    def lost(self) -> DisputeQuerySet:
        """Return the disputes that the customer has won."""
        return self.filter(status__in=DISPUTES_LOST)

    def withholding(self) -> DisputeQuerySet:
        """Return the disputes for which the bank has the money: open ones and lost ones, but no inquiries."""
        return self.exclude(Q(status__in=DISPUTES_WON) | Q(status__startswith=INQUIRY))


class Dispute(OfAccount):
    """One dispute of a payment, or of an invoice's payment, as the provider sees it.

    What was lost can be won later, and the other way round: the newest that the provider has said counts.
    """

    payment = models.ForeignKey(
        settings.PAYMENT_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="disputes"
    )
    invoice = models.ForeignKey(Invoice, null=True, blank=True, on_delete=models.PROTECT, related_name="disputes")
    variant = models.CharField(_("variant"), max_length=64)
    provider_id = models.CharField(_("dispute"), max_length=255)
    # The provider's word: needs_response, under_review, won, lost, warning_needs_response and its kin, and new ones.
    status = models.CharField(_("status"), max_length=32)
    reason = models.CharField(_("reason"), max_length=64, blank=True, default="")
    amount = MoneyField(_("amount"))
    currency = models.CharField(_("currency"), max_length=3)
    intent_id = models.CharField(_("intent"), max_length=255, blank=True, default="")
    # Whether a refund is still possible, and whether the money has left the seller's balance.
    is_refundable = models.BooleanField(_("can be refunded"), default=False)
    is_withdrawn = models.BooleanField(_("money withdrawn"), default=False)
    evidence_due = models.DateTimeField(_("evidence due"), null=True, blank=True)
    opened = models.DateTimeField(_("opened"), null=True, blank=True)
    # The provider's time of the event that has closed it; empty again if it is open again.
    closed = models.DateTimeField(_("closed"), null=True, blank=True)
    # See Subscription.provider_time.
    provider_time = models.DateTimeField(null=True, blank=True, editable=False)
    fetched_at = models.DateTimeField(null=True, blank=True, editable=False)
    created = models.DateTimeField(_("created"), auto_now_add=True)
    modified = models.DateTimeField(_("modified"), auto_now=True)

    objects = DisputeQuerySet.as_manager()

    class Meta:
        verbose_name = _("dispute")
        verbose_name_plural = _("disputes")
        ordering = ("-id",)
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["provider_id", "variant"], name="dsg_dispute_provider_once"),
            models.CheckConstraint(
                condition=Q(payment__isnull=False, invoice__isnull=True)
                | Q(payment__isnull=True, invoice__isnull=False),
                name="dsg_dispute_of_one",
            ),
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["status", "evidence_due"], name="dsg_dispute_status_due"),
        ]

    def __str__(self) -> str:
        return f"{self.provider_id}: {display_amount(self.amount, self.currency)} ({self.status})"

    @property
    def subject(self) -> Any:
        """The payment or the invoice that it is about."""
        return self.invoice if self.invoice_id is not None else self.payment

    @property
    def is_open(self) -> bool:
        """Whether nobody has decided it yet."""
        return not (self.is_won or self.is_lost)

    @property
    def is_won(self) -> bool:
        """Whether the seller keeps the money: it was won, or came to nothing."""
        return self.status in DISPUTES_WON

    @property
    def is_lost(self) -> bool:
        """Whether the customer has won it."""
        return self.status in DISPUTES_LOST

    @property
    def is_withholding(self) -> bool:
        """Whether the bank has the money: it is open or lost, and no inquiry, which takes none."""
        return not (self.is_won or self.status.startswith(INQUIRY))
