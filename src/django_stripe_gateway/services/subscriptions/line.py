"""What all verbs of billing share: the customer's row is their lock, so that each has one pending operation at most."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any, TypeVar

from django.db import transaction
from django.utils import timezone

from django_stripe_gateway.adapter import CallKind
from django_stripe_gateway.choices import SubscriptionLogEvent, SubscriptionStatus
from django_stripe_gateway.exceptions import (
    GatewayConfigurationError,
    GatewayError,
    InvalidInput,
    ProviderError,
    ProviderStateError,
    WrongState,
)
from django_stripe_gateway.gateways.billing import BillingGateway
from django_stripe_gateway.gateways.billing_values import SubscriptionSnapshot
from django_stripe_gateway.gateways.registry import get_billing_gateway
from django_stripe_gateway.models import BillingOperation, Customer, Subscription
from django_stripe_gateway.services.audit import write_log
from django_stripe_gateway.services.further_params import FurtherParams, ask_host
from django_stripe_gateway.services.operations.engine import carry_on, is_unanswered, resume, run, scoped_request_key
from django_stripe_gateway.services.operations.verbs import Claim, Request, Verb
from django_stripe_gateway.services.origins import Origin
from django_stripe_gateway.services.subscriptions.freshness import Known, Look
from django_stripe_gateway.services.subscriptions.planned_again import LET_GO, plan_again
from django_stripe_gateway.services.subscriptions.sync import (
    lock_customer,
    lock_subscription,
    look_up_subscription,
    take_look,
)
from django_stripe_gateway.services.transactions import payments_database

A = TypeVar("A")
CustomerClaim = Claim[Customer, BillingOperation]

logger = logging.getLogger(__name__)

CHANGEABLE = (SubscriptionStatus.ACTIVE, SubscriptionStatus.TRIALING, SubscriptionStatus.PAST_DUE)


class CustomerVerb(Verb[Customer, BillingOperation, A]):
    """A verb about a customer."""

    noun = "customer"
    subject_field = "customer"
    model = BillingOperation

    def lock(self, subject_pk: Any) -> Customer:
        """Return the customer, its row locked."""
        return lock_customer(subject_pk)

    def gateway(self, claim: CustomerClaim) -> BillingGateway:
        """Return the gateway of the customer's account."""
        return get_billing_gateway(claim.subject.variant)

    def check(self, claim: CustomerClaim) -> None:
        """Allow it; what is not allowed was refused before."""

    def begin_call(self, claim: CustomerClaim) -> None:
        """Remember the subscription as it is before its answer, which an event may overtake."""
        # What ``check`` has read, or made, was read under the lock.
        claim.seen = claim.seen or claimed_subscription(claim)

    def note_failure(self, claim: CustomerClaim, error: GatewayError, *, is_over: bool) -> None:
        """Log a failed call on the subscription that it was about, and end one that was never started."""
        if claim.operation.subscription_id is None:
            return
        subscription = lock_subscription(claim.operation.subscription_id)
        data = {"kind": claim.operation.kind, "code": error.code, "request_id": error.request_id}
        # What is wrong with the settings is for the log and the error alone.
        detail = "" if isinstance(error, GatewayConfigurationError) else error.detail
        write_log(subscription, SubscriptionLogEvent.OPERATION_FAILED, claim.origin, detail, data)
        if is_over and subscription.status == SubscriptionStatus.STARTING and not subscription.provider_id:
            subscription.status = SubscriptionStatus.INCOMPLETE_EXPIRED
            subscription.ended_at = timezone.now()
            subscription.save(using=payments_database(), update_fields=["status", "ended_at", "modified"])

    def after_refusal(self, claim: CustomerClaim, error: GatewayError, *, is_over: bool) -> None:
        """Bring the subscription of a refused call up to date; what was scheduled is in another schedule by then.

        Raises:
            WrongState: the state of the provider's object forbids it, or it is unknown there.
        """
        is_about_state = isinstance(error, ProviderStateError)
        is_missing = isinstance(error, ProviderError) and error.is_missing
        if not is_over or not (is_about_state or is_missing or LET_GO in claim.params):
            return
        subscription = claimed_subscription(claim)
        if subscription is not None and subscription.provider_id:
            look_up_subscription(subscription.pk, claim.origin)
        if not is_about_state:
            return
        raise WrongState(error.detail, code=error.code, request_id=error.request_id) from error

    def supersede(self, claim: CustomerClaim) -> None:
        """Carry it out, so that what is asked for finds it done."""
        carry_on(claim)


