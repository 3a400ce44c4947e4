"""Take a payment method from a customer."""

from __future__ import annotations

from django_stripe_gateway.choices import BillingOperationKind
from django_stripe_gateway.gateways.billing_values import PaymentMethodSnapshot
from django_stripe_gateway.models import Customer
from django_stripe_gateway.services.operations.engine import is_unanswered, run
from django_stripe_gateway.services.operations.verbs import Request, register
from django_stripe_gateway.services.origins import SYSTEM, Origin
from django_stripe_gateway.services.subscriptions.line import CustomerClaim, CustomerVerb, customer_id
from django_stripe_gateway.services.subscriptions.payment_methods import own_payment_method
from django_stripe_gateway.services.transactions import payments_database


class RemovePaymentMethodVerb(CustomerVerb[PaymentMethodSnapshot]):
    """Detach a payment method."""

    kind = BillingOperationKind.REMOVE_PAYMENT_METHOD

    def call(self, claim: CustomerClaim) -> PaymentMethodSnapshot:
        """Detach it."""
        snapshot: PaymentMethodSnapshot = claim.gateway.detach_payment_method(
            claim.params["payment_method_id"], idempotency_key=claim.key
        )
        return snapshot

    def find_earlier(self, claim: CustomerClaim) -> PaymentMethodSnapshot | None:
        """Return the payment method if it is not the customer's any more: the provider detaches it once."""
        found: PaymentMethodSnapshot = claim.gateway.retrieve_payment_method(claim.params["payment_method_id"])
        return None if found.customer_id == customer_id(claim) else found

    def apply(self, claim: CustomerClaim, answer: PaymentMethodSnapshot) -> str:
        """Forget that the customer was charged on it."""
        customer: Customer = claim.subject
        if customer.default_payment_method == answer.payment_method_id:
            customer.default_payment_method = ""
            customer.save(using=payments_database(), update_fields=["default_payment_method", "modified"])
        return ""


REMOVE_PAYMENT_METHOD = register(RemovePaymentMethodVerb())


def remove_payment_method(*, customer: Customer, payment_method_id: str, origin: Origin = SYSTEM) -> None:
    """Take a payment method from a customer.

    Args:
        payment_method_id: the provider's id, as ``list_payment_methods`` gives it.

    Raises:
        InvalidInput: it is not the customer's.
        ProviderError: the provider refused or failed.
    """
    params = {"payment_method_id": payment_method_id}
    request = Request(params=params, match=params)
    if not is_unanswered(REMOVE_PAYMENT_METHOD, customer.pk, request):
        # What an earlier attempt has taken away is nobody's any more.
        own_payment_method(customer, payment_method_id)
    run(REMOVE_PAYMENT_METHOD, customer.pk, request, origin)
