"""What a customer is charged on: the default payment method, which running subscriptions are charged on as well.

A subscription's own payment method wins over its customer's default one, and most have one of their own: Checkout
gives them what was paid with, and so does the first payment of a direct one. A schedule gives its subscription one,
too. So whoever chooses another default has it charged only once the subscriptions' own are gone, and their schedules'.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from django_stripe_gateway.choices import BillingOperationKind
from django_stripe_gateway.exceptions import ProviderError, ProviderStateError
from django_stripe_gateway.gateways.billing_values import CustomerSnapshot, SubscriptionSnapshot
from django_stripe_gateway.gateways.schedule_values import ScheduleSnapshot
from django_stripe_gateway.models import Customer, Subscription
from django_stripe_gateway.models.subscriptions import INCOMPLETE, SubscriptionQuerySet
from django_stripe_gateway.services.operations.engine import run
from django_stripe_gateway.services.operations.verbs import Request, register
from django_stripe_gateway.services.origins import SYSTEM, Origin
from django_stripe_gateway.services.subscriptions.customers import look_up_customer, write_customer
from django_stripe_gateway.services.subscriptions.freshness import Known, Look
from django_stripe_gateway.services.subscriptions.grace import is_in_doubt
from django_stripe_gateway.services.subscriptions.line import CustomerClaim, CustomerVerb, customer_id
from django_stripe_gateway.services.subscriptions.payment_methods import own_payment_method
from django_stripe_gateway.services.subscriptions.sync import look_up_subscription, take_look
from django_stripe_gateway.services.transactions import payments_database
from django_stripe_gateway.transitions import ENDED_SUBSCRIPTIONS


@dataclass(frozen=True, slots=True)
class PaymentMethodsInUse:
    """What a customer is charged on, as far as the rows know.

    Args:
        default: what all running subscriptions are charged on, save those whose invoices are sent; where they differ,
            or there are none, the customer's default one. Empty if there is none.
        subscriptions: the provider's ids of the running subscriptions that are charged on a payment method, by its id.
    """

    default: str = ""
    subscriptions: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DefaultSet:
    """The customer with another default, and the running subscriptions as they are afterwards."""

    customer: CustomerSnapshot
    subscriptions: Sequence[SubscriptionSnapshot]


class SetDefaultPaymentMethodVerb(CustomerVerb[DefaultSet]):
    """Charge another payment method from now on.

    The customer comes first: killed in between, the subscriptions are still charged on what they were charged on
    before. ``claim.seen`` is what was known of the customer, and the running subscriptions as they were before the
    call, by the provider's ids; ``claim.result`` whether the customer has to be looked up after it, and which of those.
    """

    kind = BillingOperationKind.SET_DEFAULT_PAYMENT_METHOD

    def begin_call(self, claim: CustomerClaim) -> None:
        """Remember customer and subscriptions, which their events may change before the answer is written."""
        rows = _running(claim.subject).select_related("customer", "plan", "pricing")
        claim.seen = Known.of(claim.subject), {row.provider_id: row for row in rows}

    def call(self, claim: CustomerClaim) -> DefaultSet:
        """Set it, then take from each running subscription what it has of its own."""
        customer: CustomerSnapshot = claim.gateway.set_default_payment_method(
            customer_id(claim), claim.params["payment_method_id"], idempotency_key=claim.key
        )
        if not claim.params["running_subscriptions"]:
            return DefaultSet(customer, [])
        listed: Sequence[SubscriptionSnapshot] = claim.gateway.list_subscriptions(customer_id(claim))
        running = [_without_own(claim, found) for found in listed if found.status not in ENDED_SUBSCRIPTIONS]
        return DefaultSet(customer, running)

    def find_earlier(self, claim: CustomerClaim) -> DefaultSet | None:
        """Return nothing: what is set or cleared once more makes nothing anew."""
        return None

    def apply(self, claim: CustomerClaim, answer: DefaultSet) -> str:
        """Note what the customer is charged on, and their subscriptions."""
        known, before = claim.seen
        is_crossed = not write_customer(claim, answer.customer, known, has_details=False)
        assert claim.began is not None  # noqa: S101 (the provider was asked)
        to_look_up: list[int] = []
        claim.result = is_crossed, to_look_up
        for snapshot in answer.subscriptions:
            seen = before.get(snapshot.subscription_id)
            if seen is None or (seen.default_payment_method, seen.status) == (
                snapshot.default_payment_method,
                snapshot.status,
            ):
                continue
            look = Look(Known.of(seen), claim.began, snapshot)
            if is_in_doubt(seen, snapshot) or take_look(claim.subject, seen, look, claim.origin) is None:
                to_look_up.append(seen.pk)
        return ""

    def after_apply(self, claim: CustomerClaim) -> None:
        """Look up what an event about has crossed the answer, and the subscriptions that were not known to be late."""
        is_crossed, to_look_up = claim.result
        if is_crossed:
            claim.subject = look_up_customer(claim.subject.pk)
        for subscription_pk in to_look_up:
            look_up_subscription(subscription_pk, claim.origin)


SET_DEFAULT_PAYMENT_METHOD = register(SetDefaultPaymentMethodVerb())


def set_default_payment_method(
    *, customer: Customer, payment_method_id: str, running_subscriptions: bool = True, origin: Origin = SYSTEM
) -> Customer:
    """Charge one of the customer's payment methods from now on, for running subscriptions too.

    Args:
        payment_method_id: the provider's id, as ``list_payment_methods`` gives it.
        running_subscriptions: ``False`` leaves those that have a payment method of their own on that one.

    Raises:
        InvalidInput: it is not the customer's.
        ProviderError: the provider refused or failed.
    """
    own_payment_method(customer, payment_method_id)
    params = {"payment_method_id": payment_method_id, "running_subscriptions": running_subscriptions}
    changed: Customer = run(
        SET_DEFAULT_PAYMENT_METHOD, customer.pk, Request(params=params, match=params), origin
    ).subject
    return changed


def payment_methods_in_use(*, customer: Customer | None) -> PaymentMethodsInUse:
    """Return what a customer is charged on; asks the database only, and knows nothing of whoever is no customer yet."""
    if customer is None:
        return PaymentMethodsInUse()
    charged: dict[str, list[str]] = {}
    # What is sent to its customer is charged on nothing, nor is what waits for a first payment, which may never come.
    rows = _running(customer).exclude(collection_method="send_invoice").exclude(status__in=INCOMPLETE)
    for subscription_id, own in rows.values_list("provider_id", "default_payment_method"):
        charged.setdefault(own or customer.default_payment_method, []).append(str(subscription_id))
    default = next(iter(charged)) if len(charged) == 1 else customer.default_payment_method
    charged.pop("", None)
    return PaymentMethodsInUse(default, charged)


def _running(customer: Customer) -> SubscriptionQuerySet:
    rows = Subscription.objects.using(payments_database()).reachable().not_ended()
    return rows.filter(customer=customer, provider_id__isnull=False).order_by("pk")


def _without_own(claim: CustomerClaim, found: SubscriptionSnapshot) -> SubscriptionSnapshot:
    """Return a running subscription once neither it nor its schedule has a payment method of its own."""
    try:
        if found.schedule_id:
            # It would give the subscription its own again: with its next phase, or with any change of it.
            _clear_schedule(claim, found.schedule_id)
        if not found.default_payment_method:
            return found
        cleared: SubscriptionSnapshot = claim.gateway.charge_customers_default(
            found.subscription_id, idempotency_key=f"{claim.key}-{found.subscription_id}"
        )
    except ProviderError as error:
        if not error.is_missing and not isinstance(error, ProviderStateError):
            raise
        # Ended since it was listed, it is charged no more.
        cleared = claim.gateway.retrieve_subscription(found.subscription_id)
        if cleared.status not in ENDED_SUBSCRIPTIONS:
            raise
    return cleared


def _clear_schedule(claim: CustomerClaim, schedule_id: str) -> None:
    schedule: ScheduleSnapshot = claim.gateway.retrieve_schedule(schedule_id)
    if not (schedule.is_running and schedule.has_payment_method):
        return
    try:
        claim.gateway.clear_schedule_payment_method(schedule, idempotency_key=f"{claim.key}-{schedule_id}")
    except ProviderStateError:
        # Released since, it does nothing more.
        if claim.gateway.retrieve_schedule(schedule_id).is_running:
            raise