class SubscriptionVerb(CustomerVerb[SubscriptionSnapshot]):
    """A verb about one subscription, answered with the subscription.

    ``claim.seen`` is the subscription as it was read last before the call, ``claim.result`` as it is afterwards.
    """

    def check(self, claim: CustomerClaim) -> None:
        """Let only what was started be asked for, and what ``check_subscription`` allows."""
        claim.seen = subscription = claimed_subscription(claim)
        if subscription is None or not subscription.provider_id:
            raise WrongState("This subscription has not been started.")
        self.check_subscription(claim, subscription)

    def check_subscription(self, claim: CustomerClaim, subscription: Subscription) -> None:
        """Raise ``WrongState`` if the subscription, read under its customer's lock, does not allow it."""

    def begin_call(self, claim: CustomerClaim) -> None:
        """Remember the subscription, and that what is let go for the call is planned again if that is refused.

        An earlier attempt may have let go already, and this one be refused before it would.
        """
        super().begin_call(claim)
        claim.undo = lambda: plan_again(claim)

    def find_earlier(self, claim: CustomerClaim) -> SubscriptionSnapshot | None:
        """Return nothing: what is set once more makes nothing anew."""
        return None

    def apply(self, claim: CustomerClaim, answer: SubscriptionSnapshot) -> str:
        """Bring the subscription to what the provider says, unless an event has been faster."""
        assert claim.began is not None  # noqa: S101 (the provider was asked)
        # Whoever looked while we asked may have seen the subscription as it was before.
        look = Look(Known.of(claim.seen), claim.began, answer, asked=timezone.now())
        claim.result = take_look(claim.subject, claim.seen, look, claim.origin)
        return answer.subscription_id

    def after_apply(self, claim: CustomerClaim) -> None:
        """Return the subscription as it is now; only another look says which of two that crossed is newer."""
        if claim.result is None:
            claim.result = look_up_subscription(claim.seen.pk, claim.origin)


def ask_host_for(
    kind: CallKind, customer: Customer, *, own_metadata: Collection[str] = (), **about: Any
) -> FurtherParams:
    """Return what the host adds to a call about a customer; see ``ask_host``."""
    return ask_host(kind, get_billing_gateway, customer.variant, own_metadata=own_metadata, customer=customer, **about)


def claimed_subscription(claim: CustomerClaim) -> Subscription | None:
    """Return the subscription that an operation is about, as it is now."""
    if claim.operation.subscription_id is None:
        return None
    rows = Subscription.objects.using(payments_database()).select_related("customer", "plan", "pricing")
    return rows.get(pk=claim.operation.subscription_id)


def customer_id(claim: CustomerClaim) -> str:
    """Return the provider's id of the customer that is about to be called."""
    return claim.subject.provider_id or ""


def run_on_subscription(
    verb: SubscriptionVerb,
    subscription: Subscription,
    params: Mapping[str, Any],
    idempotency_key: str | None,
    origin: Origin,
    find: Callable[[], Mapping[str, Any]] | None = None,
) -> Subscription:
    """Run a verb on a subscription, and return the subscription as it is afterwards.

    Args:
        find: returns further parameters, by which no repeat is known; not called for a request that was made before.
    """
    key = scoped_request_key(idempotency_key, verb.kind, subscription.pk)
    request = Request(params=params, match=params, about={"subscription_id": subscription.pk}, key=key)
    if find is not None and not was_made_before(verb, subscription.customer_id, request):
        request = replace(request, params={**params, **find()})
    claim = run(verb, subscription.customer_id, request, origin)
    changed: Subscription | None = claim.result or claimed_subscription(claim)
    assert changed is not None  # noqa: S101 (the operation is about one)
    return changed


def was_made_before(verb: Verb[Any, Any, Any], customer_pk: Any, request: Request) -> bool:
    """Return whether this very request has no answer yet, or its key has one."""
    if is_unanswered(verb, customer_pk, request):
        return True
    return request.key is not None and verb.operations(customer_pk).filter(request_key=request.key).exists()


def ask_after_commit(
    verb: CustomerVerb[Any], customer_pk: int, params: Mapping[str, Any], origin: Origin, **about: Any
) -> None:
    """Commit an operation with what an event says, and carry it out after that; ``reconcile`` finds it if that fails.

    Args:
        about: further columns of the operation.
    """
    operation = verb.operations().create(
        customer_id=customer_pk,
        kind=verb.kind,
        params={**params, "origin": asdict(origin)},
        leased_until=timezone.now(),
        **about,
    )
    transaction.on_commit(lambda: _carry_out(operation.pk), using=payments_database(), robust=True)


def _carry_out(operation_pk: int) -> None:
    try:
        resume(BillingOperation, operation_pk)
    except GatewayError as error:
        logger.warning("The operation %s waits for reconcile: %s.", operation_pk, error.code)


def check_moment(moment: datetime | None, *, field: str, is_to_come: str = "") -> None:
    """Raise ``InvalidInput`` for a moment without a time zone, which names several.

    Args:
        is_to_come: the sentence that refuses one that has passed; empty to take any.
    """
    if moment is None:
        return
    if timezone.is_naive(moment):
        raise InvalidInput("A moment needs a time zone.", field=field)
    if is_to_come and moment <= timezone.now():
        raise InvalidInput(is_to_come, field=field)


def check_changeable(subscription: Subscription) -> None:
    """Raise ``WrongState`` if a subscription is over, or its first payment is open."""
    if subscription.status not in CHANGEABLE:
        raise WrongState(f"A subscription that is {subscription.status} cannot be changed.")
