"""Make a customer at the provider."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django_stripe_gateway.choices import BillingOperationKind
from django_stripe_gateway.gateways.billing_values import CustomerRequest, CustomerSnapshot
from django_stripe_gateway.models import Customer
from django_stripe_gateway.services.arrivals import handle_arrivals
from django_stripe_gateway.services.operations.verbs import register
from django_stripe_gateway.services.subscriptions.line import CustomerClaim, CustomerVerb
from django_stripe_gateway.services.transactions import payments_database

# What our call leaves on what it makes, so that an earlier attempt is found.
MARKER = "operation"


class CreateCustomerVerb(CustomerVerb[CustomerSnapshot]):
    """Make the customer; in development also give it a card that works."""

    kind = BillingOperationKind.CREATE_CUSTOMER

    def check(self, claim: CustomerClaim) -> None:
        """Ask nobody if another request has made it meanwhile."""
        claim.is_answered = claim.subject.exists_at_provider

    def call(self, claim: CustomerClaim) -> CustomerSnapshot:
        """Make it."""
        return _with_test_card(claim, claim.gateway.create_customer(_marked(claim), idempotency_key=claim.key))

    def find_earlier(self, claim: CustomerClaim) -> CustomerSnapshot | None:
        """Return the customer that carries the operation's mark."""
        found = claim.gateway.find_customer(_marked(claim), since=claim.operation.created)
        return None if found is None else _with_test_card(claim, found)

    def apply(self, claim: CustomerClaim, answer: CustomerSnapshot) -> str:
        """Take over the customer's id."""
        customer = claim.subject
        if customer.provider_id and customer.provider_id != answer.customer_id:
            customer.former_ids = [*customer.former_ids, customer.provider_id]
        customer.provider_id, customer.deleted = answer.customer_id, None
        write_customer(claim, answer, has_details=True)
        return answer.customer_id


CREATE_CUSTOMER = register(CreateCustomerVerb())


def customer_request(params: Mapping[str, Any]) -> CustomerRequest:
    """Return who is billed, as an operation has kept it."""
    return CustomerRequest(email=params["email"], name=params["name"], metadata=params["metadata"])


def write_customer(claim: CustomerClaim, answer: CustomerSnapshot, *, has_details: bool) -> None:
    """Write what the provider says of the locked customer.

    Args:
        has_details: the provider has the owner's details now, as they were when it was asked.
    """
    customer: Customer = claim.subject
    assert claim.began is not None  # noqa: S101 (the provider was asked)
    if has_details:
        customer.details_digest = claim.params.get("digest", "")
        if customer.details_changed is not None and customer.details_changed < claim.began:
            customer.details_changed = None
    customer.default_payment_method = answer.default_payment_method
    customer.livemode = bool(answer.livemode)
    customer.fetched_at = claim.began
    customer.save(using=payments_database())
    handle_arrivals(customer.provider_id or "")


def _marked(claim: CustomerClaim) -> CustomerRequest:
    request = customer_request(claim.params)
    return CustomerRequest(
        email=request.email, name=request.name, metadata={**request.metadata, MARKER: str(claim.operation.pk)}
    )


def _with_test_card(claim: CustomerClaim, customer: CustomerSnapshot) -> CustomerSnapshot:
    test_card = claim.gateway.test_payment_method
    if not test_card or customer.default_payment_method:
        return customer
    gateway, key = claim.gateway, claim.key
    method = gateway.attach_payment_method(test_card, customer.customer_id, idempotency_key=f"{key}-attach")
    with_card: CustomerSnapshot = gateway.set_default_payment_method(
        customer.customer_id, method.payment_method_id, idempotency_key=f"{key}-default"
    )
    return with_card
