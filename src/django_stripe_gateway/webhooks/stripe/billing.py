"""Find the row that an event of billing is about, and apply the event if it is newer than what is known."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, TypeVar

from django.utils import timezone

from django_stripe_gateway.choices import SubscriptionLogEvent, WebhookState
from django_stripe_gateway.conf import gateway_settings
from django_stripe_gateway.exceptions import ProviderError
from django_stripe_gateway.gateways.billing_values import InvoiceSnapshot, SubscriptionSnapshot
from django_stripe_gateway.gateways.registry import get_billing_gateway
from django_stripe_gateway.models import ConnectedAccount, Customer, Invoice, Subscription
from django_stripe_gateway.models.provider_accounts import OfAccount
from django_stripe_gateway.services.audit import write_log
from django_stripe_gateway.services.snapshots import SnapshotMismatch
from django_stripe_gateway.services.subscriptions.cancel import end_with_period
from django_stripe_gateway.services.subscriptions.freshness import Look, Verdict, begin_look, judge
from django_stripe_gateway.services.subscriptions.grace import is_in_doubt, is_settled_unheard, with_what_is_owed
from django_stripe_gateway.services.subscriptions.identity import find_subscription_row
from django_stripe_gateway.services.subscriptions.invoices import (
    SETTLED_INVOICES,
    is_invoice_missing,
    look_after_commit,
)
from django_stripe_gateway.services.subscriptions.items import lack_periods
from django_stripe_gateway.services.subscriptions.missing import note_found
from django_stripe_gateway.services.subscriptions.paid_periods import is_payment_in_doubt
from django_stripe_gateway.services.subscriptions.scheduled import is_schedule_in_doubt
from django_stripe_gateway.services.subscriptions.sync import (
    add_subscription,
    apply_invoice,
    apply_subscription,
    are_discounts_in_doubt,
    lock_customer,
    lock_invoice,
    lock_subscription,
    new_invoice,
    store_invoice,
    verify_customer,
)
from django_stripe_gateway.services.transactions import payments_database
from django_stripe_gateway.transitions import ENDED_SUBSCRIPTIONS
from django_stripe_gateway.webhooks.answers import answers_of, needs
from django_stripe_gateway.webhooks.events import Event, clean_id
from django_stripe_gateway.webhooks.stripe.variants import may_speak_for

S = TypeVar("S")

logger = logging.getLogger(__name__)


def apply_subscription_event(
    event: Event, then: Callable[[Subscription], object] = lambda subscription: None
) -> WebhookState:
    """Bring a subscription to the state in ``event``.

    Args:
        then: called with the locked subscription afterwards.
    """
    snapshot = _read(event, "subscription")
    if snapshot is None or not clean_id(snapshot.subscription_id):
        return WebhookState.MISMATCHED
    subscription = _find_subscription(event, snapshot)
    if subscription is None:
        return WebhookState.UNMATCHED
    gateway = get_billing_gateway(subscription.variant)
    try:
        verify_account(event, subscription)
        # Also where the provider is asked instead of believing the rest.
        verify_customer(subscription, snapshot)
        was_given_up, was_lost = subscription.given_up is not None, subscription.lost is not None
        newest = newest_of(
            event,
            subscription,
            snapshot,
            is_last=snapshot.status in ENDED_SUBSCRIPTIONS,
            is_over=subscription.has_ended and not was_given_up,
            # Which the row may not know yet.
            retrieve=lambda: with_what_is_owed(
                gateway, subscription, gateway.retrieve_subscription(snapshot.subscription_id)
            ),
            is_in_doubt=was_lost
            or is_in_doubt(subscription, snapshot, event.previous.get("status"))
            or is_schedule_in_doubt(subscription, snapshot, event.created)
            or is_payment_in_doubt(subscription, snapshot)
            or is_invoice_missing(subscription, snapshot)
            or not snapshot.has_all_items
            or lack_periods(snapshot.items)
            or are_discounts_in_doubt(subscription, snapshot),
        )
        look = answers_of(event).look
        if isinstance(look, Look):
            note_found(subscription, event.origin)
        if newest is not None:
            apply_subscription(subscription, newest, event.origin, said_at=event.created)
            if isinstance(look, Look) and newest.latest_invoice is not None:
                store_invoice(subscription, newest.latest_invoice, event.origin, looked_at=look.began)
    except SnapshotMismatch as mismatch:
        logger.error("The event %s contradicts subscription %s: %s.", event.id, subscription.pk, mismatch)
        write_log(subscription, SubscriptionLogEvent.MISMATCH, event.origin, str(mismatch), {"type": event.type})
        return WebhookState.MISMATCHED
    end_with_period(subscription, event.origin)
    then(subscription)
    return WebhookState.PROCESSED


def newest_of(
    event: Event,
    row: Subscription | Invoice | Customer | ConnectedAccount,
    said: S,
    *,
    retrieve: Callable[[], S],
    is_last: bool = False,
    is_over: bool = False,
    is_in_doubt: bool = False,
) -> S | None:
    """Return what is to be written to a locked row; ``None`` if the row knows better.

    Args:
        said: what the event says.
        retrieve: asks the provider.
        is_last: nothing can come after what the event says.
        is_over: nothing can come after what the row says.
        is_in_doubt: what the event says is not enough, however new it is.

    Raises:
        FetchNeeded: the event is not clearly newer, or is in doubt, so that the provider has to be asked.
    """
    found = answers_of(event).look
    look: Look[S] | None = found if isinstance(found, Look) else None
    before = row.provider_time
    # What was fetched of a thin event is newer than the event, and nobody knows than what else.
    if (is_in_doubt or event.looked_up is not None) and look is None and not is_over:
        verdict = Verdict.LOOK
    else:
        verdict = judge(row, event_time=event.created, look=look, is_last=is_last, is_over=is_over)
    if verdict is Verdict.WRITE:
        return said if look is None else look.answer
    if verdict is Verdict.LOOK:
        known, began = begin_look(row)
        asked = began if look is None else look.asked
        raise needs(event, look=lambda: Look(known, timezone.now(), retrieve(), asked))
    if row.provider_time != before:
        row.save(using=payments_database(), update_fields=["provider_time", "modified"])
    return None


def apply_invoice_event(event: Event, then: Callable[[Invoice], object] = lambda invoice: None) -> WebhookState:
    """Bring an invoice to the state in ``event``; ``then`` is called with the locked invoice afterwards."""
    snapshot = _read(event, "invoice")
    if snapshot is None:
        return WebhookState.MISMATCHED
    if not snapshot.invoice_id or event.type == "invoice.upcoming":
        # An upcoming invoice is no object yet, whatever it is called.
        return WebhookState.PROCESSED
    try:
        invoice = find_invoice(event, snapshot)
    except SnapshotMismatch as mismatch:
        logger.error("The event %s contradicts subscription %s: %s.", event.id, snapshot.subscription_id, mismatch)
        return WebhookState.MISMATCHED
    if invoice is None:
        return WebhookState.UNMATCHED
    gateway = get_billing_gateway(invoice.variant)
    try:
        verify_account(event, invoice)
        newest = newest_of(
            event,
            invoice,
            snapshot,
            is_last=snapshot.status in SETTLED_INVOICES,
            is_over=invoice.status in SETTLED_INVOICES,
            retrieve=lambda: gateway.retrieve_invoice(invoice.provider_id),
        )
        if newest is not None:
            apply_invoice(invoice, newest, event.origin)
            if invoice.subscription_id is not None and is_settled_unheard(invoice):
                look_after_commit(invoice.subscription_id, event.origin)
    except SnapshotMismatch as mismatch:
        logger.error("The event %s contradicts invoice %s: %s.", event.id, invoice.provider_id, mismatch)
        return WebhookState.MISMATCHED
    then(invoice)
    return WebhookState.PROCESSED


def find_customer(event: Event, customer_id: str) -> Customer | None:
    """Return the customer of the event's own mode that it names, locked, or ``None``."""
    if not customer_id:
        return None
    rows = Customer.objects.using(payments_database()).filter(provider_id=customer_id, variant__in=speaks_for(event))
    for mode in claimed_modes(event):
        rows = rows.filter(livemode=mode)
    pk = rows.values_list("pk", flat=True).first()
    return None if pk is None else lock_customer(pk)


