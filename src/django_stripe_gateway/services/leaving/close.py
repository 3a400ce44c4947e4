"""Close an account: end what is charged, close what could be paid, and say what only staff may decide."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from django.db.models import Q

from django_stripe_gateway.choices import PaymentStatus, SubscriptionStatus
from django_stripe_gateway.exceptions import (
    GatewayError,
    OperationInProgress,
    OtherAccount,
    ProviderError,
    ProviderStateError,
    ProviderUnavailable,
    UnknownAtProvider,
    WrongState,
)
from django_stripe_gateway.gateways.registry import bills_subscriptions, is_supported_variant
from django_stripe_gateway.models import (
    AbstractPayment,
    BillingOperation,
    Customer,
    PaymentOperation,
    Subscription,
)
from django_stripe_gateway.models.operations import AbstractOperation
from django_stripe_gateway.services.leaving.report import LeavingReport
from django_stripe_gateway.services.leaving.whose import Account, account_of
from django_stripe_gateway.services.operations.engine import resume, run
from django_stripe_gateway.services.operations.verbs import Request, pending_operations
from django_stripe_gateway.services.origins import SYSTEM, Origin
from django_stripe_gateway.services.payments.cancel import cancel_payment
from django_stripe_gateway.services.payments.refresh import sync_payment
from django_stripe_gateway.services.subscriptions.abandon import ABANDON
from django_stripe_gateway.services.subscriptions.cancel import cancel_subscription, give_up_unpaid
from django_stripe_gateway.services.subscriptions.elsewhere import take_in_what_runs
from django_stripe_gateway.services.subscriptions.invoices import look_up_invoice
from django_stripe_gateway.services.subscriptions.line import CHANGEABLE
from django_stripe_gateway.services.transactions import payments_database
from django_stripe_gateway.transitions import CANCELLABLE, PAYABLE

# A page that is abandoned may have started something meanwhile, which is ended then.
ROUNDS = 2
OUT_OF_REACH = (
    "Its provider does not know it, or it is of another account or mode than the site works with now. End it where it "
    "is, and give up on it here, in the admin."
)


def close_account(
    *,
    owner: Any = None,
    customer: Customer | None = None,
    email: str = "",
    at_period_end: bool = False,
    origin: Origin = SYSTEM,
) -> LeavingReport:
    """End all that an owner is charged for, and close all that they could still pay.

    Subscriptions end, those without a first payment are abandoned, pages are closed, one-off payments that wait are
    cancelled. The provider is asked what runs, so that nothing is missed of which no event has come. What was
    authorised is not released, and open invoices stay: both are listed for staff. What its provider does not know, or
    what is of another account, is listed until somebody gives up on it. Run again, it goes on where it was stopped,
    and does nothing twice.

    Args:
        owner: instance of ``STRIPE_GATEWAY_OWNER_MODEL``, or a user who has paid without being billed.
        customer: in place of an owner who is gone.
        email: the billing address of one who is gone: payments without an owner that carry it are closed, too.
        at_period_end: let what is paid for run until its period ends; what is not paid for ends at once all the same.

    Returns:
        What was done, and what remains; an error of the provider is a step, and not raised.

    Raises:
        InvalidInput: nobody is named, or an owner and somebody who is gone.
    """
    account, report = account_of(owner, customer, email), LeavingReport()
    _settle(BillingOperation, Q(customer__in=account.customers.order_by()), report, origin)
    _settle(PaymentOperation, Q(payment__in=account.payments.order_by()), report, origin)
    _learn_what_runs(account, report, origin)
    for turn in range(ROUNDS):
        _end_subscriptions(account, report, origin, at_period_end=at_period_end, is_last=turn == ROUNDS - 1)
    _cancel_payments(account, report, origin)
    _list_invoices(account, report, origin)
    return report


def open_ends(*, owner: Any = None, customer: Customer | None = None, email: str = "") -> list[str]:
    """Return what ``close_account`` would look at, a line each; nobody is asked, and nothing changed."""
    account = account_of(owner, customer, email)
    rows = [
        *account.subscriptions.not_ended(),
        *account.payments.filter(status__in=CANCELLABLE),
        *account.invoices.open(),
    ]
    return [f"{name_of(row)}: {row.status}{'' if is_reachable(row) else ', out of reach'}" for row in rows]


def is_reachable(row: Any) -> bool:
    """Return whether its provider can be asked about a row: not if it is of another account, or is lost there."""
    return bool(row.is_reachable if isinstance(row, Subscription) else row.is_of_configured_account)


def name_of(row: Any) -> str:
    """Return what a step is about: our key, and the provider's id where there is one."""
    provider_id = row.transaction_id if isinstance(row, AbstractPayment) else row.provider_id
    noun = row._meta.model_name if not isinstance(row, AbstractPayment) else "payment"
    return f"{noun} {row.pk}" + (f" ({provider_id})" if provider_id else "")


def _settle(table: type[AbstractOperation], about: Q, report: LeavingReport, origin: Origin) -> None:
    """Carry on what a process that died has asked for: nobody knows what it has started."""
    for operation in list(pending_operations(table).filter(about).order_by("pk")):
        subject = f"operation {operation.pk} ({operation.kind})"
        if _tried(subject, report, partial(resume, table, operation.pk, origin)):
            report.add(subject, "settled")


