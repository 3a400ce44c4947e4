"""Bring customers and subscriptions up to date whose events were lost, or whose owners' details were not sent."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from itertools import chain

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from django_stripe_gateway.choices import InvoiceStatus, SubscriptionStatus
from django_stripe_gateway.exceptions import GatewayError, ProviderError, UnknownAtProvider
from django_stripe_gateway.models import BillingOperation, CatalogueOperation, Invoice, Subscription
from django_stripe_gateway.services.batches import in_batches
from django_stripe_gateway.services.operations.reconcile import Reconciled, failure_of, settle_pending
from django_stripe_gateway.services.origins import SYSTEM, Origin
from django_stripe_gateway.services.subscriptions.cancel import cancellations, end_unended, open_starts
from django_stripe_gateway.services.subscriptions.checkouts import look_up_start
from django_stripe_gateway.services.subscriptions.customers import update_customer
from django_stripe_gateway.services.subscriptions.ends import ENDS_BEFORE_PLAN
from django_stripe_gateway.services.subscriptions.identify import identify_items
from django_stripe_gateway.services.subscriptions.invoices import look_up_invoice
from django_stripe_gateway.services.subscriptions.line import CHANGEABLE
from django_stripe_gateway.services.subscriptions.owner_changes import changed_customers
from django_stripe_gateway.services.subscriptions.unheard import note_silence, unheard, unheard_invoices
from django_stripe_gateway.services.transactions import payments_database

# Whose period has an end that something must follow.
RUNNING = (SubscriptionStatus.TRIALING, SubscriptionStatus.ACTIVE)


def reconcile_billing_operations(*, origin: Origin = SYSTEM) -> Iterator[Reconciled]:
    """Claim every operation about a customer or a plan whose process died, and yield what became of it."""
    return chain(settle_pending(BillingOperation, origin), settle_pending(CatalogueOperation, origin))


def reconcile_customers(*, origin: Origin = SYSTEM) -> Iterator[Reconciled]:
    """Send the provider the details of every owner who was saved since, and yield what became of it.

    One that the provider has deleted is noted as such by that.
    """
    for customer in changed_customers():
        subject, before = f"customer {customer.pk}", (customer.details_digest, customer.deleted)
        try:
            current = update_customer(customer=customer, origin=origin)
        except GatewayError as error:
            yield Reconciled(subject, failure_of(error), error.detail)
        else:
            is_changed = (current.details_digest, current.deleted) != before
            yield Reconciled(subject, "changed" if is_changed else "unchanged")


def reconcile_items() -> Iterator[Reconciled]:
    """Find the plans of subscriptions whose prices the catalogue knows by now; the provider is not asked."""
    found = identify_items()
    if found:
        yield Reconciled("items of subscriptions", "changed", f"{found} found their plan or price")


def reconcile_subscriptions(*, older_than: timedelta, origin: Origin = SYSTEM) -> Iterator[Reconciled]:
    """Ask the provider about every subscription whose events are overdue, and yield what it said.

    Those are subscriptions whose first payment waits longer than ``older_than``, whose page has stayed open as long,
    whose period has ended so long ago, and those that must end with it and do not, or end before their plan's. Of what
    may be paid at any time, of the invoices that wait for it, and of what is lost, it is asked again and again: see
    ``unheard``.
    """
    for subscription in in_batches(_overdue(older_than)):
        subject, before = f"subscription {subscription.pk}", _state(subscription)
        if not subscription.is_of_configured_account:
            yield Reconciled(subject, "skipped", "of another account")
            continue
        try:
            current = look_up_start(subscription, origin)
            end_unended(subscription.pk, origin)
        except UnknownAtProvider as error:
            if subscription.lost is not None:
                # As whoever gave up on it has said, or the provider itself.
                note_silence(subscription)
                yield Reconciled(subject, "unchanged", error.detail)
                continue
            # Believed once it is said again, see ``missing``.
            yield Reconciled(subject, "missing", error.detail)
        except GatewayError as error:
            yield Reconciled(subject, failure_of(error), error.detail)
        else:
            is_changed, is_back = _state(current) != before, subscription.lost is not None and current.lost is None
            detail = f"{subscription.status} -> {current.status}" + (", known at the provider again" if is_back else "")
            yield Reconciled(subject, "changed" if is_changed or is_back else "unchanged", detail)
    yield from _reconcile_invoices(older_than, origin)


def _reconcile_invoices(older_than: timedelta, origin: Origin) -> Iterator[Reconciled]:
    for invoice in in_batches(unheard_invoices(older_than).select_related("subscription")):
        subject = f"invoice {invoice.pk}"
        if not _is_reachable(invoice):
            yield Reconciled(subject, "skipped", "of another account, or unknown at the provider")
            continue
        try:
            current = look_up_invoice(invoice.pk, origin)
        except GatewayError as error:
            if isinstance(error, ProviderError) and error.is_missing and invoice.status == InvoiceStatus.DRAFT:
                # Drafts can be deleted.
                note_silence(invoice)
                yield Reconciled(subject, "unchanged", error.detail)
            else:
                yield Reconciled(subject, failure_of(error), error.detail)
        else:
            detail = f"{invoice.status} -> {current.status}"
            yield Reconciled(subject, "changed" if current.status != invoice.status else "unchanged", detail)


def _is_reachable(invoice: Invoice) -> bool:
    subscription = invoice.subscription
    return invoice.is_of_configured_account and (subscription is None or subscription.is_reachable)


def _state(subscription: Subscription) -> tuple[object, ...]:
    """Return what the events that may be lost would have told of a subscription."""
    sold = (subscription.price_id, subscription.quantity, subscription.has_pending_update, subscription.pause_behavior)
    return subscription.status, subscription.current_period_end, *sold


def _overdue(older_than: timedelta) -> QuerySet[Subscription]:
    since = timezone.now() - older_than
    rows = Subscription.objects.using(payments_database())
    unpaid = Q(status=SubscriptionStatus.INCOMPLETE, created__lt=since)
    page = Q(status=SubscriptionStatus.STARTING, created__lt=since) & ~Q(checkout_id="")
    ended = Q(status__in=RUNNING, current_period_end__lt=since)
    unended = Q(status=SubscriptionStatus.ACTIVE, plan__auto_renew=False, cancel_at_period_end=False, cancel_at=None)
    unended &= ~Q(checkout_id="") | Q(Exists(open_starts(OuterRef("pk"))))
    unended &= Q(~Exists(cancellations(OuterRef("pk"))))
    early = Q(status__in=CHANGEABLE) & ENDS_BEFORE_PLAN
    overdue = (unpaid | page | ended | unended | early) & Q(lost=None)
    return rows.filter(overdue | unheard(older_than))
