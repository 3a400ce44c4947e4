"""What is left to do when the customer comes back from the provider's page, or the provider says that they agreed."""

from __future__ import annotations

from django_stripe_gateway.exceptions import OperationInProgress, WrongState
from django_stripe_gateway.gateways.values import ProviderStatus
from django_stripe_gateway.models import AbstractPayment
from django_stripe_gateway.services.accounts import gateway_of
from django_stripe_gateway.services.origins import SYSTEM, Origin
from django_stripe_gateway.services.payments.confirm import confirm_payment
from django_stripe_gateway.services.payments.refresh import ask_about, sync_payment, write_snapshot


def complete_return(*, payment: AbstractPayment, origin: Origin = SYSTEM) -> AbstractPayment:
    """Ask the provider where a payment stands, and take the money if the customer has approved it.

    The money is taken by an operation, as every confirmation is: the buyer's browser, the provider's event and a
    reconciliation may all come at once, and one of them confirms.

    Raises:
        PaymentDeclined: the customer's means of payment was declined; the payment can still be paid.
        OperationInProgress: another process is confirming it.
        ProviderError: the provider refused or failed.
    """
    gateway = gateway_of(payment)
    if not gateway.confirms_on_return or not payment.transaction_id:
        return sync_payment(payment=payment, origin=origin)
    snapshot = ask_about(gateway, payment)
    payment = write_snapshot(payment.pk, snapshot, origin)
    is_current = payment.transaction_id == snapshot.object_id
    if snapshot.status == ProviderStatus.APPROVED and is_current and payment.is_payable:
        try:
            return confirm_payment(payment=payment, origin=origin)
        except OperationInProgress:
            raise
        except WrongState:
            # Somebody else was faster, or the order has ended; either way the row says how it stands.
            payment.refresh_from_db()
    return payment
