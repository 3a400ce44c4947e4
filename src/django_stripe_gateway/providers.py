"""django-payments' view of this app: hosts that call ``payment.get_form()`` and its kin end in the same services."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any, NoReturn

from django.http import HttpRequest
from payments import PaymentError, RedirectNeeded
from payments.stripe import StripeProviderV3

from django_stripe_gateway.exceptions import GatewayError, InvalidInput, WrongState
from django_stripe_gateway.models import AbstractPayment
from django_stripe_gateway.money import to_minor_units
from django_stripe_gateway.services import captures, payments, refunds, syncing


class StripeProvider(StripeProviderV3):
    """Stripe through this app's services, on every SDK from 13 to 16.

    Options, all of them optional, in ``PAYMENT_VARIANTS``: ``api_key``, ``endpoint_secret`` (one, a list, or separated
    by commas), ``api_base``, ``api_version``, ``flow`` ("checkout" or "intent"), ``capture`` (``False`` authorises
    only), ``use_localstripe``. Whatever is left out comes from the ``STRIPE_GATEWAY_*`` settings. The options are read
    from the settings at each use; this object, which django-payments caches, keeps none of them.
    """

    #: The models' methods leave writing the result to the services.
    records_changes = True

    def __init__(self, **options: Any) -> None:
        super().__init__(api_key=None, capture=options.get("capture", True))

    def get_form(self, payment: AbstractPayment, data: Any = None) -> NoReturn:
        """Start the payment and send the customer to Stripe, or to the success page when it is paid already.

        Raises:
            RedirectNeeded: always, unless the payment cannot be started.
            PaymentError: Stripe refused or failed.
        """
        with _payments_errors():
            started = payments.start_payment(payment=payment)
        payment.refresh_from_db()
        raise RedirectNeeded(started.gateway_url or payment.get_success_url())

    def capture(self, payment: AbstractPayment, amount: Decimal | None = None) -> Decimal:
        """Capture the payment and return the captured amount."""
        with _payments_errors():
            captured: Decimal = captures.capture_payment(payment=payment, amount=amount).captured_amount
        return captured

    def release(self, payment: AbstractPayment) -> None:
        """Release the authorised payment."""
        with _payments_errors():
            captures.cancel_payment(payment=payment)

    def cancel(self, payment: AbstractPayment) -> None:
        """Cancel the waiting payment."""
        with _payments_errors():
            captures.cancel_payment(payment=payment)

    def refund(self, payment: AbstractPayment, amount: Decimal | None = None) -> Decimal:
        """Refund the payment and return the refund's amount."""
        with _payments_errors():
            refunded: Decimal = refunds.refund_payment(payment=payment, amount=amount).amount
        return refunded

    def status(self, payment: AbstractPayment) -> AbstractPayment:
        """Ask Stripe where the payment stands, and return it."""
        with _payments_errors():
            syncing.sync_payment(payment=payment)
        payment.refresh_from_db()
        return payment

    def convert_amount(self, currency: str, amount: Decimal) -> int:
        """Return the integer that Stripe expects; exact, unlike the base class."""
        return to_minor_units(amount, currency)

    def get_token_from_request(self, payment: AbstractPayment | None, request: HttpRequest) -> NoReturn:
        """Refuse: django-payments' callback view runs in one transaction, which would lose a failed event.

        Raises:
            PaymentError: always; the sentence says where Stripe's webhooks are received.
        """
        raise PaymentError(code=400, message="Send Stripe's webhooks to the webhooks/stripe/ URL of this app instead.")

    def process_data(self, payment: AbstractPayment, request: HttpRequest) -> NoReturn:
        """Refuse, like ``get_token_from_request``."""
        self.get_token_from_request(payment, request)


@contextmanager
def _payments_errors() -> Iterator[None]:
    """Raise what django-payments' hosts expect: ``ValueError`` for a wrong call, ``PaymentError`` for the rest."""
    try:
        yield
    except (InvalidInput, WrongState) as error:
        raise ValueError(error.detail) from error
    except GatewayError as error:
        raise PaymentError(error.detail, code=error.code, gateway_message=error.request_id or None) from error
