"""What goes into the payments API and what comes out of it."""

from __future__ import annotations

import dataclasses
from decimal import Decimal
from typing import Any

from rest_framework import serializers

from django_stripe_gateway.api.errors import PRIVATE_CODES, configuration_detail
from django_stripe_gateway.api.fields import (
    OBJECT_ID,
    AmountField,
    FormattedAmountField,
    MetadataField,
    ReplaceableField,
)
from django_stripe_gateway.api.openapi.optional import field_schema
from django_stripe_gateway.choices import CaptureMethod, LogEvent, LogSource, PaymentStatus, RefundReason, RefundStatus
from django_stripe_gateway.gateways.fee_values import RefundFees
from django_stripe_gateway.models import AbstractPayment, PaymentLog, Refund

# What is shown only when there is something to show.
OPTIONAL = (
    *("intent_id", "gateway_url", "client_secret", "action_url", "failure_code", "decline_code", "requires_action"),
    *("guest_token", "seller_account"),
    *("payment_method_type", "card_brand", "card_last4", "receipt_url"),
)


class GatewaySerializer(serializers.Serializer[Any]):
    """A gateway that customers may pay through."""

    name = serializers.CharField(help_text="What create_payment takes as gateway.")
    variant = serializers.CharField(help_text="Name of the account behind it; create_payment takes it as well.")
    description = serializers.CharField(allow_blank=True)
    is_default = serializers.BooleanField()


class RefundSerializer(serializers.Serializer[Refund]):
    """A refund as callers see it."""

    refund_id = serializers.CharField(source="provider_id", allow_null=True, help_text="The provider's id.")
    amount = FormattedAmountField()
    currency = serializers.CharField()
    status = serializers.ChoiceField(choices=RefundStatus.choices)
    reason = serializers.CharField(allow_blank=True)
    created = serializers.DateTimeField()


@field_schema(RefundSerializer)
class RefundField(ReplaceableField):
    """A refund."""

    serializer = RefundSerializer


class PaymentSerializer(serializers.Serializer[AbstractPayment]):
    """A payment as its owner sees it."""

    payment_id = serializers.IntegerField(source="pk", help_text="The payment's id.")
    status = serializers.ChoiceField(choices=PaymentStatus.choices)
    amount = FormattedAmountField(source="total")
    currency = serializers.CharField()
    authorized_amount = FormattedAmountField(
        help_text="What was held or taken at most. What is released stays in it: so much there was to take."
    )
    captured_amount = FormattedAmountField()
    refunded_amount = FormattedAmountField()
    gateway = serializers.CharField(allow_blank=True)
    order_id = serializers.CharField(allow_blank=True)
    description = serializers.CharField(allow_blank=True)
    metadata = MetadataField()
    capture_method = serializers.ChoiceField(choices=CaptureMethod.choices)
    created = serializers.DateTimeField()
    modified = serializers.DateTimeField()
    intent_id = serializers.CharField(required=False, help_text="The PaymentIntent that holds the money.")
    gateway_url = serializers.CharField(required=False, help_text="Where the customer pays, while that is possible.")
    client_secret = serializers.CharField(
        required=False, help_text="For Stripe.js in the customer's browser. Do not store or log it."
    )
    seller_account = serializers.CharField(
        required=False, help_text="The account that is paid, where it is a seller's: for Stripe.js, as stripeAccount."
    )
    action_url = serializers.CharField(
        required=False,
        help_text="Where the customer's bank asks them to authenticate: send them there, to nobody else.",
    )
    requires_action = serializers.BooleanField(
        required=False, help_text="The customer has to authenticate with the client secret."
    )
    failure_code = serializers.CharField(required=False)
    decline_code = serializers.CharField(required=False)
    payment_method_type = serializers.CharField(
        required=False, help_text="What was paid with, in the provider's words: card, sepa_debit, or the card's wallet."
    )
    card_brand = serializers.CharField(required=False, help_text="Such as visa.")
    card_last4 = serializers.CharField(required=False, help_text="The last four digits of the card.")
    receipt_url = serializers.CharField(
        required=False, help_text="The provider's receipt, only where one payment is read. It opens to whoever has it."
    )
    guest_token = serializers.CharField(
        required=False,
        help_text="Only for whoever has not signed in, and only where a payment is made: send it as Guest-Token.",
    )
    # Not the payment's ``refund``, a method that refunds.
    refund = RefundField(source="made_refund", required=False, help_text="Only in the answer of refund_payment.")

    def to_representation(self, instance: AbstractPayment) -> dict[str, Any]:
        """Return the payment without what is empty or not for this answer."""
        data: dict[str, Any] = super().to_representation(instance)
        data["currency"] = instance.currency.upper()
        data["guest_token"] = self.context.get("guest_token", "")
        # What opens something goes where it was asked for, and into no list and no answer that is kept.
        if not self.context.get("with_client_secret"):
            data.pop("client_secret", None)
            data.pop("action_url", None)
        if not self.context.get("with_receipt_url"):
            data.pop("receipt_url", None)
        return {name: value for name, value in data.items() if value or name not in OPTIONAL}


