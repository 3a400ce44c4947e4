"""Choose what a customer is charged on."""

from __future__ import annotations

from django_stripe_gateway.choices import BillingOperationKind
from django_stripe_gateway.gateways.billing_values import CustomerSnapshot
from django_stripe_gateway.models import Customer
from django_stripe_gateway.services.operations.engine import run
from django_stripe_gateway.services.operations.verbs import Request, register
from django_stripe_gateway.services.origins import SYSTEM, Origin
from django_stripe_gateway.services.subscriptions.create_customer import write_customer
from django_stripe_gateway.services.subscriptions.line import CustomerClaim, CustomerVerb, customer_id
from django_stripe_gateway.services.subscriptions.payment_methods import own_payment_method


class SetDefaultPaymentMethodVerb(CustomerVerb[CustomerSnapshot]):
    """Charge another payment method from now on."""

    kind = BillingOperationKind.SET_DEFAULT_PAYMENT_METHOD

    def call(self, claim: CustomerClaim) -> CustomerSnapshot:
        """Set it."""
        snapshot: CustomerSnapshot = claim.gateway.set_default_payment_method(
            customer_id(claim), claim.params["payment_method_id"], idempotency_key=claim.key
        )
        return snapshot

    def find_earlier(self, claim: CustomerClaim) -> CustomerSnapshot | None:
        """Return nothing: what is set once more makes nothing anew."""
        return None

    def apply(self, claim: CustomerClaim, answer: CustomerSnapshot) -> str:
        """Note what the customer is charged on."""
        write_customer(claim, answer, has_details=False)
        return ""


SET_DEFAULT_PAYMENT_METHOD = register(SetDefaultPaymentMethodVerb())


def set_default_payment_method(*, customer: Customer, payment_method_id: str, origin: Origin = SYSTEM) -> Customer:
    """Charge one of the customer's payment methods from now on.

    Args:
        payment_method_id: the provider's id, as ``list_payment_methods`` gives it.

    Raises:
        InvalidInput: it is not the customer's.
        ProviderError: the provider refused or failed.
    """
    own_payment_method(customer, payment_method_id)
    params = {"payment_method_id": payment_method_id}
    changed: Customer = run(
        SET_DEFAULT_PAYMENT_METHOD, customer.pk, Request(params=params, match=params), origin
    ).subject
    return changed
