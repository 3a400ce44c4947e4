"""The life of a billing operation: committed before the call, leased while it runs, settled by its answer.

Like ``services.operations`` for payments, with the customer's row as the lock: a customer has one pending operation at
most. What was asked and never answered is carried on under its own idempotency key before anything else is begun.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from django_stripe_gateway.exceptions import GatewayError
from django_stripe_gateway.models import BillingOperation, Customer, Subscription
from django_stripe_gateway.services.operations.lifecycle import lease_end, note_failure, take_over
from django_stripe_gateway.services.origins import Origin
from django_stripe_gateway.services.transactions import money_transaction, payments_database, retry_on_deadlock

Prepare = Callable[[Customer], Subscription | None]


@dataclass(frozen=True, slots=True)
class BillingIntention:
    """What a caller wants of a customer.

    Args:
        kind: one of ``BillingOperationKind``.
        params: what the call needs, as JSON: a repeat sends the same bytes.
        subscription_id: our row that it is about; ``None`` for none, or for the one that ``prepare`` makes.
        prepare: runs under the customer's lock before the operation is stored: raises if what is wanted is not
            allowed, and returns the subscription that it makes.
        request_key: the caller's own idempotency key, already scoped to who asks for what.
    """

    kind: str
    params: Mapping[str, Any] = field(default_factory=dict)
    subscription_id: int | None = None
    prepare: Prepare | None = None
    request_key: str | None = None

    def is_met_by(self, operation: BillingOperation) -> bool:
        """Return whether a pending operation is this very wish, made before and not answered."""
        if self.request_key is not None:
            return operation.request_key == self.request_key
        is_about_same = self.subscription_id is None or operation.subscription_id == self.subscription_id
        same_params = all(operation.params.get(name) == value for name, value in self.params.items())
        return operation.kind == self.kind and is_about_same and same_params


@dataclass(frozen=True, slots=True)
class BillingBegun:
    """An operation that this process holds; see ``services.operations.Begun``."""

    customer: Customer
    operation: BillingOperation
    is_own: bool = True
    is_answered: bool = False

    @property
    def is_first_attempt(self) -> bool:
        """Whether the provider has certainly not been asked before."""
        return self.operation.attempts <= 1


def lock_customer(customer_id: int) -> Customer:
    """Return the customer, its row locked until the transaction ends."""
    return Customer.objects.using(payments_database()).select_for_update().get(pk=customer_id)


def lock_subscription(subscription_id: int) -> Subscription:
    """Return the subscription, its row locked until the transaction ends."""
    rows = Subscription.objects.using(payments_database()).select_for_update()
    return rows.get(pk=subscription_id)


@retry_on_deadlock
def begin_billing(customer_id: int, intention: BillingIntention, origin: Origin) -> BillingBegun:
    """Commit what is about to be asked of the provider, or take over the pending operation that stands in its way.

    Raises:
        OperationInProgress: another process is waiting for the provider's answer about this customer.
        GatewayError: whatever ``intention.prepare`` raises.
    """
    operations = BillingOperation.objects.using(payments_database())
    with money_transaction():
        customer = lock_customer(customer_id)
        pending = operations.filter(customer=customer).pending().first()
        if pending is not None:
            take_over(pending, "customer")
            return BillingBegun(customer, pending, is_own=intention.is_met_by(pending))
        if intention.request_key is not None:
            answered = operations.filter(request_key=intention.request_key, customer=customer).first()
            if answered is not None:
                return BillingBegun(customer, answered, is_answered=True)
        made = intention.prepare(customer) if intention.prepare is not None else None
        operation = BillingOperation(
            customer=customer,
            subscription_id=made.pk if made is not None else intention.subscription_id,
            kind=intention.kind,
            params={**intention.params, "origin": asdict(origin)},
            request_key=intention.request_key,
            attempts=1,
            leased_until=lease_end(),
        )
        operation.save(using=payments_database())
        return BillingBegun(customer, operation)


@retry_on_deadlock
def take_over_billing(operation_id: int) -> BillingBegun | None:
    """Take over an abandoned operation; ``None`` when it was settled meanwhile.

    Raises:
        OperationInProgress: its process may still be waiting for the answer.
    """
    operations = BillingOperation.objects.using(payments_database())
    with money_transaction():
        customer = lock_customer(operations.values_list("customer_id", flat=True).get(pk=operation_id))
        operation = operations.get(pk=operation_id)
        if not operation.is_pending:
            return None
        take_over(operation, "customer")
        return BillingBegun(customer, operation)


def settle_failed_billing(begun: BillingBegun, error: GatewayError) -> bool:
    """Write down that the provider refused (the operation is over) or stayed silent (it can be taken over at once).

    Must run in a transaction that holds the customer's lock.

    Returns:
        Whether the operation is over.
    """
    operation = BillingOperation.objects.using(payments_database()).get(pk=begun.operation.pk)
    if not operation.is_pending:
        return False
    operation.error = {"code": error.code, "request_id": error.request_id}
    is_over = note_failure(operation, error, is_first_attempt=begun.is_first_attempt)
    operation.save(using=payments_database())
    return is_over
