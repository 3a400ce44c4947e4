"""What goes into the API about invoices and what comes out of it."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from django_stripe_gateway.api.fields import OBJECT_ID, AmountField, FormattedAmountField
from django_stripe_gateway.choices import CreditNoteReason, CreditNoteStatus, InvoiceStatus
from django_stripe_gateway.models import CreditNote, Dispute, Invoice, InvoiceRefund
from django_stripe_gateway.services.subscriptions.credit_notes import MAX_MEMO


class InvoiceRefundSerializer(serializers.Serializer[InvoiceRefund]):
    """A refund of an invoice as the invoice's owner sees it."""

    refund_id = serializers.CharField(source="provider_id", allow_null=True)
    amount = FormattedAmountField()
    status = serializers.CharField(help_text="As of the refund of a payment.")
    created = serializers.DateTimeField()


class CreditNoteSerializer(serializers.Serializer[CreditNote]):
    """A credit note as the invoice's owner sees it."""

    credit_note_id = serializers.CharField(source="provider_id")
    number = serializers.CharField(allow_blank=True)
    amount = FormattedAmountField()
    status = serializers.ChoiceField(choices=[CreditNoteStatus.ISSUED, CreditNoteStatus.VOID])
    pdf_url = serializers.CharField(allow_blank=True)
    issued = serializers.DateTimeField(allow_null=True)


class DisputeSerializer(serializers.Serializer[Dispute]):
    """A dispute of an invoice as the invoice's owner sees it: they have begun it at their bank."""

    amount = FormattedAmountField()
    status = serializers.CharField(help_text="Stripe's word.")
    opened = serializers.DateTimeField(allow_null=True)


class InvoiceSerializer(serializers.Serializer[Invoice]):
    """An invoice as its owner sees it."""

    invoice_id = serializers.CharField(source="provider_id")
    number = serializers.CharField(allow_blank=True)
    status = serializers.ChoiceField(choices=InvoiceStatus.choices)
    subscription_id = serializers.CharField(source="subscription.provider_id", allow_null=True, default=None)
    currency = serializers.CharField()
    subtotal = FormattedAmountField()
    tax = FormattedAmountField()
    total = FormattedAmountField()
    amount_due = FormattedAmountField()
    amount_paid = FormattedAmountField()
    amount_remaining = FormattedAmountField()
    refunded_amount = FormattedAmountField(help_text="What its refunds have given back.")
    credited_amount = FormattedAmountField(help_text="What its credit notes have taken off, refunded or not.")
    refunds = InvoiceRefundSerializer(many=True, source="refunds.all")
    credit_notes = CreditNoteSerializer(many=True, source="issued_credit_notes")
    disputes = DisputeSerializer(many=True, source="disputes.all")
    hosted_url = serializers.CharField(allow_blank=True, help_text="Page on which it can be paid.")
    pdf_url = serializers.CharField(allow_blank=True)
    requires_action = serializers.BooleanField()
    period_start = serializers.DateTimeField(allow_null=True)
    period_end = serializers.DateTimeField(allow_null=True)
    issued = serializers.DateTimeField(allow_null=True)
    due = serializers.DateTimeField(allow_null=True)
    paid_at = serializers.DateTimeField(allow_null=True)
    client_secret = serializers.CharField(
        required=False, help_text="For Stripe.js, when the customer must authenticate. Do not store or log it."
    )

    def to_representation(self, instance: Invoice) -> dict[str, Any]:
        """Return the invoice, without a secret where there is none."""
        data: dict[str, Any] = super().to_representation(instance)
        if not data.get("client_secret"):
            data.pop("client_secret", None)
        return data


class RefundInvoiceSerializer(serializers.Serializer[Any]):
    """How much of an invoice is given back, and why."""

    amount = AmountField(required=False, help_text="In the invoice's currency; all that is left when left out.")
    reason = serializers.CharField(required=False, help_text="As of the refund of a payment.")


class IssueCreditNoteSerializer(serializers.Serializer[Any]):
    """What a credit note takes off an invoice and, of a paid one, how that is given back."""

    amount = AmountField(help_text="In the invoice's currency, with its taxes.")
    refund_amount = AmountField(required=False, help_text="Of a paid invoice: back to what has paid it.")
    credit_amount = AmountField(required=False, help_text="Of a paid invoice: to the customer's credit.")
    out_of_band_amount = AmountField(required=False, help_text="Of a paid invoice: given back elsewhere.")
    reason = serializers.ChoiceField(choices=CreditNoteReason.choices, required=False)
    memo = serializers.CharField(required=False, max_length=MAX_MEMO, help_text="Stands on the note.")


class PayInvoiceSerializer(serializers.Serializer[Any]):
    """What an invoice is paid with."""

    payment_method = serializers.RegexField(
        OBJECT_ID, required=False, help_text="The provider's id; what the subscription is charged on when left out."
    )
