"""Give the provider an owner's new details."""

from __future__ import annotations

from django_stripe_gateway.choices import BillingOperationKind
from django_stripe_gateway.gateways.billing_values import CustomerSnapshot
from django_stripe_gateway.services.operations.verbs import register
from django_stripe_gateway.services.subscriptions.create_customer import customer_request, write_customer
from django_stripe_gateway.services.subscriptions.line import CustomerClaim, CustomerVerb, customer_id


class UpdateCustomerVerb(CustomerVerb[CustomerSnapshot]):
    """Change a customer's name, e-mail address and metadata."""

    kind = BillingOperationKind.UPDATE_CUSTOMER

    def call(self, claim: CustomerClaim) -> CustomerSnapshot:
        """Send the details."""
        snapshot: CustomerSnapshot = claim.gateway.update_customer(
            customer_id(claim), customer_request(claim.params), idempotency_key=claim.key
        )
        return snapshot

    def find_earlier(self, claim: CustomerClaim) -> CustomerSnapshot | None:
        """Return nothing: what is set once more makes nothing anew."""
        return None

    def apply(self, claim: CustomerClaim, answer: CustomerSnapshot) -> str:
        """Note that the provider has the details."""
        write_customer(claim, answer, has_details=True)
        return ""


UPDATE_CUSTOMER = register(UpdateCustomerVerb())