class FeeDetailSerializer(serializers.Serializer[Any]):
    """One part of a fee."""

    kind = serializers.CharField()
    amount = FormattedAmountField()
    currency = serializers.CharField()
    description = serializers.CharField(allow_blank=True)


class FeesSerializer(serializers.Serializer[Any]):
    """How a payment was booked on the seller's account; all amounts but those of ``details`` are in ``currency``."""

    currency = serializers.CharField(help_text="That the payment was settled in.")
    amount = FormattedAmountField()
    fee = FormattedAmountField()
    net = FormattedAmountField()
    net_after_refunds = FormattedAmountField()
    exchange_rate = serializers.DecimalField(max_digits=19, decimal_places=9, allow_null=True)
    available_on = serializers.DateTimeField(allow_null=True)
    details = FeeDetailSerializer(many=True)

    def to_representation(self, instance: Any) -> dict[str, Any]:
        """Return the fees; what the refunds have left is unknown where they were booked in another currency."""
        if instance.net_after_refunds is not None:
            return super().to_representation(instance)
        shown = super().to_representation(dataclasses.replace(instance, refunds=RefundFees(Decimal(0), Decimal(0))))
        return shown | {"net_after_refunds": None}


class PaymentLogSerializer(serializers.Serializer[PaymentLog]):
    """A line of a payment's audit trail. Who made a change is for the people who run the site."""

    log_id = serializers.IntegerField(source="pk")
    event = serializers.ChoiceField(choices=LogEvent.choices)
    source = serializers.ChoiceField(choices=LogSource.choices)  # type: ignore[assignment]
    message = serializers.CharField(allow_blank=True)
    data = serializers.DictField()  # type: ignore[assignment]
    created = serializers.DateTimeField()

    def to_representation(self, instance: PaymentLog) -> dict[str, Any]:
        """Return the line; what names settings is said in other words."""
        data: dict[str, Any] = super().to_representation(instance)
        if instance.event == LogEvent.OPERATION_FAILED and instance.data.get("code") in PRIVATE_CODES:
            data["message"] = configuration_detail()
        return data


class CreatePaymentSerializer(serializers.Serializer[Any]):
    """What a new payment needs; the fields are the arguments of ``services.payments.create_payment``."""

    gateway = serializers.CharField(max_length=64, help_text="Name of an active gateway.")
    amount = AmountField()
    currency = serializers.CharField(max_length=16, help_text="ISO code, any case.")
    description = serializers.CharField(max_length=1000, required=False, allow_blank=True)
    order_id = serializers.CharField(max_length=255, required=False, allow_blank=True)
    metadata = MetadataField(required=False)
    email = serializers.EmailField(
        source="billing_email",
        max_length=254,
        required=False,
        help_text="Where the payer is reached; kept with the payment, and filled in on the provider's page.",
    )
    capture_method = serializers.ChoiceField(choices=CaptureMethod.choices, required=False)
    payment_method = serializers.RegexField(
        OBJECT_ID, required=False, help_text="The provider's id of a payment method (PaymentIntents only)."
    )
    save_payment_method = serializers.BooleanField(
        required=False,
        help_text="true: the customer wants what they pay with to be kept, for what they buy later.",
    )
    confirm = serializers.BooleanField(
        required=False, help_text="false: leave a payment that development would confirm at once to confirm_intent."
    )


class CapturePaymentSerializer(serializers.Serializer[Any]):
    """How much of an authorised payment to take."""

    amount = AmountField(required=False, help_text="All of it when left out.")


class ConfirmPaymentSerializer(serializers.Serializer[Any]):
    """What to confirm a payment with."""

    payment_method = serializers.RegexField(
        OBJECT_ID, required=False, help_text="The provider's id; the one it already has when left out."
    )


class RefundPaymentSerializer(serializers.Serializer[Any]):
    """How much to give back, and why."""

    amount = AmountField(required=False, help_text="All that is left when left out.")
    reason = serializers.ChoiceField(choices=RefundReason.choices, required=False)


class ConfirmationPageSerializer(serializers.Serializer[AbstractPayment]):
    """What the bearer of a signed confirmation address gets to confirm a payment with."""

    payment_id = serializers.IntegerField(source="pk", help_text="The payment's id.")
    status = serializers.CharField(help_text="As in the payment.")
    amount = FormattedAmountField(source="total")
    currency = serializers.CharField()
    requires_action = serializers.BooleanField(help_text="The customer has to authenticate.")
    action_url = serializers.CharField(help_text="Where they do that; empty where nothing is to be done.")
    client_secret = serializers.CharField(help_text="For Stripe.js in the customer's browser. Do not store or log it.")


class ReturnPageSerializer(serializers.Serializer[AbstractPayment]):
    """What the bearer of a signed return address may know of a payment."""

    payment_id = serializers.IntegerField(source="pk", help_text="The payment's id.")
    status = serializers.CharField(help_text="As in the payment.")
    amount = FormattedAmountField(source="total")
    currency = serializers.CharField()