def speaks_for(event: Event) -> list[str]:
    """Return the payment variants whose objects an event may change."""
    return [variant for variant in gateway_settings.variants if may_speak_for(event.variant, variant)]


def claimed_modes(event: Event) -> set[bool]:
    """Return what an event and the object in it say of the live mode; two answers contradict each other."""
    return {mode for mode in (event.livemode, event.object.get("livemode")) if isinstance(mode, bool)}


def verify_account(event: Event, row: OfAccount) -> None:
    """Raise ``SnapshotMismatch`` if an event, or the object in it, is of another mode or account than the row."""
    if claimed_modes(event) - {row.livemode}:
        raise SnapshotMismatch("live mode differs")
    if not row.is_of_configured_account:
        raise SnapshotMismatch("it is of another account or mode than the one that is configured")


def find_subscription(event: Event, subscription_id: str) -> Subscription | None:
    """Return the subscription of the event's account that it names, locked, or ``None``."""
    pk = find_subscription_row(speaks_for(event), subscription_id) if subscription_id else None
    return None if pk is None else lock_subscription(pk)


def read_invoice(event: Event) -> InvoiceSnapshot | None:
    """Return the invoice in an event, ``None`` if it cannot be read."""
    found: InvoiceSnapshot | None = _read(event, "invoice")
    return found


