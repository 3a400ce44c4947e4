"""Create payments and move their money. Each view validates, calls one service and answers."""

from __future__ import annotations

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from django_stripe_gateway.api.base import ActionView
from django_stripe_gateway.api.idempotency import idempotent
from django_stripe_gateway.api.payments import schema
from django_stripe_gateway.api.payments.pricing import priced
from django_stripe_gateway.api.payments.serializers import (
    CapturePaymentSerializer,
    ConfirmPaymentSerializer,
    CreatePaymentSerializer,
    RefundPaymentSerializer,
)
from django_stripe_gateway.api.payments.views import PaymentView
from django_stripe_gateway.services.payments.cancel import cancel_payment
from django_stripe_gateway.services.payments.capture import capture_payment
from django_stripe_gateway.services.payments.confirm import confirm_payment
from django_stripe_gateway.services.payments.create import create_payment
from django_stripe_gateway.services.payments.refresh import sync_payment
from django_stripe_gateway.services.payments.refund import refund_payment


class PaymentActionView(ActionView, PaymentView):
    """A view that changes payments."""

    rate_scope = "payments.write"

    def withheld(self, body: dict[str, Any]) -> dict[str, Any]:
        """Ask the provider again for the client secret of an answer given earlier."""
        payment = self.get_payment(str(body["payment_id"]))
        return {"client_secret": sync_payment(payment=payment, origin=self.origin).client_secret}


class CreatePaymentView(PaymentActionView):
    """Create a payment and start it at its gateway."""

    action = "create_payment"

    @schema.create_payment
    @idempotent
    def post(self, request: Request, *, idempotency_key: str | None) -> Response:
        """Create a payment: confirmed at once in development, with a page to send the customer to in production."""
        values = priced(request, self.validated(CreatePaymentSerializer, request.data))
        payment = create_payment(
            owner=self.owner_row,
            base_url=self.base_url,
            idempotency_key=idempotency_key,
            origin=self.origin,
            **values,
        )
        return self.answer(payment, status=201, with_client_secret=True)


class CapturePaymentView(PaymentActionView):
    """Take an authorised payment."""

    action = "capture_payment"

    @schema.capture_payment
    @idempotent
    def post(self, request: Request, payment_id: str, *, idempotency_key: str | None) -> Response:
        """Take an authorised payment, wholly or in part; the rest is released."""
        payment = self.get_payment(payment_id)
        values = self.validated(CapturePaymentSerializer, request.data)
        payment = capture_payment(payment=payment, idempotency_key=idempotency_key, origin=self.origin, **values)
        return self.answer(payment)


class CaptureIntentView(CapturePaymentView):
    """The same under the name that the intent flow knows."""

    @schema.capture_intent
    def post(self, request: Request, payment_id: str) -> Response:
        """Take an authorised payment, wholly or in part; the rest is released."""
        return super().post(request, payment_id)


class ConfirmIntentView(PaymentActionView):
    """Charge a payment method from the server."""

    action = "confirm_intent"

    @schema.confirm_intent
    @idempotent
    def post(self, request: Request, payment_id: str, *, idempotency_key: str | None) -> Response:
        """Confirm a PaymentIntent, or carry on after its customer has authenticated."""
        payment = self.get_payment(payment_id)
        values = self.validated(ConfirmPaymentSerializer, request.data)
        payment = confirm_payment(
            payment=payment,
            base_url=self.base_url,
            idempotency_key=idempotency_key,
            origin=self.origin,
            **values,
        )
        if payment.is_payable and not payment.client_secret:
            # A repeat finds the work done; the secret came with the answer that was never given.
            payment = sync_payment(payment=payment, origin=self.origin)
        return self.answer(payment, with_client_secret=payment.is_payable)


class CancelPaymentView(PaymentActionView):
    """Cancel a payment before its money is taken."""

    action = "cancel_payment"

    @schema.cancel_payment
    @idempotent
    def post(self, request: Request, payment_id: str, *, idempotency_key: str | None) -> Response:
        """Cancel a waiting payment, or release an authorised one."""
        payment = self.get_payment(payment_id)
        payment = cancel_payment(payment=payment, idempotency_key=idempotency_key, origin=self.origin)
        return self.answer(payment)


class RefundPaymentView(PaymentActionView):
    """Give money back."""

    action = "refund_payment"

    @schema.refund_payment
    @idempotent
    def post(self, request: Request, payment_id: str, *, idempotency_key: str | None) -> Response:
        """Give back a payment, wholly or in part, until nothing is left."""
        payment = self.get_payment(payment_id)
        values = self.validated(RefundPaymentSerializer, request.data)
        refund = refund_payment(payment=payment, idempotency_key=idempotency_key, origin=self.origin, **values)
        return self.answer(refund.payment, refund=refund)
