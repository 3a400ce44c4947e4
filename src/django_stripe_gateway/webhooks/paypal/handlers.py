"""PayPal's events: orders, authorisations, captures, refunds, and the sales of its v1 API."""

from __future__ import annotations

import dataclasses

from django_stripe_gateway.choices import CaptureMethod, RefundStatus, WebhookState
from django_stripe_gateway.gateways.paypal.objects import (
    authorization_snapshot,
    capture_snapshot,
    order_snapshot,
    refund_snapshot,
    sale_snapshot,
)
from django_stripe_gateway.gateways.values import RefundSnapshot
from django_stripe_gateway.models import AbstractPayment
from django_stripe_gateway.webhooks.events import Event
from django_stripe_gateway.webhooks.paypal.payments import (
    apply_paypal_snapshot,
    change_paypal_payment,
    confirm_approved,
)
from django_stripe_gateway.webhooks.paypal.registration import handles
from django_stripe_gateway.webhooks.refunds import apply_event_refunds


@handles("CHECKOUT.ORDER.APPROVED", "CHECKOUT.ORDER.COMPLETED")
def handle_order(event: Event) -> WebhookState:
    """Bring the payment to its order's state; take the money of an approved one whose buyer did not come back."""

    def apply(payment: AbstractPayment) -> None:
        snapshot = order_snapshot(event.object)
        apply_paypal_snapshot(payment, snapshot, event)
        confirm_approved(payment, snapshot, event)

    return change_paypal_payment(event, apply)


@handles("PAYMENT.CAPTURE.COMPLETED", "PAYMENT.CAPTURE.PENDING", "PAYMENT.CAPTURE.DENIED", "PAYMENT.CAPTURE.DECLINED")
def handle_capture(event: Event) -> WebhookState:
    """Bring the payment to its capture's state."""
    return change_paypal_payment(
        event, lambda payment: apply_paypal_snapshot(payment, capture_snapshot(event.object), event)
    )


@handles("PAYMENT.AUTHORIZATION.CREATED", "PAYMENT.AUTHORIZATION.VOIDED")
def handle_authorization(event: Event) -> WebhookState:
    """Bring the payment to its authorisation's state."""
    return change_paypal_payment(
        event, lambda payment: apply_paypal_snapshot(payment, authorization_snapshot(event.object), event)
    )


@handles("PAYMENT.SALE.COMPLETED", "PAYMENT.SALE.PENDING", "PAYMENT.SALE.DENIED")
def handle_sale(event: Event) -> WebhookState:
    """Bring a payment that was made with the v1 API to its sale's state."""
    return change_paypal_payment(
        event, lambda payment: apply_paypal_snapshot(payment, sale_snapshot(event.object), event)
    )


@handles("PAYMENT.CAPTURE.REFUNDED", "PAYMENT.REFUND.PENDING", "PAYMENT.REFUND.FAILED", "PAYMENT.SALE.REFUNDED")
def handle_refund(event: Event) -> WebhookState:
    """Bring the refund, and with it the payment, to PayPal's state."""
    return change_paypal_payment(
        event, lambda payment: apply_event_refunds(event, payment, [_refund_of(event, payment)])
    )


@handles("PAYMENT.CAPTURE.REVERSED", "PAYMENT.SALE.REVERSED")
def handle_reversal(event: Event) -> WebhookState:
    """Write what PayPal has taken back, after a dispute or by a bank: a refund that nobody here has asked for."""

    def apply(payment: AbstractPayment) -> None:
        # The money has gone, whichever state the object names: that of the capture, in some of these events.
        snapshot = dataclasses.replace(_refund_of(event, payment), status=RefundStatus.SUCCEEDED)
        apply_event_refunds(event, payment, [snapshot])

    return change_paypal_payment(event, apply)


def _refund_of(event: Event, payment: AbstractPayment) -> RefundSnapshot:
    """Return the event's refund.

    Of an authorised payment we keep the authorisation's id, which a refund does not name: it names the capture.
    """
    snapshot = refund_snapshot(event.object)
    names_capture = payment.capture_method == CaptureMethod.MANUAL and snapshot.intent_id != payment.intent_id
    return dataclasses.replace(snapshot, intent_id="") if names_capture else snapshot
