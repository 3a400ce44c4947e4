"""Carry out a billing operation: call the provider outside of any transaction, then write its answer under the lock."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils import timezone

from django_stripe_gateway.choices import BillingOperationKind as Kind
from django_stripe_gateway.choices import OperationState, SubscriptionLogEvent, SubscriptionStatus
from django_stripe_gateway.exceptions import (
    GatewayConfigurationError,
    GatewayError,
    OperationInProgress,
    ProviderStateError,
    WrongState,
)
from django_stripe_gateway.gateways.billing import BillingGateway
from django_stripe_gateway.gateways.billing_values import (
    BillingCheckoutSnapshot,
    CustomerSnapshot,
    PaymentMethodSnapshot,
    SubscriptionSnapshot,
)
from django_stripe_gateway.gateways.registry import get_billing_gateway
from django_stripe_gateway.models import BillingOperation, Customer, Subscription
from django_stripe_gateway.services.arrivals import handle_arrivals
from django_stripe_gateway.services.operations.lifecycle import close_operation, recorded_origin
from django_stripe_gateway.services.origins import SYSTEM, Origin
from django_stripe_gateway.services.subscriptions import calls
from django_stripe_gateway.services.subscriptions.audit import log_subscription
from django_stripe_gateway.services.subscriptions.checkouts import write_checkout
from django_stripe_gateway.services.subscriptions.freshness import Known, Look
from django_stripe_gateway.services.subscriptions.operations import (
    BillingBegun,
    BillingIntention,
    begin_billing,
    lock_customer,
    lock_subscription,
    settle_failed_billing,
    take_over_billing,
)
from django_stripe_gateway.services.subscriptions.refresh import look_up_subscription, write_look
from django_stripe_gateway.services.transactions import money_transaction, payments_database, retry_on_deadlock

logger = logging.getLogger(__name__)

MAX_ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an operation.

    Args:
        subscription: the one that it was about, as it is now.
        answer: what the provider said; ``None`` when an earlier request has heard it.
    """

    operation: BillingOperation
    customer: Customer
    subscription: Subscription | None
    answer: Any = None


def run_billing(customer_id: int, intention: BillingIntention, origin: Origin) -> Outcome:
    """Do what ``intention`` asks for, once; what an earlier process left behind is settled first.

    Raises:
        OperationInProgress: another request about this customer is under way.
        GatewayError: see ``begin_billing`` and ``perform_billing``.
    """
    for _round in range(MAX_ROUNDS):
        begun = begin_billing(customer_id, intention, origin)
        if begun.is_answered:
            return Outcome(begun.operation, begun.customer, _subscription_of(begun.operation))
        if begun.is_own:
            return perform_billing(begun, origin)
        _settle_earlier(begun, origin)
    raise OperationInProgress("Other operations on this customer keep coming first. Try again.", retry_after=1)


def resume_billing(operation_id: int, origin: Origin = SYSTEM) -> None:
    """Settle an abandoned operation in the name of who asked for it; does nothing if it is settled already.

    Raises:
        GatewayError: the provider refused (which settles it), or is still silent (which does not).
    """
    begun = take_over_billing(operation_id)
    if begun is not None:
        perform_billing(begun, recorded_origin(begun.operation) or origin)


def _settle_earlier(begun: BillingBegun, origin: Origin) -> None:
    """Carry on what somebody else had asked for; that it is refused is their news and not this caller's."""
    try:
        perform_billing(begun, recorded_origin(begun.operation) or origin)
    except GatewayError as error:
        if BillingOperation.objects.using(payments_database()).filter(pk=begun.operation.pk).pending().exists():
            raise
        logger.info("The earlier operation %s was refused: %s.", begun.operation.pk, error.code)


def perform_billing(begun: BillingBegun, origin: Origin) -> Outcome:
    """Ask the provider for what ``begun`` stands for, and write the answer.

    Raises:
        PaymentDeclined: the first payment, or the one that a change needs, was declined.
        WrongState: the provider's object does not allow it; the subscription has been brought up to date.
        ProviderError: the provider refused or failed.
    """
    subscription = _subscription_of(begun.operation)
    known = Known.of(subscription) if subscription is not None else Known(None, None)
    began = timezone.now()
    try:
        gateway = get_billing_gateway(begun.customer.account)
        answer = CALLS[begun.operation.kind](gateway, begun, subscription)
    except GatewayError as error:
        is_over = _write_failure(begun, error, origin)
        if is_over and isinstance(error, ProviderStateError):
            if subscription is not None and subscription.subscription_id:
                look_up_subscription(subscription.pk, origin)
            raise WrongState(error.detail, code=error.code, request_id=error.request_id) from error
        raise
    if isinstance(answer, SubscriptionSnapshot):
        assert subscription is not None  # noqa: S101 (what answers with a subscription is about one)
        written = write_look(subscription.pk, Look(known, began, answer), origin)
        operation = _close(begun, answer.subscription_id)
        if not written:
            # An event has been faster: only another look tells which of the two is newer.
            look_up_subscription(subscription.pk, origin)
        subscription = Subscription.objects.using(payments_database()).get(pk=subscription.pk)
        subscription.client_secret = answer.client_secret
        subscription.client_secret_kind = answer.client_secret_kind
        return Outcome(operation, subscription.customer, subscription, answer)
    if isinstance(answer, BillingCheckoutSnapshot):
        assert subscription is not None  # noqa: S101 (what answers with a page is about one)
        subscription = write_checkout(subscription.pk, answer, origin)
        return Outcome(_close(begun, answer.session_id), begun.customer, subscription, answer)
    customer = _write_customer(begun, answer, began)
    return Outcome(_close(begun), customer, subscription, answer)


