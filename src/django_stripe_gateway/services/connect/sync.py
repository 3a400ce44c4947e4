"""Bring a seller's account to what its provider says."""

from __future__ import annotations

import logging

from django.utils import timezone

from django_stripe_gateway import signals
from django_stripe_gateway.choices import PaymentStatus
from django_stripe_gateway.conf import seller_variant
from django_stripe_gateway.exceptions import ProviderError
from django_stripe_gateway.gateways.connecting import ConnectedAccountSnapshot
from django_stripe_gateway.gateways.registry import get_connect_gateway
from django_stripe_gateway.models import ConnectedAccount, get_payment_model
from django_stripe_gateway.services.accounts import is_perhaps_elsewhere, learn_account, verify_account
from django_stripe_gateway.services.audit import send_on_commit
from django_stripe_gateway.services.connect.line import lock_connected_account
from django_stripe_gateway.services.snapshots import SnapshotMismatch, verify_lengths
from django_stripe_gateway.services.subscriptions.freshness import Look, Verdict, judge, look_until_written
from django_stripe_gateway.services.transactions import money_transaction, payments_database, retry_on_deadlock
from django_stripe_gateway.transitions import PAYABLE

logger = logging.getLogger(__name__)

MIRRORED = ("country", "default_currency", "charges_enabled", "payouts_enabled", "details_submitted", "disabled_reason")


def sync_connected_account(*, account: ConnectedAccount) -> ConnectedAccount:
    """Ask the provider how a seller's account stands, and bring the row up to date; one that has left says so.

    Raises:
        OtherAccount: it belongs to another platform account than the one that would be asked.
        AccountContradicted: it is unknown there, and the key is of another platform than the settings name.
        OperationInProgress: events keep coming in faster than we can look.
        ProviderError: the provider refused or failed.
    """
    if not account.provider_id:
        return account
    verify_account(account)
    try:
        found: ConnectedAccount = look_until_written(
            lambda: ConnectedAccount.objects.using(payments_database()).get(pk=account.pk),
            lambda seen: get_connect_gateway(seen.variant).retrieve_account(seen.provider_id or ""),
            _write_look,
            noun="account",
        )
    except ProviderError as error:
        if not error.is_missing or is_perhaps_elsewhere(account):
            raise
        # To a key of another platform than the settings name every seller is unknown.
        learn_account(account.variant)
        return _write_left(account)
    return found


@retry_on_deadlock
def _write_left(seen: ConnectedAccount) -> ConnectedAccount:
    with money_transaction():
        account = lock_connected_account(seen.pk)
        if account.provider_id == seen.provider_id:
            note_deauthorized(account)
        return account


@retry_on_deadlock
def _write_look(seen: ConnectedAccount, look: Look[ConnectedAccountSnapshot]) -> ConnectedAccount | None:
    with money_transaction():
        account = lock_connected_account(seen.pk)
        verdict = judge(account, look=look)
        if verdict is Verdict.WRITE:
            apply_account(account, look.answer)
        return None if verdict is Verdict.LOOK else account


def apply_account(account: ConnectedAccount, snapshot: ConnectedAccountSnapshot) -> None:
    """Write what the provider says of a locked account, and announce what has changed.

    Raises:
        SnapshotMismatch: it is about another account.
    """
    if account.provider_id != snapshot.account_id:
        raise SnapshotMismatch("account differs")
    verify_lengths(account, snapshot, ("country", "default_currency", "disabled_reason"))
    before = {name: getattr(account, name) for name in (*MIRRORED, "currently_due")}
    for name in MIRRORED:
        setattr(account, name, getattr(snapshot, name))
    account.currently_due = list(snapshot.currently_due)
    account.save(using=payments_database())
    changed = sorted(name for name, value in before.items() if getattr(account, name) != value)
    if changed:
        announce(account, changed)


def note_deauthorized(account: ConnectedAccount) -> None:
    """Note on a locked account that its owner has left the platform, and announce it."""
    if account.deauthorized is None:
        account.deauthorized = timezone.now()
        account.save(using=payments_database(), update_fields=["deauthorized", "modified"])
        announce(account, ["deauthorized"])
        payments = get_payment_model()._default_manager.using(payments_database())
        sold = payments.filter(variant=seller_variant(account.variant, account.provider_id or ""))
        waiting = sold.filter(status__in=[*PAYABLE, PaymentStatus.PREAUTH]).count()
        if waiting:
            logger.warning(
                "The account %s has left the platform %s with %s payments that wait. Nobody can be asked about them "
                "any more: give up on them in the admin.",
                account.provider_id,
                account.variant,
                waiting,
            )


def announce(account: ConnectedAccount, changed: list[str]) -> None:
    """Announce, after commit, what has changed of an account."""
    send_on_commit(signals.connected_account_updated, ConnectedAccount, account=account, changed=tuple(changed))
