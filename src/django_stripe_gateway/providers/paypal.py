"""django-payments' view of PayPal: ``payment.get_form()`` and its kin end in the same services as everything else."""

from __future__ import annotations

from typing import Any, NoReturn

from payments import RedirectNeeded
from payments.core import BasicProvider

from django_stripe_gateway.models import AbstractPayment
from django_stripe_gateway.providers.stripe import ServiceMethods, recorded
from django_stripe_gateway.services.payments import create as payments
from django_stripe_gateway.services.payments.returns import complete_return
from django_stripe_gateway.transitions import PAID, REOPENABLE


class PayPalProvider(ServiceMethods, BasicProvider):
    """PayPal through this app's services, on Orders v2 and Payments v2.

    Options, all of them optional, in ``PAYMENT_VARIANTS``: ``client_id``, ``client_secret``, ``webhook_id`` (one, a
    list, or separated by commas), ``sandbox``, ``api_base``, ``capture`` (``False`` authorises only). Whatever is left
    out comes from the ``STRIPE_GATEWAY_PAYPAL_*`` settings. The options are read from the settings at each use; this
    object, which django-payments caches, keeps none of them.
    """

    webhook_address = "Send PayPal's webhooks to the webhooks/paypal/ URL of this app instead."

    def __init__(self, **options: Any) -> None:
        super().__init__(capture=options.get("capture", True))

    def get_form(self, payment: AbstractPayment, data: Any = None) -> NoReturn:
        """Start the payment and send the buyer to PayPal, or to the page that says how it stands.

        Raises:
            RedirectNeeded: always, unless the payment cannot be started.
            ValueError: the payment is not saved, or its amount or currency cannot be charged.
            PaymentError: PayPal refused or failed.
        """
        with recorded(payment):
            payment.refresh_from_db()
            if payment.is_payable or payment.status in REOPENABLE:
                payments.start_payment(payment=payment, base_url=payment.base_url)
        if payment.gateway_url:
            raise RedirectNeeded(payment.gateway_url)
        is_processing = payment.is_payable and payment.stored_session.get("status") == "complete"
        if payment.status in PAID or payment.is_preauthorized or is_processing:
            raise RedirectNeeded(payment.get_success_url())
        raise RedirectNeeded(payment.get_failure_url())

    def status(self, payment: AbstractPayment) -> AbstractPayment:
        """Ask PayPal where the payment stands, take the money of an approved one, and return the payment."""
        with recorded(payment):
            complete_return(payment=payment)
        return payment