def _find_subscription(event: Event, snapshot: SubscriptionSnapshot) -> Subscription | None:
    """Return the subscription, locked, added if only its customer is known."""
    known = _lock_known(event, snapshot)
    if known is not None:
        return known
    customer = find_customer(event, snapshot.customer_id)
    if customer is None:
        return None
    # Under the customer's lock nobody else adds it.
    known = _lock_known(event, snapshot)
    return known or lock_subscription(add_subscription(customer, snapshot, event.origin).pk)


def _lock_known(event: Event, snapshot: SubscriptionSnapshot) -> Subscription | None:
    token, customer_id = clean_id(snapshot.metadata.get("token")), snapshot.customer_id
    pk = find_subscription_row(speaks_for(event), snapshot.subscription_id, token=token, customer_id=customer_id)
    if pk is None:
        return None
    if answers_of(event).look is not None:
        # An invoice comes along, and a customer is locked before what is theirs.
        lock_customer(Subscription.objects.using(payments_database()).get(pk=pk).customer_id)
    subscription = lock_subscription(pk)
    # What the token has found may have become another one's row before it was locked.
    return subscription if subscription.provider_id in (None, snapshot.subscription_id) else None


def find_known_invoice(event: Event, invoice_id: str) -> Invoice | None:
    """Return the row of an invoice, not locked, or ``None``."""
    rows = Invoice.objects.using(payments_database()).filter(variant__in=speaks_for(event))
    return rows.filter(provider_id=invoice_id).first() if invoice_id else None


def find_invoice(event: Event, snapshot: InvoiceSnapshot) -> Invoice | None:
    """Return the invoice, locked, or a new one if only its customer is known."""
    for variant in speaks_for(event):
        invoice = lock_invoice(variant, snapshot.invoice_id)
        if invoice is not None:
            return invoice
    customer = find_customer(event, snapshot.customer_id) or _customer_of_subscription(event, snapshot)
    if customer is None:
        return None
    subscription = None
    if snapshot.subscription_id:
        pk = find_subscription_row(speaks_for(event), snapshot.subscription_id)
        if pk is None:
            # The event about its subscription is still under way.
            return None
        subscription = Subscription.objects.using(payments_database()).get(pk=pk)
        if subscription.customer_id != customer.pk:
            raise SnapshotMismatch("customer differs")
    return lock_invoice(customer.variant, snapshot.invoice_id) or new_invoice(customer, snapshot, subscription)


def _customer_of_subscription(event: Event, snapshot: InvoiceSnapshot) -> Customer | None:
    """Return the customer, locked, who has bought under another id of the provider's than their own."""
    pk = find_subscription_row(speaks_for(event), snapshot.subscription_id) if snapshot.subscription_id else None
    if pk is None:
        return None
    customer = lock_customer(Subscription.objects.using(payments_database()).get(pk=pk).customer_id)
    return customer if customer.is_known_as(snapshot.customer_id) else None


def _read(event: Event, kind: str) -> Any:
    """Return the event's object as a value, ``None`` if it cannot be read."""
    gateway = get_billing_gateway(event.variant)
    read = {"subscription": gateway.read_subscription, "invoice": gateway.read_invoice}[kind]
    try:
        if event.object.get("object") != kind:
            raise ProviderError(f"the event is not about a {kind}")
        return read(event.object)
    except (ProviderError, RecursionError):
        logger.error("The event %s (%s) holds no readable %s.", event.id, event.type, kind)
        return None
