"""What staff can bill a customer for besides their subscriptions."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from django_stripe_gateway.admin.actions.forms import ConfirmationForm
from django_stripe_gateway.admin.actions.table import Action, ActionRequest
from django_stripe_gateway.admin.base.display import display_money
from django_stripe_gateway.conf.permissions import CREATE_INVOICE
from django_stripe_gateway.gateways.invoicing import InvoiceItem
from django_stripe_gateway.money import DECIMAL_PLACES, MAX_DIGITS
from django_stripe_gateway.services.subscriptions.invoicing import (
    AUTOMATICALLY,
    MAX_QUANTITY,
    SENT,
    add_invoice_item,
    create_invoice,
)

# As many as fit on a page; code makes longer ones.
LINES = range(1, 6)
COLLECTIONS = [
    (AUTOMATICALLY, gettext_lazy("Charge what this customer is charged on")),
    (SENT, gettext_lazy("Send it, to be paid by a day")),
]
LINE_FIELDS = ("description", "amount", "quantity")


def _line(number: int, *, is_required: bool) -> dict[str, forms.Field]:
    """Return the fields of one line of an invoice."""
    further = "" if is_required else f" {number}"
    limits: dict[str, Any] = {"max_digits": MAX_DIGITS, "decimal_places": DECIMAL_PLACES}
    amount = forms.DecimalField(required=is_required, min_value=0, help_text=gettext_lazy("Of one piece."), **limits)
    fields = {
        "description": forms.CharField(required=is_required, max_length=500),
        "amount": amount,
        "quantity": forms.IntegerField(required=is_required, initial=1, min_value=1, max_value=MAX_QUANTITY),
    }
    labels = {"description": _("what for"), "amount": _("amount"), "quantity": _("quantity")}
    for name, field in fields.items():
        field.label = capfirst(f"{labels[name]}{further}")
    return fields


class ItemForm(ConfirmationForm):
    """Asks for one line, and in which currency."""

    currency = forms.CharField(
        label=gettext_lazy("currency"), min_length=3, max_length=3, help_text=gettext_lazy("ISO code, such as EUR.")
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.add_lines()
        last = self.subject.invoices.order_by("-pk").values_list("currency", flat=True).first()
        self.fields["currency"].initial = last or ""

    def add_lines(self) -> None:
        """Add the fields of the one line."""
        self.fields = _line(1, is_required=True) | self.fields


class InvoiceForm(ItemForm):
    """Asks what an invoice is for, and how it is to be paid."""

    collection = forms.ChoiceField(label=gettext_lazy("collection"), choices=COLLECTIONS, initial=AUTOMATICALLY)
    days_until_due = forms.IntegerField(
        label=gettext_lazy("days until it is due"),
        required=False,
        min_value=0,
        help_text=gettext_lazy("Of one that is sent."),
    )
    memo = forms.CharField(
        label=gettext_lazy("memo"),
        required=False,
        max_length=1500,
        help_text=gettext_lazy("What the customer reads above the lines."),
        widget=forms.Textarea(attrs={"rows": 2}),
    )
    include_pending = forms.BooleanField(label=gettext_lazy("with what waits for the next invoice"), required=False)

    def add_lines(self) -> None:
        """Add the fields of all lines."""
        lines = {number: _line(number, is_required=False).items() for number in LINES}
        self.fields = {f"{name}_{number}": field for number in LINES for name, field in lines[number]} | self.fields

    def clean(self) -> dict[str, Any]:
        """Read the lines that were filled in."""
        values = dict(super().clean() or {})
        items = []
        for number in LINES:
            description, amount, quantity = (values.pop(f"{name}_{number}", None) for name in LINE_FIELDS)
            if description and amount is not None:
                items.append(InvoiceItem(description, amount, quantity or 1))
            elif description or amount is not None:
                self.add_error(f"description_{number}", _("A line needs a text and an amount."))
        return values | {"items": items}


def _invoice(customer: Any, asked: ActionRequest) -> str:
    values = dict(asked.values)
    values["description"] = values.pop("memo")
    invoice = create_invoice(
        owner=customer.owner, variant=customer.variant, idempotency_key=asked.key, origin=asked.origin, **values
    )
    facts = {
        "number": invoice.number or invoice.provider_id,
        "amount": display_money(invoice.total, invoice.currency),
        "status": invoice.get_status_display(),
    }
    return _("Invoice %(number)s of %(amount)s: %(status)s.") % facts


def _item(customer: Any, asked: ActionRequest) -> str:
    item = add_invoice_item(
        owner=customer.owner, variant=customer.variant, idempotency_key=asked.key, origin=asked.origin, **asked.values
    )
    return _("%(item)s waits for the next invoice.") % {"item": item.item_id}


def _is_billed(customer: Any) -> bool:
    return customer.owner is not None and customer.deleted is None


CUSTOMER_ACTIONS = (
    Action(
        name="invoice",
        permission=CREATE_INVOICE,
        label=gettext_lazy("Make an invoice"),
        label_all="",
        run=_invoice,
        is_possible=_is_billed,
        question=gettext_lazy("Bill this customer now?"),
        form=InvoiceForm,
    ),
    Action(
        name="item",
        permission=CREATE_INVOICE,
        label=gettext_lazy("Add to the next invoice"),
        label_all="",
        run=_item,
        is_possible=_is_billed,
        question=gettext_lazy("Put this on the customer's next invoice, whatever that is for?"),
        form=ItemForm,
    ),
)
