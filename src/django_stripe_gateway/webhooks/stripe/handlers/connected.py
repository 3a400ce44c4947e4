"""Accounts of sellers that are connected to the platform: how they stand, and whether they have left."""

from __future__ import annotations

import logging

from django_stripe_gateway.choices import WebhookState
from django_stripe_gateway.exceptions import ProviderError
from django_stripe_gateway.gateways.connecting import ConnectedAccountSnapshot
from django_stripe_gateway.gateways.registry import get_connect_gateway
from django_stripe_gateway.models import ConnectedAccount, ConnectOperation
from django_stripe_gateway.services.connect.line import lock_connected_account
from django_stripe_gateway.services.connect.sync import apply_account, note_deauthorized
from django_stripe_gateway.services.snapshots import SnapshotMismatch
from django_stripe_gateway.services.transactions import payments_database
from django_stripe_gateway.webhooks.events import Event
from django_stripe_gateway.webhooks.stripe.billing import newest_of, speaks_for, verify_account
from django_stripe_gateway.webhooks.stripe.registration import handles

logger = logging.getLogger(__name__)


@handles("account.updated", connect=True)
def handle_account(event: Event) -> WebhookState:
    """Keep how a seller's account stands."""
    account = _find(event)
    if account is None:
        return _without_account(event)
    gateway, account_id = get_connect_gateway(account.variant), account.provider_id or ""
    try:
        verify_account(event, account)
        said = gateway.read_account(event.object)

        def retrieve() -> ConnectedAccountSnapshot:
            try:
                return gateway.retrieve_account(account_id)
            except ProviderError as error:
                if not error.is_missing:
                    raise
                # It has left; the event about that says so.
                return said

        newest = newest_of(event, account, said, retrieve=retrieve)
        if newest is not None:
            apply_account(account, newest)
    except (SnapshotMismatch, ProviderError) as mismatch:
        logger.error("The event %s contradicts the connected account %s: %s.", event.id, account.pk, mismatch)
        return WebhookState.MISMATCHED
    return WebhookState.PROCESSED


@handles("account.application.deauthorized", connect=True)
def handle_deauthorized(event: Event) -> WebhookState:
    """Note that a seller has left the platform; the object is the application, and nobody can be asked any more."""
    account = _find(event)
    if account is None:
        return _without_account(event)
    try:
        verify_account(event, account)
    except SnapshotMismatch as mismatch:
        logger.error("The event %s contradicts the connected account %s: %s.", event.id, account.pk, mismatch)
        return WebhookState.MISMATCHED
    note_deauthorized(account)
    return WebhookState.PROCESSED


def _find(event: Event) -> ConnectedAccount | None:
    rows = ConnectedAccount.objects.using(payments_database()).filter(variant__in=speaks_for(event))
    pk = rows.filter(provider_id=event.account_id).values_list("pk", flat=True).first() if event.account_id else None
    return None if pk is None else lock_connected_account(pk)


def _without_account(event: Event) -> WebhookState:
    """Let an event wait for an account that is being made; no other one is this site's."""
    being_made = ConnectOperation.objects.using(payments_database()).pending()
    if being_made.filter(connected_account__variant__in=speaks_for(event)).exists():
        return WebhookState.UNMATCHED
    return event.because(WebhookState.IGNORED, "the account is none of this site's sellers'")
