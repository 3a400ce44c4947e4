"""The way back of a customer who was charged without being there, and whose bank wants to hear from them."""

from __future__ import annotations

import logging

from django.utils.translation import gettext_lazy as _
from rest_framework.request import Request
from rest_framework.response import Response

from django_stripe_gateway.api.openapi.errors import PROVIDER_ERRORS
from django_stripe_gateway.api.openapi.operations import operation
from django_stripe_gateway.api.payments import examples
from django_stripe_gateway.api.payments.return_pages import ReturnView
from django_stripe_gateway.api.payments.serializers import ConfirmationPageSerializer, ReturnPageSerializer
from django_stripe_gateway.api.signed_pages import SignatureSerializer
from django_stripe_gateway.choices import LogSource, PaymentStatus
from django_stripe_gateway.exceptions import PaymentDeclined, WrongState
from django_stripe_gateway.models import AbstractPayment
from django_stripe_gateway.models.return_urls import CONFIRMATION_SALT
from django_stripe_gateway.services.origins import Origin
from django_stripe_gateway.services.payments.confirm import charged_method, confirm_payment

logger = logging.getLogger(__name__)


class ConfirmationView(ReturnView):
    """A page for whoever holds its signed address, which is sent to the customer alone.

    Opening it does nothing: programs that read mails open what stands in them.
    """

    expects_success = True
    salt = CONFIRMATION_SALT
    template_name = "django_stripe_gateway/payment_confirmation.html"

    @operation(
        "payments_confirmation",
        query=SignatureSerializer,
        answer=ReturnPageSerializer,
        redirect="To the page that the site has configured, once there is nothing left to confirm.",
        examples=examples.RETURN_PAGE,
    )
    def get(self, request: Request, payment_id: str) -> Response:
        """Look at a payment that waits for its customer.

        For the customer's browser, with the signed address of the mail that asks them to confirm.
        """
        payment = self.signed_payment(payment_id)
        if not charged_method(payment):
            self.template_name = super().template_name
            return self.show(payment, is_current=False)
        answer = self.answer(ReturnPageSerializer, payment)
        message = _("We could not charge your card while you were away. Your bank wants you to confirm this payment.")
        if payment.status == PaymentStatus.ERROR:
            message = _("Your payment did not go through. You can try it once more with the same card.")
        self.shown = {**answer.data, "message": message, "description": payment.description}
        return answer

    @operation(
        "payments_confirmation_begin",
        query=SignatureSerializer,
        answer=ConfirmationPageSerializer,
        errors=(402, *PROVIDER_ERRORS),
        redirect="A browser: to the bank's page, or to where the payment's page at the provider would send it.",
        examples=examples.CONFIRMATION_PAGE,
    )
    def post(self, request: Request, payment_id: str) -> Response:
        """Begin to confirm a payment, as its customer.

        A browser is sent to where its customer authenticates, and comes back to `success/`. Who asks for JSON is
        answered where that is, and the client secret for Stripe.js.
        """
        payment = self.signed_payment(payment_id)
        is_browser = getattr(request, "accepted_renderer", None) is not None and (
            request.accepted_renderer.format == "html"
        )
        try:
            payment = self._confirm(payment)
        except (PaymentDeclined, WrongState) as error:
            if not is_browser:
                raise
            logger.info("Payment %s was not confirmed by its customer: %s.", payment.pk, error.code)
        if not is_browser:
            return self.answer(ConfirmationPageSerializer, payment)
        payment.base_url = self.base_url
        return Response(status=302, headers={"Location": payment.action_url or payment.get_success_url()})

    def _confirm(self, payment: AbstractPayment) -> AbstractPayment:
        """Confirm what was charged without the customer; whatever else there is to know, its return page says."""
        if not charged_method(payment):
            raise WrongState("There is nothing to confirm.")
        origin = Origin(source=LogSource.API, actor="customer")
        return confirm_payment(payment=payment, base_url=self.base_url, origin=origin)
