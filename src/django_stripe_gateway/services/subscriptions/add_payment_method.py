"""Let a customer add a payment method in the browser."""

from __future__ import annotations

from django_stripe_gateway.choices import BillingOperationKind
from django_stripe_gateway.gateways.billing_values import SetupSnapshot
from django_stripe_gateway.models import Customer
from django_stripe_gateway.services.operations.engine import run
from django_stripe_gateway.services.operations.verbs import Request, register
from django_stripe_gateway.services.origins import SYSTEM, Origin
from django_stripe_gateway.services.subscriptions.create_customer import MARKER
from django_stripe_gateway.services.subscriptions.line import CustomerClaim, CustomerVerb, customer_id


class AddPaymentMethodVerb(CustomerVerb[SetupSnapshot]):
    """Make a SetupIntent."""

    kind = BillingOperationKind.ADD_PAYMENT_METHOD

    def call(self, claim: CustomerClaim) -> SetupSnapshot:
        """Make it, with the operation's mark."""
        setup: SetupSnapshot = claim.gateway.create_setup(
            customer_id(claim), metadata={MARKER: str(claim.operation.pk)}, idempotency_key=claim.key
        )
        return setup

    def find_earlier(self, claim: CustomerClaim) -> SetupSnapshot | None:
        """Return the SetupIntent that carries the operation's mark."""
        setup: SetupSnapshot | None = claim.gateway.find_setup(
            customer_id(claim), metadata={MARKER: str(claim.operation.pk)}
        )
        return setup

    def apply(self, claim: CustomerClaim, answer: SetupSnapshot) -> str:
        """Keep its id with the operation; its secret is not stored."""
        return answer.setup_id


ADD_PAYMENT_METHOD = register(AddPaymentMethodVerb())


def add_payment_method(*, customer: Customer, origin: Origin = SYSTEM) -> SetupSnapshot:
    """Return a SetupIntent, whose client secret lets the customer add a payment method in the browser.

    Raises:
        ProviderError: the provider refused or failed.
    """
    setup: SetupSnapshot = run(ADD_PAYMENT_METHOD, customer.pk, Request(), origin).answer
    return setup
