"""Admin of what was given back of invoices, and of disputes: all of it is made elsewhere, and only shown here."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from django_stripe_gateway.admin.base.display import money_column
from django_stripe_gateway.admin.base.readonly import ReadOnlyAdmin, ReadOnlyInline
from django_stripe_gateway.models import CreditNote, Dispute, InvoiceRefund

DISPUTE_FIELDS = tuple("provider_id money status reason is_withdrawn evidence_due opened closed".split())


@admin.register(Dispute)
class DisputeAdmin(ReadOnlyAdmin):
    """Disputes of payments and invoices, newest first."""

    list_display = ("id", "opened", "subject", "provider_id", "money", "status", "reason", "evidence_due")
    list_filter = ("status", "reason", "livemode", "created")
    list_select_related = ("payment", "invoice")
    date_hierarchy = "created"
    search_fields = ("provider_id__exact", "intent_id__exact", "invoice__provider_id__exact", "invoice__number__exact")
    fields = readonly_fields = (
        "subject",
        *DISPUTE_FIELDS,
        *"is_refundable intent_id variant livemode account_id created modified".split(),
    )

    money = money_column("amount", _("amount"))

    @admin.display(description=_("of"))
    def subject(self, dispute: Any) -> str:
        """Return what is disputed."""
        return str(dispute.subject)


@admin.register(CreditNote)
class CreditNoteAdmin(ReadOnlyAdmin):
    """Credit notes, newest first; they are issued on their invoice's page."""

    ordering = ("-id",)
    list_display = ("id", "issued", "invoice", "number", "money", "status", "reason")
    list_filter = ("status", "reason", "created")
    list_select_related = ("invoice",)
    date_hierarchy = "created"
    search_fields = ("provider_id__exact", "number__exact", "invoice__provider_id__exact", "invoice__number__exact")
    fields = readonly_fields = tuple(
        "invoice number provider_id money status reason memo refund_money credit_money elsewhere_money pdf_url issued "
        "created modified".split()
    )

    money = money_column("amount", _("amount"))
    refund_money = money_column("refund_amount", _("refunded"))
    credit_money = money_column("credit_amount", _("to the customer's credit"))
    elsewhere_money = money_column("out_of_band_amount", _("given back elsewhere"))


@admin.register(InvoiceRefund)
class InvoiceRefundAdmin(ReadOnlyAdmin):
    """Refunds of invoices, newest first; they are made on their invoice's page."""

    ordering = ("-id",)
    list_display = ("id", "created", "invoice", "provider_id", "money", "status", "reason")
    list_filter = ("status", "reason", "created")
    list_select_related = ("invoice",)
    date_hierarchy = "created"
    search_fields = ("provider_id__exact", "intent_id__exact", "invoice__provider_id__exact", "invoice__number__exact")
    fields = readonly_fields = tuple(
        "invoice provider_id intent_id money status reason failure_reason created modified".split()
    )

    money = money_column("amount", _("amount"))


class InvoiceRefundInline(ReadOnlyInline):
    """The refunds of an invoice."""

    model = InvoiceRefund
    fields = readonly_fields = ("provider_id", "money", "status", "reason", "failure_reason", "created")
    money = money_column("amount", _("amount"))


class CreditNoteInline(ReadOnlyInline):
    """The credit notes of an invoice."""

    model = CreditNote
    fields = readonly_fields = ("number", "money", "status", "reason", "refund_money", "credit_money", "issued")
    money = money_column("amount", _("amount"))
    refund_money = money_column("refund_amount", _("refunded"))
    credit_money = money_column("credit_amount", _("to the customer's credit"))


class DisputeInline(ReadOnlyInline):
    """The disputes of a payment."""

    model = Dispute
    fields = readonly_fields = DISPUTE_FIELDS
    money = money_column("amount", _("amount"))


class InvoiceDisputeInline(DisputeInline):
    """The disputes of an invoice."""

    # Named, so that Django's check does not look at the other one, of a payment model that a host has misspelt.
    fk_name = "invoice"
