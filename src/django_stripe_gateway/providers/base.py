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
from django_stripe_gateway.services.payments import cancel as cancelling
from django_stripe_gateway.services.payments import capture as captures
from django_stripe_gateway.services.payments import create as payments
from django_stripe_gateway.services.payments import refund as refunds
from django_stripe_gateway.services.payments.returns import complete_return
from django_stripe_gateway.transitions import PAID, REOPENABLE


class GatewayProvider(BasicProvider):
    """What ``PAYMENT_VARIANTS`` names for a provider or a gateway that has no class of its own.

    Whichever gateway stands behind the variant, by the option ``gateway``, everything goes through this app's services.
    The option ``capture``, if it is ``False``, authorises only. The options are read from the settings at each use;
    this object, which django-payments caches, keeps none of them.
    """

    #: The models' methods leave writing the result to the services.
    records_changes = True
    #: Where the provider's events are sent instead of to django-payments' callback.
    webhook_address: ClassVar[str] = "Send the provider's webhooks to its URL below webhooks/ of this app instead."

    def __init__(self, **options: Any) -> None:
        super().__init__(capture=options.get("capture", True))

    def get_form(self, payment: AbstractPayment, data: Any = None) -> NoReturn:
        """Start the payment and send the customer to the provider, or to the page that says how it stands.

        Raises:
            RedirectNeeded: always, unless the payment cannot be started.
            ValueError: the payment is not saved, or its amount or currency cannot be charged.
            PaymentError: the provider refused or failed, or the payment is confirmed in the customer's browser.
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
                "This payment has no page at its provider: its customer confirms it with payment.client_secret.",
                code="no_redirect",
            )
        try:
            page = payment.get_success_url() if is_good else payment.get_failure_url()
        except ImproperlyConfigured as error:
            raise _misconfigured(error) from error
        raise RedirectNeeded(page)

    def status(self, payment: AbstractPayment) -> AbstractPayment:
        """Ask the provider where the payment stands, take the money of an approved one, and return the payment."""
        with recorded(payment):
            complete_return(payment=payment)
        return payment

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
