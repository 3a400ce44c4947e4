"""What staff can do to an invoice; each action goes through the service that the API uses."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from django_stripe_gateway.admin.actions.forms import AmountForm
from django_stripe_gateway.admin.actions.table import Action, ActionRequest
from django_stripe_gateway.admin.base.display import display_money
from django_stripe_gateway.choices import CreditNoteReason, RefundReason
from django_stripe_gateway.conf.permissions import PERMISSIONS
from django_stripe_gateway.exceptions import InvalidInput, WrongState
from django_stripe_gateway.services.subscriptions.credit_notes import MAX_MEMO, issue_credit_note
from django_stripe_gateway.services.subscriptions.given_back import creditable_amount, refundable_amount
from django_stripe_gateway.services.subscriptions.pay_invoice import pay_invoice
from django_stripe_gateway.services.subscriptions.refund_invoice import refund_invoice

WAY_CHOICES = [
    ("refund_amount", gettext_lazy("To what has paid")),
    ("credit_amount", gettext_lazy("To the customer's credit")),
    ("out_of_band_amount", gettext_lazy("It was given back elsewhere")),
]


def _pay(invoice: Any, asked: ActionRequest) -> str:
    # The customer is not there: what they would have to authenticate is declined.
    paid = pay_invoice(invoice=invoice, off_session=True, idempotency_key=asked.key, origin=asked.origin)
    return f"{paid.get_status_display()}."


class RefundInvoiceForm(AmountForm):
    """Asks how much to give back, and why."""

    reason = forms.ChoiceField(
        label=gettext_lazy("reason"), required=False, choices=[("", "---------"), *RefundReason.choices]
    )

    def largest(self) -> Decimal:
        """Return what is left of what was paid."""
        return refundable_amount(self.subject)


class CreditNoteForm(AmountForm):
    """Asks what a credit note takes off and, of a paid invoice, how that is given back."""

    way = forms.ChoiceField(label=gettext_lazy("given back"), required=False)
    reason = forms.ChoiceField(
        label=gettext_lazy("reason"), required=False, choices=[("", "---------"), *CreditNoteReason.choices]
    )
    memo = forms.CharField(
        label=gettext_lazy("memo"), required=False, max_length=MAX_MEMO, widget=forms.Textarea(attrs={"rows": 2})
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        way = self.fields["way"]
        assert isinstance(way, forms.ChoiceField)  # noqa: S101 (for the type checker)
        way.choices = WAY_CHOICES if self.subject.is_paid else [("", gettext_lazy("Nothing was paid: less is due"))]
        way.required = self.subject.is_paid

    def largest(self) -> Decimal:
        """Return what is left that can be taken off."""
        return creditable_amount(self.subject)


def _refund(invoice: Any, asked: ActionRequest) -> str:
    refund = refund_invoice(invoice=invoice, idempotency_key=asked.key, origin=asked.origin, **asked.values)
    amount = display_money(refund.amount, refund.currency)
    if asked.values and refund.amount != asked.values["amount"]:
        raise WrongState(
            _("This form has already made a refund of %(amount)s; nothing more was refunded. Open it again.")
            % {"amount": amount},
            code="form_used",
        )
    return _("Refund of %(amount)s: %(status)s.") % {"amount": amount, "status": refund.get_status_display()}


def _credit(invoice: Any, asked: ActionRequest) -> str:
    values = dict(asked.values)
    way = values.pop("way", "")
    if not values:
        # Of a selection, all that is left: back to what has paid.
        values["amount"], way = creditable_amount(invoice), "refund_amount" if invoice.is_paid else ""
    if way == "refund_amount" and not asked.may("refund", invoice):
        raise InvalidInput(_("Only who may refund invoices gives money back."), code="not_allowed", field="way")
    given_back = {way: values["amount"]} if way else {}
    note = issue_credit_note(invoice=invoice, idempotency_key=asked.key, origin=asked.origin, **values, **given_back)
    amount = display_money(note.amount, note.currency)
    if note.amount != values["amount"]:
        raise WrongState(
            _("This form has already issued a credit note of %(amount)s; nothing more was issued. Open it again.")
            % {"amount": amount},
            code="form_used",
        )
    return _("Credit note %(number)s of %(amount)s.") % {"number": note.number, "amount": amount}


def _left(invoice: Any) -> str:
    return display_money(invoice.amount_paid - invoice.refunded_amount, invoice.currency)


INVOICE_ACTIONS = (
    Action(
        name="pay",
        permission=PERMISSIONS["pay_invoice"],
        label=gettext_lazy("Pay now"),
        label_all=gettext_lazy("Pay selected %(verbose_name_plural)s now"),
        run=_pay,
        is_possible=lambda invoice: bool(invoice.is_open),
        question=gettext_lazy("Charge what this customer is charged on now?"),
        question_all=gettext_lazy("Charge what these customers are charged on now?"),
        at_stake=lambda invoice: display_money(invoice.amount_remaining, invoice.currency),
    ),
    Action(
        name="refund",
        permission=PERMISSIONS["refund_invoice"],
        label=gettext_lazy("Refund"),
        label_all=gettext_lazy("Refund the rest of selected %(verbose_name_plural)s"),
        run=_refund,
        is_possible=lambda invoice: bool(invoice.is_paid and invoice.amount_paid > invoice.refunded_amount),
        question=gettext_lazy("Give this money back? The subscription goes on, and a refund cannot be taken back."),
        question_all=gettext_lazy("Give back all that is left of these invoices? Their subscriptions go on."),
        at_stake=_left,
        form=RefundInvoiceForm,
    ),
    Action(
        name="credit",
        permission=PERMISSIONS["issue_credit_note"],
        label=gettext_lazy("Issue a credit note"),
        label_all=gettext_lazy("Issue credit notes for all of selected %(verbose_name_plural)s"),
        run=_credit,
        is_possible=lambda invoice: bool(invoice.is_paid or invoice.is_payable),
        question=gettext_lazy("Take this off the invoice? Of a paid one it is given back."),
        question_all=gettext_lazy("Take off all that is left of these invoices, and refund what was paid?"),
        at_stake=_left,
        form=CreditNoteForm,
    ),
)
