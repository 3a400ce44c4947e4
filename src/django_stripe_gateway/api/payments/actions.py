"""Create payments and move their money. Each view validates, calls one service and answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from django_stripe_gateway.adapter import PRICE_KEYS, get_adapter, wrong_answer
from django_stripe_gateway.api.access import check_fields, check_may
from django_stripe_gateway.api.base import NothingSerializer
from django_stripe_gateway.api.idempotency import idempotent
from django_stripe_gateway.api.openapi.operations import operation
from django_stripe_gateway.api.owners import OwnerView
from django_stripe_gateway.api.payments import examples
from django_stripe_gateway.api.payments.serializers import (
    CapturePaymentSerializer,
    ConfirmPaymentSerializer,
    CreatePaymentSerializer,
    PaymentSerializer,
    RefundPaymentSerializer,
)
from django_stripe_gateway.api.payments.views import PaymentView
from django_stripe_gateway.choices import CaptureMethod
from django_stripe_gateway.exceptions import InvalidInput
from django_stripe_gateway.models import AbstractPayment, ConnectedAccount
from django_stripe_gateway.services.amounts import validate_amount
from django_stripe_gateway.services.payments.cancel import cancel_payment
from django_stripe_gateway.services.payments.capture import capture_payment
from django_stripe_gateway.services.payments.confirm import confirm_payment
from django_stripe_gateway.services.payments.create import create_payment
from django_stripe_gateway.services.payments.customers import may_need_customer
from django_stripe_gateway.services.payments.guests import guest_token
from django_stripe_gateway.services.payments.refresh import sync_payment
from django_stripe_gateway.services.payments.refund import refund_payment
from django_stripe_gateway.services.payments.terms import exact_fee


class PaymentActionView(PaymentView):
    """A view that changes payments."""

    calls_provider = True
    rate_scope = "payments.write"

    def check_repeat(self, body: dict[str, Any], path: Mapping[str, Any]) -> None:
        """Refuse to give an answer about a payment again to whoever may not act on it any more."""
        payment_id = path.get("payment_id") or body.get("payment_id")
        if payment_id:
            self.get_payment(str(payment_id))
        super().check_repeat(body, path)

    def withheld(self, body: dict[str, Any]) -> dict[str, Any]:
        """Ask the provider again, once, for what an answer given earlier let its customer go on with."""
        payment = self.get_payment(str(body["payment_id"]))
        names = [name for name in ("client_secret", "action_url") if name in body]
        if not names:
            return {}
        payment = sync_payment(payment=payment, origin=self.origin)
        return {name: getattr(payment, name) for name in names}


class BilledPaymentView(OwnerView, PaymentActionView):
    """A view that may charge what an owner has saved."""

    @property
    def idempotency_scope(self) -> str:
        """Nobody but the user, whose payment it is, whomever they are billed for."""
        return ""


class CreatePaymentView(BilledPaymentView):
    """Create a payment and start it at its gateway."""

    action = "create_payment"
    rate_scope = "payments.create"
    takes_guests = True
    guest_scope = "payments.guest"

    @operation(
        "payments_create",
        request=CreatePaymentSerializer,
        answer=PaymentSerializer,
        status=201,
        errors=(402,),
        examples=examples.CREATE_PAYMENT,
    )
    @idempotent
    def post(self, request: Request, *, idempotency_key: str | None) -> Response:
        """Create a payment.

        In production the answer has a `gateway_url` to send the customer to (Stripe Checkout); with PaymentIntents it
        has an `intent_id` and, for Stripe.js, a `client_secret`. In development the payment is confirmed at once.
        """
        check_may(request, self.action)
        check_fields(request)
        values = priced(request, self.validated(CreatePaymentSerializer, request.data))
        if self.is_guest:
            values["is_guest"] = True
        payment = create_payment(
            owner=None if self.is_guest else self.owner_row,
            customer_owner=self.billed_owner_or_none if may_need_customer(values) and not self.is_guest else None,
            base_url=self.base_url,
            idempotency_key=idempotency_key,
            origin=self.origin,
            **values,
        )
        token = guest_token(payment=payment) if self.is_guest else ""
        return self.answer(PaymentSerializer, payment, status=201, with_client_secret=True, guest_token=token)

    def get_payment(self, payment_id: str) -> AbstractPayment:
        """Return the payment of an answer that is given again; a guest has shown the key that it was made with.

        Raises:
            NotFound: it is out of the user's reach, or no guest's any more.
        """
        if not self.is_guest:
            return super().get_payment(payment_id)
        payment: AbstractPayment | None = self._guests_payments().filter(pk=payment_id).first()
        if payment is None:
            raise NotFound
        return payment

    def withheld(self, body: dict[str, Any]) -> dict[str, Any]:
        """Return also the token that a guest has not got, because the first answer was lost."""
        if "guest_token" not in body:
            return super().withheld(body)
        return super().withheld(body) | {"guest_token": guest_token(payment=self.get_payment(str(body["payment_id"])))}


class CapturePaymentView(PaymentActionView):
    """Take an authorised payment."""

    action = "capture_payment"

    @operation(
        "payments_capture",
        request=CapturePaymentSerializer,
        answer=PaymentSerializer,
        examples=examples.CAPTURE_PAYMENT,
    )
    @idempotent
    def post(self, request: Request, payment_id: str, *, idempotency_key: str | None) -> Response:
        """Capture an authorised payment, wholly or in part.

        What is not captured is released.
        """
        payment = self.get_payment(payment_id)
        values = self.validated(CapturePaymentSerializer, request.data)
        payment = capture_payment(payment=payment, idempotency_key=idempotency_key, origin=self.origin, **values)
        return self.answer(PaymentSerializer, payment)


class CaptureIntentView(CapturePaymentView):
    """The same under the name that the intent flow knows."""

    operation_id = "payments_capture_intent"


class ConfirmIntentView(BilledPaymentView):
    """Charge a payment method from the server."""

    action = "confirm_intent"
    takes_guests = True
    guest_scope = "payments.guest"

    @operation(
        "payments_confirm_intent",
        request=ConfirmPaymentSerializer,
        answer=PaymentSerializer,
        errors=(402,),
        examples=examples.CONFIRM_INTENT,
    )
    @idempotent
    def post(self, request: Request, payment_id: str, *, idempotency_key: str | None) -> Response:
        """Confirm a PaymentIntent, or carry on after its customer has authenticated."""
        payment = self.get_payment(payment_id)
        values = self.validated(ConfirmPaymentSerializer, request.data)
        if values.get("payment_method") and not self.is_guest and payment.owner_id == self.owner.pk:
            # Whom it was begun for may have another's card in mind by now, or have shut the user out.
            values["customer_owner"] = self.billed_owner_or_none
        payment = confirm_payment(
            payment=payment, base_url=self.base_url, idempotency_key=idempotency_key, origin=self.origin, **values
        )
        if payment.is_payable and not payment.client_secret:
            # A repeat finds the work done; the secret came with the answer that was never given.
            payment = sync_payment(payment=payment, origin=self.origin)
        return self.answer(PaymentSerializer, payment, with_client_secret=payment.is_payable)


class CancelPaymentView(PaymentActionView):
    """Cancel a payment before its money is taken."""

    action = "cancel_payment"
    takes_guests = True

    @operation("payments_cancel", answer=PaymentSerializer, examples=examples.CANCEL_PAYMENT)
    @idempotent
    def post(self, request: Request, payment_id: str, *, idempotency_key: str | None) -> Response:
        """Cancel a waiting payment.

        An authorised one is released, if the user may do that.
        """
        payment = self.get_payment(payment_id)
        self.validated(NothingSerializer, request.data)
        if payment.is_preauthorized:
            check_may(request, "release_payment")
        # What is authorised from here on was not there to be released.
        may_release = payment.is_preauthorized
        payment = cancel_payment(
            payment=payment, may_release=may_release, idempotency_key=idempotency_key, origin=self.origin
        )
        return self.answer(PaymentSerializer, payment)


class RefundPaymentView(PaymentActionView):
    """Give money back."""

    action = "refund_payment"

    @operation(
        "payments_refund", request=RefundPaymentSerializer, answer=PaymentSerializer, examples=examples.REFUND_PAYMENT
    )
    @idempotent
    def post(self, request: Request, payment_id: str, *, idempotency_key: str | None) -> Response:
        """Refund a payment, wholly or in part.

        Can be repeated until nothing is left. A refund may stay `pending` for days.
        """
        payment = self.get_payment(payment_id)
        values = self.validated(RefundPaymentSerializer, request.data)
        refund = refund_payment(payment=payment, idempotency_key=idempotency_key, origin=self.origin, **values)
        refund.payment.made_refund = refund
        return self.answer(PaymentSerializer, refund.payment)


def priced(request: Any, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``values`` with the adapter's price in place of all that the client sent about it.

    Raises:
        GatewayConfigurationError: the adapter's answer is no price.
    """
    price: Any = get_adapter().price_payment(request, dict(values))
    if not isinstance(price, Mapping) or not {"amount", "currency"} <= set(price) <= set(PRICE_KEYS):
        problem = f"dictionary with amount and currency, and nothing else than {', '.join(PRICE_KEYS)}"
        raise wrong_answer("price_payment", f"must return a {problem}")
    # What is wrong with what the client sent itself, the service says to the client.
    decided = {key for key in price if key not in values or price[key] != values[key]}
    if decided:
        _check_price(price, decided)
    return {key: value for key, value in values.items() if key not in PRICE_KEYS} | dict(price)


def _check_price(price: Mapping[str, Any], decided: set[str]) -> None:
    for key in sorted(decided & {"currency", "description"}):
        if not isinstance(price[key], str):
            raise wrong_answer("price_payment", f"must return a string as {key}")
    if "capture_method" in decided and price["capture_method"] not in CaptureMethod.values:
        problem = f"must return {' or '.join(CaptureMethod.values)} as capture_method, or leave it out"
        raise wrong_answer("price_payment", problem)
    if price.get("account") is not None and not isinstance(price["account"], ConnectedAccount):
        raise wrong_answer("price_payment", "must return a ConnectedAccount as account, or leave it out")
    if decided & {"amount", "currency", "application_fee"}:
        try:
            validate_amount(price["amount"], price["currency"])
            if price.get("application_fee") is not None:
                exact_fee(price["application_fee"], price["currency"])
        except InvalidInput as error:
            problem = f"returned an amount that cannot be charged: {error.detail.rstrip('.')}"
            raise wrong_answer("price_payment", problem) from None
