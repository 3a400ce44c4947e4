"""Pay an invoice, refund it, issue a credit note for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from django_stripe_gateway.api.access import check_fields
from django_stripe_gateway.api.idempotency import idempotent
from django_stripe_gateway.api.openapi.operations import operation
from django_stripe_gateway.api.subscriptions import examples
from django_stripe_gateway.api.subscriptions.actions import BillingActionView
from django_stripe_gateway.api.subscriptions.invoice_serializers import (
    InvoiceSerializer,
    IssueCreditNoteSerializer,
    PayInvoiceSerializer,
    RefundInvoiceSerializer,
)
from django_stripe_gateway.models import Invoice
from django_stripe_gateway.services.subscriptions.credit_notes import issue_credit_note
from django_stripe_gateway.services.subscriptions.invoices import look_up_invoice
from django_stripe_gateway.services.subscriptions.pay_invoice import pay_invoice
from django_stripe_gateway.services.subscriptions.refund_invoice import refund_invoice
from django_stripe_gateway.services.transactions import payments_database


class InvoiceActionView(BillingActionView):
    """A view that changes an invoice."""

    path_serializer = InvoiceSerializer

    def get_invoice(self, invoice_id: str) -> Invoice:
        """Return an invoice on which the user may act.

        Raises:
            NotFound: there is none with this id, or it is out of the user's reach.
            PermissionDenied: this is the seller's to do.
        """
        rows = Invoice.objects.using(payments_database()).select_related("customer", "subscription")
        invoice = self.in_reach(rows.filter(provider_id=invoice_id), "customer__owner")
        self.check_object_permissions(self.request, invoice)
        return invoice

    def check_repeat(self, body: dict[str, Any], path: Mapping[str, Any]) -> None:
        """Refuse to give an answer about an invoice again to whoever may not act on it any more."""
        self.get_invoice(str(path["invoice_id"]))
        super().check_repeat(body, path)


class PayInvoiceView(InvoiceActionView):
    """Pay one of the owner's invoices."""

    action = "pay_invoice"

    @operation(
        "invoices_pay",
        request=PayInvoiceSerializer,
        answer=InvoiceSerializer,
        errors=(402,),
        examples=examples.PAY_INVOICE,
    )
    @idempotent
    def post(self, request: Request, invoice_id: str, *, idempotency_key: str | None) -> Response:
        """Pay an invoice now that is open, or that was written off (`uncollectible`).

        With `payment_method`, or with what its subscription is charged on. `requires_action` says that the customer has
        to authenticate, with the `client_secret` and Stripe.js. An answer that is not `paid` without that waits
        for a slow payment method.
        """
        invoice = self.get_invoice(invoice_id)
        values = self.validated(PayInvoiceSerializer, request.data)
        paid = pay_invoice(invoice=invoice, idempotency_key=idempotency_key, origin=self.origin, **values)
        return self.answer(InvoiceSerializer, paid)

    def withheld(self, body: dict[str, Any]) -> dict[str, Any]:
        """Ask the provider again for the client secret of an answer given earlier."""
        invoice = self.get_invoice(str(body["invoice_id"]))
        return {"client_secret": look_up_invoice(invoice.pk, self.origin).client_secret}


class RefundInvoiceView(InvoiceActionView):
    """Give back what an invoice was paid with."""

    action = "refund_invoice"

    @operation(
        "invoices_refund", request=RefundInvoiceSerializer, answer=InvoiceSerializer, examples=examples.REFUND_INVOICE
    )
    @idempotent
    def post(self, request: Request, invoice_id: str, *, idempotency_key: str | None) -> Response:
        """Refund a paid invoice, wholly or in part.

        Can be repeated until nothing is left. A refund may stay `pending` for days. The subscription goes on.
        """
        invoice = self.get_invoice(invoice_id)
        values = self.validated(RefundInvoiceSerializer, request.data)
        refund = refund_invoice(invoice=invoice, idempotency_key=idempotency_key, origin=self.origin, **values)
        return self.answer(InvoiceSerializer, refund.invoice)


class CreditNoteView(InvoiceActionView):
    """Take something off an invoice."""

    action = "issue_credit_note"

    @operation(
        "invoices_credit_note",
        request=IssueCreditNoteSerializer,
        answer=InvoiceSerializer,
        examples=examples.ISSUE_CREDIT_NOTE,
    )
    @idempotent
    def post(self, request: Request, invoice_id: str, *, idempotency_key: str | None) -> Response:
        """Issue a credit note.

        Less is due of an invoice that is open. Of a paid one, `refund_amount`, `credit_amount` and `out_of_band_amount`
        say how `amount` is given back, and add up to it. `refund_amount` is for whoever may refund invoices.
        """
        invoice = self.get_invoice(invoice_id)
        check_fields(request)
        values = self.validated(IssueCreditNoteSerializer, request.data)
        note = issue_credit_note(invoice=invoice, idempotency_key=idempotency_key, origin=self.origin, **values)
        return self.answer(InvoiceSerializer, note.invoice)
