"""Give up on a subscription that nobody can be asked about."""

from __future__ import annotations

from copy import copy

from django.utils import timezone

from django_stripe_gateway.choices import SubscriptionLogEvent, SubscriptionStatus
from django_stripe_gateway.exceptions import WrongState
from django_stripe_gateway.gateways.registry import get_billing_gateway
from django_stripe_gateway.models import BillingOperation, Subscription
from django_stripe_gateway.models.subscriptions import INCOMPLETE
from django_stripe_gateway.services.audit import write_log
from django_stripe_gateway.services.operations.giving_up import (
    KnownRow,
    close_operations,
    verify_reason,
    verify_unknown,
    verify_unleased,
)
from django_stripe_gateway.services.origins import SYSTEM, Origin
from django_stripe_gateway.services.subscriptions.announcements import announce_change
from django_stripe_gateway.services.subscriptions.missing import note_missing
from django_stripe_gateway.services.subscriptions.sync import lock_customer, lock_subscription
from django_stripe_gateway.services.transactions import money_transaction, payments_database, retry_on_deadlock
from django_stripe_gateway.transitions import can_transition_subscription


class KnownSubscription(KnownRow):
    """A subscription, or the page that it is started on."""

    @property
    def object_id(self) -> str:
        """The id of the subscription, or of its page."""
        subscription: Subscription = self.row
        return subscription.provider_id or subscription.checkout_id

    def find(self) -> bool:
        """Ask for it."""
        gateway = get_billing_gateway(self.row.variant)
        if self.row.provider_id:
            return bool(gateway.retrieve_subscription(self.row.provider_id))
        return bool(gateway.retrieve_subscription_checkout(self.row.checkout_id))

    def verify_missing(self) -> None:
        """Note the answer, which is believed as it is of any subscription; see ``missing``."""
        is_certain = not self.row.provider_id or note_missing(self.row, SYSTEM)
        super().verify_missing()
        if not is_certain:
            raise WrongState(
                "The provider does not know this subscription. One such answer ends nobody's: it is certain if it is "
                "the same an hour later.",
                code="not_certain",
            )


def give_up_subscription(*, subscription: Subscription, reason: str, origin: Origin = SYSTEM) -> Subscription:
    """End a subscription here that its provider does not know, or that belongs to another account; nobody is told.

    Its pending operations are closed with it.

    Args:
        reason: why, for the audit trail.

    Raises:
        InvalidInput: no reason was given.
        WrongState: it is over, or the provider knows it in the configured account.
        OperationInProgress: a process may still be waiting for the provider's answer about it.
        ProviderError: the provider refused to say, or failed.
    """
    reason = verify_reason(reason)
    if subscription.has_ended:
        raise WrongState(f"A subscription that is {subscription.status} is over.")
    verify_unknown(KnownSubscription(subscription), "subscription")
    operations = BillingOperation.objects.using(payments_database()).filter(subscription=subscription)
    verify_unleased(operations)
    close_operations(operations, reason, origin)
    return _end(subscription, reason, origin)


@retry_on_deadlock
def _end(subscription: Subscription, reason: str, origin: Origin) -> Subscription:
    with money_transaction():
        customer = lock_customer(subscription.customer_id)
        current = lock_subscription(subscription.pk)
        current.customer = customer
        ended = SubscriptionStatus.INCOMPLETE_EXPIRED if current.status in INCOMPLETE else SubscriptionStatus.CANCELED
        if not can_transition_subscription(current.status, ended):
            raise WrongState(f"A subscription that is {current.status} is over.")
        before, now = copy(current), timezone.now()
        current.status, current.ended_at, current.lost, current.given_up = ended, now, current.lost or now, now
        current.save(using=payments_database(), update_fields=["status", "ended_at", "lost", "given_up", "modified"])
        data = {"reason": reason, "status": before.status}
        write_log(current, SubscriptionLogEvent.GIVEN_UP, origin, reason, data)
        announce_change(current, before, ["status"], origin)
    return current