def _tried(subject: str, report: LeavingReport, act: Callable[[], object]) -> bool:
    """Do something, and return whether that was possible; what was not is a step."""
    try:
        act()
    except OperationInProgress as error:
        report.add(subject, "in progress", error.detail)
    except ProviderUnavailable as error:
        report.add(subject, "silent", error.detail)
    except (OtherAccount, UnknownAtProvider):
        report.add(subject, "out of reach", OUT_OF_REACH)
    except GatewayError as error:
        is_missing = isinstance(error, ProviderError) and error.is_missing
        report.add(subject, *(("out of reach", OUT_OF_REACH) if is_missing else ("refused", error.detail)))
    else:
        return True
    return False


def _learn_what_runs(account: Account, report: LeavingReport, origin: Origin) -> None:
    for customer in account.customers:
        if customer.exists_at_provider and is_reachable(customer) and bills_subscriptions(customer.variant):
            _tried(name_of(customer), report, partial(take_in_what_runs, customer, origin))


def _end_subscriptions(
    account: Account, report: LeavingReport, origin: Origin, *, at_period_end: bool, is_last: bool
) -> None:
    known = {step.subject for step in report.remaining}
    for subscription in account.subscriptions.not_ended():
        subject = name_of(subscription)
        if subject in known:
            # It was tried in this run.
            continue
        if not is_reachable(subscription):
            report.add(subject, "out of reach", OUT_OF_REACH)
            continue
        can_wait = at_period_end and subscription.status in CHANGEABLE
        if can_wait and subscription.is_cancelled:
            continue
        if not subscription.provider_id:
            if not is_last and _tried(subject, report, partial(_abandon, subscription, origin)):
                report.add(subject, "abandoned")
            continue
        if _tried(subject, report, partial(_end, subscription, origin, at_period_end=can_wait)):
            report.add(subject, "ends with its period" if can_wait else "ended")


def _end(subscription: Subscription, origin: Origin, *, at_period_end: bool) -> None:
    try:
        if subscription.status == SubscriptionStatus.INCOMPLETE:
            give_up_unpaid(subscription, origin)
            return
        cancel_subscription(subscription=subscription, at_period_end=at_period_end, origin=origin)
    except OperationInProgress:
        raise
    except WrongState:
        # It has ended meanwhile, unless something else stands in its way.
        if not Subscription.objects.using(payments_database()).get(pk=subscription.pk).has_ended:
            raise


def _abandon(subscription: Subscription, origin: Origin) -> None:
    run(ABANDON, subscription.customer_id, Request(about={"subscription_id": subscription.pk}), origin)
    current = Subscription.objects.using(payments_database()).get(pk=subscription.pk)
    if current.status == SubscriptionStatus.STARTING and not current.provider_id:
        raise WrongState("Nobody knows whether it was started. Look for it at the provider.")


def _cancel_payments(account: Account, report: LeavingReport, origin: Origin) -> None:
    for payment in account.payments.filter(status__in=PAYABLE):
        subject = name_of(payment)
        if not is_reachable(payment):
            report.add(subject, "out of reach", OUT_OF_REACH)
        elif not is_supported_variant(payment.variant):
            advice = "which this app does not call. Cancel it there, and give up on it in the admin."
            report.add(subject, "at the provider", f"It waits at {payment.variant}, {advice}")
        elif _tried(subject, report, partial(_cancel, payment, origin)):
            current = type(payment)._default_manager.using(payments_database()).get(pk=payment.pk)
            if not current.is_preauthorized:
                report.add(subject, "cancelled" if current.status == PaymentStatus.CANCELLED else "settled")
    for payment in account.payments.preauthorized():
        if is_reachable(payment):
            advice = "It is authorised. Capture it, or release it with cancel_payment."
            report.add(name_of(payment), "for staff", advice)
        else:
            report.add(name_of(payment), "out of reach", OUT_OF_REACH)


def _cancel(payment: AbstractPayment, origin: Origin) -> None:
    """Cancel a payment that still waits; one that was authorised or paid unheard is not released by that."""
    current = sync_payment(payment=payment, origin=origin)
    if not current.is_payable:
        return
    try:
        cancel_payment(payment=current, origin=origin)
    except OperationInProgress:
        raise
    except (WrongState, ProviderStateError):
        # Another process has cancelled it meanwhile, unless something else stands in the way.
        if sync_payment(payment=current, origin=origin).is_payable:
            raise


def _list_invoices(account: Account, report: LeavingReport, origin: Origin) -> None:
    """List the invoices that are open at the provider: what ends a subscription may have closed some."""
    for invoice in account.invoices.open():
        subject = name_of(invoice)
        if not is_reachable(invoice):
            report.add(subject, "for staff", "It is open in another account or mode. Settle it there.")
        elif _tried(subject, report, partial(look_up_invoice, invoice.pk, origin)):
            current = account.invoices.get(pk=invoice.pk)
            if current.is_open:
                report.add(subject, "for staff", "It is open. Let it be paid, or void it.")
