"""What staff can do to an invoice; each action goes through the service that the API uses."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy

from django_stripe_gateway.admin.actions.table import Action, ActionRequest
from django_stripe_gateway.admin.base.display import display_money
from django_stripe_gateway.conf.permissions import PERMISSIONS
from django_stripe_gateway.services.subscriptions.pay_invoice import pay_invoice


def _pay(invoice: Any, asked: ActionRequest) -> str:
    # The customer is not there: what they would have to authenticate is declined.
    paid = pay_invoice(invoice=invoice, off_session=True, idempotency_key=asked.key, origin=asked.origin)
    return f"{paid.get_status_display()}."


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
)
