"""django-payments' view of this app: hosts that call ``payment.get_form()`` and its kin end in the same services."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any, ClassVar, NoReturn

from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponse, JsonResponse
from payments import PaymentError, RedirectNeeded
from payments.core import BasicProvider

from django_stripe_gateway.exceptions import GatewayConfigurationError, GatewayError, InvalidInput, WrongState
from django_stripe_gateway.models import AbstractPayment
from django_stripe_gateway.money import to_minor_units
from django_stripe_gateway.services.payments import cancel as cancelling
from django_stripe_gateway.services.payments import capture as captures
from django_stripe_gateway.services.payments import create as payments
from django_stripe_gateway.services.payments import refresh as syncing
from django_stripe_gateway.services.payments import refund as refunds
from django_stripe_gateway.transitions import PAID, REOPENABLE


class ServiceMethods:
    """What a provider does through this app's services, whichever gateway stands behind its variant."""

    #: The models' methods leave writing the result to the services.
    records_changes = True
    #: Where the provider's events are sent instead of to django-payments' callback.
    webhook_address: ClassVar[str]

    def capture(self, payment: AbstractPayment, amount: Decimal | None = None) -> Decimal:
        """Capture the payment and return the captured amount."""
        with recorded(payment):
            captured: Decimal = captures.capture_payment(payment=payment, amount=as_decimal(amount)).captured_amount
        return captured

    def release(self, payment: AbstractPayment) -> None:
        """Release the authorised payment."""
        with recorded(payment):
            cancelling.cancel_payment(payment=payment)

    def cancel(self, payment: AbstractPayment) -> None:
        """Cancel the waiting payment."""
        with recorded(payment):
            cancelling.cancel_payment(payment=payment)

    def refund(self, payment: AbstractPayment, amount: Decimal | None = None) -> Decimal:
        """Refund the payment and return the refund's amount."""
        with recorded(payment):
            refunded: Decimal = refunds.refund_payment(payment=payment, amount=as_decimal(amount)).amount
        return refunded

    def get_token_from_request(self, payment: AbstractPayment | None, request: HttpRequest) -> NoReturn:
        """Refuse: django-payments' callback view runs in one transaction, which would lose a failed event.

        Raises:
            PaymentError: always; the sentence says where the provider's webhooks are received.
        """
        raise PaymentError(self.webhook_address, code=400)

    def process_data(self, payment: AbstractPayment, request: HttpRequest) -> HttpResponse:
        """Answer 400, like ``get_token_from_request``, which this callback does not pass through."""
        return JsonResponse({"error": self.webhook_address, "variant": payment.variant}, status=400)


class StripeProvider(ServiceMethods, BasicProvider):
    """Stripe through this app's services, on every SDK from 13 to 16.

    Options, all of them optional, in ``PAYMENT_VARIANTS``: ``api_key``, ``endpoint_secret`` (one, a list, or separated
    by commas), ``api_base``, ``api_version``, ``flow`` ("checkout" or "intent"), ``capture`` (``False`` authorises
    only), ``use_localstripe``. Whatever is left out comes from the ``STRIPE_GATEWAY_*`` settings. The options are read
    from the settings at each use; this object, which django-payments caches, keeps none of them.
    """

    webhook_address = "Send Stripe's webhooks to the webhooks/stripe/ URL of this app instead."

    def __init__(self, **options: Any) -> None:
        super().__init__(capture=options.get("capture", True))

    def get_form(self, payment: AbstractPayment, data: Any = None) -> NoReturn:
        """Start the payment and send the customer to Stripe, or to the page that says how it stands.

        Raises:
            RedirectNeeded: always, unless the payment cannot be started.
            ValueError: the payment is not saved, or its amount or currency cannot be charged.
            PaymentError: Stripe refused or failed, or the payment is confirmed in the customer's browser.
        """
        with recorded(payment):
            payment.refresh_from_db()
            if payment.is_payable or payment.status in REOPENABLE:
                started = payments.start_payment(payment=payment, base_url=payment.base_url)
                payment.client_secret = started.client_secret
        if payment.gateway_url:
            raise RedirectNeeded(payment.gateway_url)
        is_processing = payment.is_payable and payment.stored_session.get("status") == "complete"
        is_good = payment.status in PAID or payment.is_preauthorized or is_processing
        if payment.is_payable and not is_good:
            raise PaymentError(
                "This payment has no page at Stripe: its customer confirms it with payment.client_secret.",
                code="no_redirect",
            )
        try:
            page = payment.get_success_url() if is_good else payment.get_failure_url()
        except ImproperlyConfigured as error:
            raise _misconfigured(error) from error
        raise RedirectNeeded(page)

    def status(self, payment: AbstractPayment) -> AbstractPayment:
        """Ask Stripe where the payment stands, and return it."""
        with recorded(payment):
            syncing.sync_payment(payment=payment)
        return payment

    def convert_amount(self, currency: str, amount: Decimal) -> int:
        """Return the integer that Stripe expects; django-payments' own Stripe provider has this method."""
        return to_minor_units(amount, currency)


@contextmanager
def recorded(payment: AbstractPayment) -> Iterator[None]:
    """Bring ``payment`` to what the services have written, whether they succeed or fail.

    Raises what django-payments' hosts expect: ``ValueError`` for a wrong call, ``PaymentError`` for the rest.
    """
    if payment.pk is None:
        raise ValueError("Save the payment first.")
    try:
        yield
    except (InvalidInput, WrongState) as error:
        payment.refresh_from_db()
        raise ValueError(error.detail) from error
    except GatewayError as error:
        payment.refresh_from_db()
        raise PaymentError(error.detail, code=error.code, gateway_message=error.request_id or None) from error
    except ImproperlyConfigured as error:
        payment.refresh_from_db()
        raise _misconfigured(error) from error
    payment.refresh_from_db()


def _misconfigured(error: ImproperlyConfigured) -> PaymentError:
    return PaymentError(str(error), code=GatewayConfigurationError.default_code)


def as_decimal(amount: Decimal | int | None) -> Decimal | None:
    """Return whole numbers as decimals; whatever else is no decimal is refused where amounts are checked."""
    is_whole = isinstance(amount, int) and not isinstance(amount, bool)
    return Decimal(amount) if is_whole else amount  # type: ignore[arg-type, return-value]
