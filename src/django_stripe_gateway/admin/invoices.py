"""Admin of invoices, which only the provider makes."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from django_stripe_gateway.admin.actions import ActionsMixin
from django_stripe_gateway.admin.actions.invoices import INVOICE_ACTIONS
from django_stripe_gateway.admin.base.display import display_money, money_column
from django_stripe_gateway.admin.base.readonly import ReadOnlyAdmin, ReadOnlyInline, may_change
from django_stripe_gateway.admin.base.search import IdSearchMixin
from django_stripe_gateway.admin.given_back import CreditNoteInline, InvoiceDisputeInline, InvoiceRefundInline
from django_stripe_gateway.models import Invoice


@admin.register(Invoice)
class InvoiceAdmin(ActionsMixin, IdSearchMixin, ReadOnlyAdmin):
    """Invoices, newest first.

    ``has_pay_permission``, ``has_refund_permission`` and ``has_credit_permission`` decide who may have one paid, and
    give its money back; by default whoever has the permission with which staff do the same in the API.
    """

    action_table = INVOICE_ACTIONS
    list_display = tuple(
        "id issued number status total_money paid_money remaining_money customer subscription requires_action".split()
    )
    inlines = (InvoiceRefundInline, CreditNoteInline, InvoiceDisputeInline)
    list_filter = ("status", "billing_reason", "requires_action", "livemode", "created")
    list_select_related = ("customer", "subscription")
    date_hierarchy = "created"
    search_fields = ("pk__exact", "number__exact")
    search_help_text = _("Id, number, or provider's id (in_…, pi_…, sub_…, cus_…)")
    id_fields = {
        "in_": ("provider_id",),
        "pi_": ("intent_id",),
        "sub_": ("subscription__provider_id",),
        "cus_": ("customer__provider_id",),
    }
    fields = readonly_fields = tuple(
        "customer subscription number status billing_reason subtotal_money tax_money total_money due_money "
        "paid_money remaining_money refunded_money credited_money attempt_count next_payment_attempt "
        "requires_action period_start period_end "
        "issued due paid_at hosted_url pdf_url variant provider_id intent_id livemode account_id created "
        "modified".split()
    )

    subtotal_money = money_column("subtotal", _("subtotal"))
    tax_money = money_column("tax", _("tax"))
    total_money = money_column("total", _("total"))
    due_money = money_column("amount_due", _("due"))
    paid_money = money_column("amount_paid", _("paid"))
    remaining_money = money_column("amount_remaining", _("remaining"))
    refunded_money = money_column("refunded_amount", _("refunded"))
    credited_money = money_column("credited_amount", _("credited"))

    def may_act(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return whether the user may do what a host's own action does: who has the permission to change invoices."""
        return may_change(request, Invoice)

    def facts(self, subject: Any) -> list[tuple[Any, Any]]:
        """Return what is open of the invoice, and what was paid and given back."""
        sums = (
            (_("remaining"), subject.amount_remaining),
            (_("paid"), subject.amount_paid),
            (_("refunded"), subject.refunded_amount),
            (_("credited"), subject.credited_amount),
        )
        return [*super().facts(subject), *((name, display_money(sum_, subject.currency)) for name, sum_ in sums)]

    def row_label(self, subject: Any) -> str:
        """Return the invoice's number."""
        return str(subject.number or subject.provider_id)


class InvoiceInline(ReadOnlyInline):
    """The invoices of a subscription."""

    model = Invoice
    fields = readonly_fields = ("number", "status", "total_money", "paid_money", "issued", "requires_action")
    total_money = money_column("total", _("total"))
    paid_money = money_column("amount_paid", _("paid"))
