"""Give up on an operation whose outcome nobody will ever tell.

Staff give up on what its provider does not know, or what belongs to another account, and say why; nobody is asked to
change anything. What the provider does know in the configured account is refused: it may still charge for it.
"""

from __future__ import annotations

from django_stripe_gateway.exceptions import WrongState
from django_stripe_gateway.gateways.registry import get_billing_gateway, is_supported_variant
from django_stripe_gateway.models import BillingOperation, PaymentOperation
from django_stripe_gateway.models.operations import AbstractOperation
from django_stripe_gateway.services.operations.giving_up import (
    KnownRow,
    close_operations,
    verify_reason,
    verify_unknown,
    verify_unleased,
)
from django_stripe_gateway.services.operations.verbs import verb_of
from django_stripe_gateway.services.origins import SYSTEM, Origin
from django_stripe_gateway.services.payments.give_up import KnownPayment
from django_stripe_gateway.services.subscriptions.give_up import KnownSubscription
from django_stripe_gateway.services.transactions import payments_database


class KnownCustomer(KnownRow):
    """A customer, who is known unless the provider says that they were deleted."""

    @property
    def object_id(self) -> str:
        """The customer's id."""
        return self.row.provider_id or ""

    def find(self) -> bool:
        """Ask for the customer."""
        return not get_billing_gateway(self.row.variant).retrieve_customer(self.object_id).is_deleted


class KnownVariant(KnownRow):
    """What a catalogue's operation is about: it can be resumed as long as its variant is there."""

    def is_known(self) -> bool:
        """Return whether there is anybody to ask."""
        return is_supported_variant(self.row.variant)


def give_up_operation(*, operation: AbstractOperation, reason: str, origin: Origin = SYSTEM) -> AbstractOperation:
    """Close a pending operation whose outcome nobody will ever tell; what it was about stays as it is.

    Args:
        reason: why, for the audit trail.

    Raises:
        InvalidInput: no reason was given.
        WrongState: it is not pending, or the provider knows what it is about.
        OperationInProgress: a process may still be waiting for its answer.
        ProviderError: the provider refused to say, or failed.
    """
    reason = verify_reason(reason)
    if not operation.is_pending:
        raise WrongState(f"An operation that is {operation.state} is settled.")
    verb = verb_of(operation)
    rows = verb.operations().filter(pk=operation.pk)
    verify_unleased(rows)
    verify_unknown(_subject(operation), verb.noun)
    close_operations(rows, reason, origin)
    operation.refresh_from_db(using=payments_database())
    return operation


def _subject(operation: AbstractOperation) -> KnownRow:
    if isinstance(operation, PaymentOperation):
        return KnownPayment(operation.payment)
    if not isinstance(operation, BillingOperation):
        return KnownVariant(operation)
    known = KnownCustomer(operation.customer)
    subscription = operation.subscription
    return known if subscription is None or not known.is_known() else KnownSubscription(subscription)
