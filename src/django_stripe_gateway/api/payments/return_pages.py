"""Where a payment's page at the provider sends the customer's browser back to."""

from __future__ import annotations

import functools
import logging
from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import quote

from django.utils.translation import gettext_lazy as _
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from django_stripe_gateway.api.base import is_key
from django_stripe_gateway.api.openapi.operations import operation
from django_stripe_gateway.api.payments import examples
from django_stripe_gateway.api.payments.serializers import ReturnPageSerializer
from django_stripe_gateway.api.signed_pages import SignatureSerializer, SignedPageView
from django_stripe_gateway.choices import LogSource, PaymentStatus
from django_stripe_gateway.conf import gateway_settings
from django_stripe_gateway.exceptions import GatewayError
from django_stripe_gateway.models import AbstractPayment, get_payment_model
from django_stripe_gateway.models.return_urls import PAYMENT_SALT, is_valid_signature
from django_stripe_gateway.services.origins import Origin
from django_stripe_gateway.services.payments.returns import complete_return
from django_stripe_gateway.services.return_looks import claim_look, note_look
from django_stripe_gateway.services.transactions import payments_database

logger = logging.getLogger(__name__)

OUTCOMES: Mapping[str, str] = {
    PaymentStatus.CONFIRMED: "paid",
    PaymentStatus.PREAUTH: "authorized",
    PaymentStatus.REFUNDED: "refunded",
    PaymentStatus.ERROR: "failed",
    PaymentStatus.REJECTED: "failed",
    PaymentStatus.CANCELLED: "cancelled",
}
# Whether the outcome is what the customer wants (None: not known yet), and what the page says of it.
PAGES: Mapping[str, tuple[bool | None, Any, Any]] = {
    "paid": (True, _("Payment received"), _("Thank you. We have received your payment.")),
    "authorized": (True, _("Payment authorized"), _("Thank you. Your payment has been authorized.")),
    "refunded": (True, _("Payment refunded"), _("This payment has been given back.")),
    "unpaid": (None, _("Payment not completed"), _("Your payment has not been completed.")),
    "processing": (
        None,
        _("Payment is being processed"),
        _("Your payment is being processed. This can take a while; you do not need to pay again."),
    ),
    "failed": (False, _("Payment failed"), _("Your payment did not go through.")),
    "cancelled": (False, _("Payment cancelled"), _("This payment was cancelled.")),
}


class ReturnView(SignedPageView):
    """A page that shows amount and status to whoever holds its signed address, and nothing private."""

    rate_scope = "payments.return"
    path_serializer = ReturnPageSerializer
    template_name = "django_stripe_gateway/payment_return.html"
    #: What it means that the provider's page has sent the browser here, as long as the payment does not know better.
    expects_success: ClassVar[bool]
    #: What its signatures are made with.
    salt: ClassVar[str] = PAYMENT_SALT

    def signed_payment(self, payment_id: str) -> AbstractPayment:
        """Return the payment that the request's signature opens.

        Raises:
            NotFound: the signature is not right, or there is no such payment.
        """
        signature = self.request.query_params.get("signature", "")
        if not is_key(get_payment_model(), payment_id):
            raise NotFound
        payments = get_payment_model()._default_manager.using(payments_database())
        payment: AbstractPayment | None = payments.filter(pk=payment_id).first()
        if payment is None or not is_valid_signature(payment_id, signature, salt=self.salt, token=str(payment.token)):
            raise NotFound
        return payment

    def show(self, payment: AbstractPayment, *, is_current: bool) -> Response:
        """Send the browser to the host's page, or answer with our own.

        Args:
            is_current: the provider has just been asked, so that "not paid" can be relied on.
        """
        outcome = self.outcome(payment, is_current=is_current)
        is_good, heading, message = PAGES[outcome]
        page = self.host_page(payment, is_good=self.expects_success if is_good is None else is_good)
        if page:
            return self.sent_to(page, payment_id=str(payment.pk), status=payment.status)
        answer = self.answer(ReturnPageSerializer, payment)
        self.shown = {
            **answer.data,
            "outcome": outcome,
            "heading": heading,
            "message": message,
            "description": payment.description,
            "gateway_url": payment.gateway_url if outcome in ("unpaid", "failed") else "",
        }
        return answer

    def outcome(self, payment: AbstractPayment, *, is_current: bool) -> str:
        """Return what there is to say about the payment."""
        if payment.status in OUTCOMES:
            return OUTCOMES[payment.status]
        # A session that has been completed has no address any more: a slow payment method is under way.
        is_open = bool(payment.gateway_url) or not payment.transaction_id
        return "unpaid" if is_open and (is_current or not self.expects_success) else "processing"

    def host_page(self, payment: AbstractPayment, *, is_good: bool) -> str:
        """Return the address of the host's page for the outcome, empty when none is configured.

        Never taken from the request, so that nobody can be sent anywhere else.
        """
        template = gateway_settings.success_url if is_good else gateway_settings.failure_url
        return template.replace("{payment_id}", quote(str(payment.pk), safe=""))


_return_page = functools.partial(
    operation,
    query=SignatureSerializer,
    answer=ReturnPageSerializer,
    redirect="To the page that the site has configured.",
    examples=examples.RETURN_PAGE,
)


class SuccessView(ReturnView):
    """Where a paying customer comes back to."""

    expects_success = True

    @_return_page("payments_success")
    def get(self, request: Request, payment_id: str) -> Response:
        """Come back after paying.

        For the customer's browser: the provider's page sends it here with a signed address. Asks the provider what
        became of the payment, unless that is known, or it was asked and nothing has changed since. Answers a page or
        JSON, or redirects (302) to the page that the site has configured.
        """
        payment = self.signed_payment(payment_id)
        is_current = False
        if payment.is_payable and claim_look(payment):
            try:
                payment = complete_return(payment=payment, origin=Origin(source=LogSource.API, actor="customer"))
                is_current = True
                note_look(payment)
            except GatewayError as error:
                # The webhook will bring it; the customer reads that it takes a while.
                logger.warning("The success page of payment %s could not ask (%s).", payment.pk, error.code)
        return self.show(payment, is_current=is_current)


class FailureView(ReturnView):
    """Where a customer comes back to who gave up."""

    expects_success = False

    @_return_page("payments_failure")
    def get(self, request: Request, payment_id: str) -> Response:
        """Come back after giving up.

        For the customer's browser, as after paying: shows where the payment stands, and the way back to it.
        """
        return self.show(self.signed_payment(payment_id), is_current=False)