@retry_on_deadlock
def _close(begun: BillingBegun, object_id: str = "") -> BillingOperation:
    with money_transaction():
        lock_customer(begun.customer.pk)
        operation = BillingOperation.objects.using(payments_database()).get(pk=begun.operation.pk)
        if operation.is_pending:
            close_operation(operation, OperationState.SUCCEEDED, object_id)
            operation.save(using=payments_database())
    return operation


@retry_on_deadlock
def _write_customer(begun: BillingBegun, answer: Any, began: datetime) -> Customer:
    with money_transaction():
        customer = lock_customer(begun.customer.pk)
        if isinstance(answer, CustomerSnapshot):
            kind, params = begun.operation.kind, begun.operation.params
            if kind == Kind.CREATE_CUSTOMER:
                if customer.customer_id and customer.customer_id != answer.customer_id:
                    customer.former_ids = [*customer.former_ids, customer.customer_id]
                customer.customer_id, customer.deleted = answer.customer_id, None
            if kind in (Kind.CREATE_CUSTOMER, Kind.UPDATE_CUSTOMER):
                customer.details_digest = params.get("digest", "")
                if customer.details_changed is not None and customer.details_changed < began:
                    customer.details_changed = None
            customer.default_payment_method = answer.default_payment_method
            customer.livemode = bool(answer.livemode)
            customer.fetched_at = began
            customer.save(using=payments_database())
            handle_arrivals(customer.customer_id or "")
        elif isinstance(answer, PaymentMethodSnapshot) and customer.default_payment_method == answer.payment_method_id:
            customer.default_payment_method = ""
            customer.save(using=payments_database(), update_fields=["default_payment_method", "modified"])
    return customer


@retry_on_deadlock
def _write_failure(begun: BillingBegun, error: GatewayError, origin: Origin) -> bool:
    """Settle a refused operation along with the row that was made for it."""
    with money_transaction():
        lock_customer(begun.customer.pk)
        is_over = settle_failed_billing(begun, error)
        if begun.operation.subscription_id is None:
            return is_over
        subscription = lock_subscription(begun.operation.subscription_id)
        data = {"kind": begun.operation.kind, "code": error.code, "request_id": error.request_id}
        # What is wrong with the settings is for the log and the error alone.
        detail = "" if isinstance(error, GatewayConfigurationError) else error.detail
        log_subscription(subscription, SubscriptionLogEvent.OPERATION_FAILED, origin, detail, data)
        if is_over and subscription.status == SubscriptionStatus.STARTING and not subscription.subscription_id:
            subscription.status = SubscriptionStatus.INCOMPLETE_EXPIRED
            subscription.ended_at = timezone.now()
            subscription.save(using=payments_database(), update_fields=["status", "ended_at", "modified"])
    return is_over


def _subscription_of(operation: BillingOperation) -> Subscription | None:
    if operation.subscription_id is None:
        return None
    rows = Subscription.objects.using(payments_database()).select_related("customer", "plan", "pricing")
    return rows.get(pk=operation.subscription_id)


Call = Callable[[BillingGateway, BillingBegun, Any], Any]

CALLS: Mapping[str, Call] = {
    Kind.CREATE_CUSTOMER: calls.create_customer,
    Kind.UPDATE_CUSTOMER: calls.update_customer,
    Kind.SUBSCRIBE: calls.subscribe,
    Kind.CHECKOUT: calls.open_checkout,
    Kind.CHANGE: calls.change,
    Kind.CANCEL: calls.cancel,
    Kind.RESUME: calls.resume,
    Kind.PAUSE: calls.pause,
    Kind.UNPAUSE: calls.unpause,
    Kind.ADD_PAYMENT_METHOD: calls.add_payment_method,
    Kind.SET_DEFAULT_PAYMENT_METHOD: calls.set_default_payment_method,
    Kind.REMOVE_PAYMENT_METHOD: calls.remove_payment_method,
    Kind.PORTAL: calls.open_portal,
}
