"""Invoices, as their provider sees them."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from django_stripe_gateway.choices import SELLERS_OWN, InvoiceStatus
from django_stripe_gateway.models.customers import Customer
from django_stripe_gateway.models.fields import ZERO, MoneyField
from django_stripe_gateway.models.provider_accounts import AccountQuerySet, OfAccount
from django_stripe_gateway.models.subscriptions import Subscription
from django_stripe_gateway.money import display_amount


class InvoiceQuerySet(AccountQuerySet["Invoice"]):
    """Questions about invoices."""

    def for_owner(self, owner: Any) -> InvoiceQuerySet:
        """Return the invoices of one owner, in all variants."""
        return self.filter(customer__owner=owner)

    def paid(self) -> InvoiceQuerySet:
        """Return the invoices that are paid."""
        return self.filter(status=InvoiceStatus.PAID)

    def open(self) -> InvoiceQuerySet:
        """Return the invoices that wait for their payment."""
        return self.filter(status=InvoiceStatus.OPEN)

    def owed(self) -> InvoiceQuerySet:
        """Return those of them that a subscription has made: a seller's own give nothing that it gives."""
        return self.open().exclude(billing_reason=SELLERS_OWN)

    def shown(self) -> InvoiceQuerySet:
        """Return the invoices that a customer is shown: all but drafts."""
        return self.exclude(status=InvoiceStatus.DRAFT)


class Invoice(OfAccount):
    """One invoice of a customer; amounts are in its currency's units, and a credit makes them negative."""

    customer = models.ForeignKey(
        Customer, on_delete=models.PROTECT, related_name="invoices", verbose_name=_("customer")
    )
    subscription = models.ForeignKey(
        Subscription,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="invoices",
        verbose_name=_("subscription"),
    )
    variant = models.CharField(_("variant"), max_length=64)
    provider_id = models.CharField(_("invoice"), max_length=255)
    number = models.CharField(_("number"), max_length=64, blank=True, default="")
    status = models.CharField(_("status"), max_length=16, choices=InvoiceStatus.choices)
    billing_reason = models.CharField(_("reason"), max_length=64, blank=True, default="")
    currency = models.CharField(_("currency"), max_length=3)
    subtotal = MoneyField(_("subtotal"), default=ZERO)
    tax = MoneyField(_("tax"), default=ZERO)
    total = MoneyField(_("total"), default=ZERO)
    amount_due = MoneyField(_("due"), default=ZERO)
    amount_paid = MoneyField(_("paid"), default=ZERO)
    amount_remaining = MoneyField(_("remaining"), default=ZERO)
    # What its refunds and its credit notes add up to; ``amount_paid`` stays what was paid.
    refunded_amount = MoneyField(_("refunded"), default=ZERO)
    credited_amount = MoneyField(_("credited"), default=ZERO)
    hosted_url = models.URLField(_("page"), max_length=1000, blank=True, default="")
    pdf_url = models.URLField(_("PDF"), max_length=1000, blank=True, default="")
    intent_id = models.CharField(_("intent"), max_length=255, blank=True, default="")
    attempt_count = models.PositiveIntegerField(_("attempts"), default=0)
    requires_action = models.BooleanField(_("customer must act"), default=False)
    period_start = models.DateTimeField(_("period starts"), null=True, blank=True)
    period_end = models.DateTimeField(_("period ends"), null=True, blank=True)
    issued = models.DateTimeField(_("issued"), null=True, blank=True)
    due = models.DateTimeField(_("due on"), null=True, blank=True)
    paid_at = models.DateTimeField(_("paid on"), null=True, blank=True)
    next_payment_attempt = models.DateTimeField(_("next attempt"), null=True, blank=True)
    # See Subscription.provider_time.
    provider_time = models.DateTimeField(null=True, blank=True, editable=False)
    fetched_at = models.DateTimeField(null=True, blank=True, editable=False)
    created = models.DateTimeField(_("created"), auto_now_add=True)
    modified = models.DateTimeField(_("modified"), auto_now=True)

    objects = InvoiceQuerySet.as_manager()

    # Secret for the customer's browser; handed on after a call, never stored.
    client_secret: str = ""
    # Whether a slow payment of it is under way, known after a look.
    is_under_way: bool = False

    class Meta:
        verbose_name = _("invoice")
        verbose_name_plural = _("invoices")
        ordering = ("-id",)
        permissions: ClassVar[list[tuple[str, Any]]] = [
            ("create_invoice", _("Can make invoices on demand")),
            ("refund_invoice", _("Can refund invoices")),
            ("issue_credit_note", _("Can issue and void credit notes")),
        ]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["provider_id", "variant"], name="dsg_invoice_provider_once"),
            # What is owed may be less than nothing, by a credit; what was paid never is.
            models.CheckConstraint(condition=models.Q(amount_paid__gte=0), name="dsg_invoice_amount_paid"),
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["customer", "-id"], name="dsg_invoice_customer"),
            models.Index(fields=["status", "issued"], name="dsg_invoice_status_issued"),
            # Refunds and disputes name the intent only.
            models.Index(fields=["intent_id"], name="dsg_invoice_intent"),
        ]

    def __str__(self) -> str:
        return f"{self.number or self.provider_id}: {display_amount(self.total, self.currency)} ({self.status})"

    @property
    def is_paid(self) -> bool:
        """Whether it is paid."""
        return self.status == InvoiceStatus.PAID

    @property
    def is_open(self) -> bool:
        """Whether it waits for its payment."""
        return self.status == InvoiceStatus.OPEN

    @property
    def is_payable(self) -> bool:
        """Whether it can be paid: what was written off can be, too, by who wants to."""
        return self.status in (InvoiceStatus.OPEN, InvoiceStatus.UNCOLLECTIBLE)

    @property
    def issued_credit_notes(self) -> list[Any]:
        """Its credit notes as its customer sees them: without those that were asked for and not issued."""
        return [note for note in self.credit_notes.all() if note.status in ("issued", "void")]

    @property
    def is_refunded(self) -> bool:
        """Whether all that was paid of it was refunded."""
        return bool(ZERO < self.amount_paid <= self.refunded_amount)
