"""Delete a customer at the provider, who forgets what they paid with, and keeps what they paid."""

from __future__ import annotations

from django_stripe_gateway.choices import BillingOperationKind
from django_stripe_gateway.exceptions import WrongState
from django_stripe_gateway.gateways.billing_values import CustomerSnapshot
from django_stripe_gateway.models import Customer, Subscription
from django_stripe_gateway.services.operations.engine import run
from django_stripe_gateway.services.operations.verbs import Request, register
from django_stripe_gateway.services.origins import Origin
from django_stripe_gateway.services.subscriptions.customers import note_deletion
from django_stripe_gateway.services.subscriptions.line import CustomerClaim, CustomerVerb, customer_id
from django_stripe_gateway.services.transactions import payments_database


class DeleteCustomerVerb(CustomerVerb[CustomerSnapshot]):
    """Delete a customer."""

    kind = BillingOperationKind.DELETE_CUSTOMER

    def check(self, claim: CustomerClaim) -> None:
        """Delete nobody who still subscribes: the provider would end that, too."""
        subscriptions = Subscription.objects.using(payments_database()).filter(customer=claim.subject)
        if subscriptions.not_ended().exists():
            raise WrongState("A customer who still subscribes is not deleted. Close the account first.")
        claim.is_answered = not claim.subject.exists_at_provider

    def call(self, claim: CustomerClaim) -> CustomerSnapshot:
        """Delete it."""
        left: CustomerSnapshot = claim.gateway.delete_customer(customer_id(claim), idempotency_key=claim.key)
        return left

    def find_earlier(self, claim: CustomerClaim) -> CustomerSnapshot | None:
        """Return what is left of the customer, if an earlier attempt has deleted it."""
        found: CustomerSnapshot = claim.gateway.retrieve_customer(customer_id(claim))
        return found if found.is_deleted else None

    def apply(self, claim: CustomerClaim, answer: CustomerSnapshot) -> str:
        """Note that it is gone."""
        note_deletion(claim.subject)
        return answer.customer_id


DELETE_CUSTOMER = register(DeleteCustomerVerb())


def delete_customer(customer: Customer, origin: Origin) -> Customer:
    """Delete a customer at the provider, unless that has been done.

    Raises:
        WrongState: they still subscribe to something.
        UnsupportedByGateway: the provider deletes nobody.
        ProviderError: the provider refused or failed.
    """
    deleted: Customer = run(DELETE_CUSTOMER, customer.pk, Request(), origin).subject
    return deleted
