"""Which account is asked now, and that nobody asks it for what another one has."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Sequence
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from django_stripe_gateway.accounts import Account, configured_account
from django_stripe_gateway.conf import gateway_settings, is_seller_variant, split_variant
from django_stripe_gateway.exceptions import (
    AccountContradicted,
    GatewayError,
    OtherAccount,
    ProviderError,
    ProviderUnavailable,
    UnsupportedByGateway,
)
from django_stripe_gateway.gateways.base import Gateway
from django_stripe_gateway.gateways.billing import BillingGateway
from django_stripe_gateway.gateways.entries import why_unknown
from django_stripe_gateway.gateways.registry import get_billing_gateway, get_gateway, provider_of
from django_stripe_gateway.models import Customer, Invoice, ProviderAccount, Subscription
from django_stripe_gateway.models.provider_accounts import ACCOUNT_ID_LENGTH, current_account, known_accounts
from django_stripe_gateway.services.transactions import payments_database

logger = logging.getLogger(__name__)


def learn_account(variant: str, *, anew: bool = False, is_kept: bool = True) -> Account | None:
    """Return the account that ``variant`` stands for now; the provider is asked, once for each key, whose it is.

    Args:
        anew: also ask about a key that was asked about before: it may have been revoked, or allowed more.
        is_kept: write it down, for other processes; otherwise this one alone knows it.

    Raises:
        AccountContradicted: the settings name another account than the provider.
        ProviderUnavailable: the provider did not answer.
        GatewayConfigurationError: it does not accept the key.
    """
    account = configured_account(variant)
    if account is None or not account.key_digest:
        return account
    if anew or not known_accounts.get(variant, account.key_digest):
        _learn(variant, account, anew=anew, is_kept=is_kept)
    return uncontradicted_account(variant)


def unknown_accounts(*variants: str) -> list[str]:
    """Return those variants of which nobody knows the account, and nobody has asked in vain."""
    found = []
    for variant in variants:
        account = current_account(variant)
        if account is not None and account.key_digest and not account.account_id:
            is_asked = known_accounts.was_asked(variant, account.key_digest)
            found += [] if is_asked else [variant]
    return found


def learn_accounts(variants: Sequence[str]) -> None:
    """Ask whose the keys of some variants are; what is not told stays unknown until the process ends."""
    for variant in variants:
        account = configured_account(variant)
        if account is not None:
            known_accounts.note_asked(variant, account.key_digest)
        with contextlib.suppress(GatewayError):
            learn_account(variant)


def uncontradicted_account(variant: str) -> Account | None:
    """Return the account that ``variant`` stands for now, as far as it is known; nobody is asked.

    Raises:
        AccountContradicted: the settings name another account than the provider has.
    """
    account = current_account(variant)
    if account is not None and account.named_id:
        raise AccountContradicted(
            f"The settings say that the variant {variant!r} is the account {account.account_id}, and its key is of "
            f"{account.named_id}. Correct STRIPE_GATEWAY_ACCOUNT_ID (or the variant's account_id), or the key."
        )
    return account


def made_in(variant: str, *, is_required: bool = False) -> dict[str, Any]:
    """Return mode and account for a row that is about to be made through ``variant``, as values of its columns.

    Args:
        is_required: raise if the provider does not say whose the key is, because the row must be the only one.

    Raises:
        GatewayError: see ``learn_account``, and ``is_required``.
    """
    try:
        learn_account(variant)
    except AccountContradicted:
        raise
    except GatewayError:
        # Who does not answer leaves a row of the account that the settings name, or of any account of its mode.
        account = current_account(variant)
        if is_required and not (account is not None and account.account_id):
            raise
    return columns_of(variant)


def columns_of(variant: str) -> dict[str, Any]:
    """Return mode and account of what is made through ``variant`` now, as values of a row's columns; asks nobody.

    Raises:
        AccountContradicted: see ``uncontradicted_account``.
    """
    account = uncontradicted_account(variant)
    return {} if account is None else {"livemode": account.livemode, "account_id": account.account_id}


def is_perhaps_elsewhere(row: Any) -> bool:
    """Return whether a row is of a known account, and nobody knows of which one the key is that is asked about it.

    To whoever has the key of another account the provider says that it knows no such thing, whatever the thing is.
    """
    account = current_account(row.variant)
    return bool(row.account_id) and account is not None and not account.account_id


def prove_payment(payment: Any) -> None:
    """Note on a locked payment in which account the provider has found it."""
    account_id = _proven_id(payment.variant)
    if account_id and not payment.account_id:
        payment.account_id = account_id
        payment.save(using=payments_database(), update_fields=["account_id", "modified"])


def prove_account(subscription: Subscription) -> None:
    """Note on a locked subscription, its customer and its invoices in which account the provider has found it."""
    account_id = _proven_id(subscription.variant)
    if subscription.account_id or not account_id:
        return
    subscription.account_id = account_id
    subscription.save(using=payments_database(), update_fields=["account_id", "modified"])
    Invoice.objects.using(payments_database()).filter(subscription=subscription, account_id="").update(
        account_id=account_id
    )
    customer = subscription.customer
    rows = Customer.objects.using(payments_database()).filter(variant=customer.variant, livemode=customer.livemode)
    has_twin = customer.owner_id and rows.filter(owner_id=customer.owner_id, account_id=account_id).exists()
    if not customer.account_id and not has_twin:
        customer.account_id = account_id
        customer.save(using=payments_database(), update_fields=["account_id", "modified"])


def _proven_id(variant: str) -> str:
    """Return the account that has answered; what settings and provider do not agree about proves nothing."""
    account = current_account(variant)
    return "" if account is None or account.named_id else account.account_id


def verify_account(row: Any) -> None:
    """Raise ``OtherAccount`` if a row was made in another account, or another mode, than its variant stands for now.

    Raises:
        AccountContradicted: which one that is the settings and the provider do not agree about.
    """
    verify_seller(row.variant)
    is_configured = row.variant in gateway_settings.variants
    if is_configured:
        uncontradicted_account(row.variant)
    if not is_configured or row.is_of_configured_account:
        # Of a variant that is gone the gateway's own error says so.
        return
    account = configured_account(row.variant)
    if account is not None and account.livemode != row.livemode:
        was, now = ("live", "test") if row.livemode else ("test", "live")
        raise OtherAccount(
            f"This was made in {was} mode, and the site works in {now} mode by now: nobody can be asked."
        )
    raise OtherAccount("This was made in another account of the payment provider than the one that is used now.")


def verify_seller(variant: str) -> None:
    """Raise ``OtherAccount`` if a variant is that of a seller who is not connected (any more); nobody is asked."""
    if not is_seller_variant(variant) or variant in gateway_settings.variants:
        return
    platform = split_variant(variant)[0]
    account = current_account(platform)
    if account is not None and not account.account_id:
        # As after a change of the key; then whose accounts are connected to it is not known either.
        raise OtherAccount(
            f"Nobody knows yet whose the key of the variant {platform!r} is, to which the account is connected. Run "
            "manage.py reconcile, or set STRIPE_GATEWAY_ACCOUNT_ID (or the variant's account_id)."
        )
    raise OtherAccount(why_unknown(variant))


def billing_gateway_of(row: Any) -> BillingGateway:
    """Return the gateway of the account that a row was made in.

    Raises:
        OtherAccount: that account is not the one that is configured now.
    """
    verify_account(row)
    return get_billing_gateway(row.variant)


def gateway_of(payment: Any) -> Gateway:
    """Return the gateway of the account that a payment was made in; see ``billing_gateway_of`` for what is raised."""
    verify_account(payment)
    return get_gateway(payment.variant)


def _learn(variant: str, account: Account, *, anew: bool, is_kept: bool) -> None:
    rows = ProviderAccount.objects.using(payments_database())
    row = rows.filter(variant=variant, key_digest=account.key_digest).first()
    if row is None and not is_kept:
        known_accounts.add(variant, account.key_digest, _ask(variant))
        return
    if row is None or anew:
        row = _remember(row, variant, account, _ask(variant))
    known_accounts.add(variant, row.key_digest, row.account_id)


def _ask(variant: str) -> str:
    provider = provider_of(variant)
    try:
        account_id = "" if provider is None else provider.ask_account_id(variant)
    except ProviderUnavailable:
        raise
    except (ProviderError, UnsupportedByGateway):
        # It does not tell: a restricted key, or a server in Stripe's place. The mode has to do.
        account_id = ""
    return account_id[:ACCOUNT_ID_LENGTH]


def _remember(row: ProviderAccount | None, variant: str, account: Account, account_id: str) -> ProviderAccount:
    rows = ProviderAccount.objects.using(payments_database())
    if row is not None:
        # Who does not tell any more has told: a key stays its account's.
        row.account_id, row.asked = account_id or row.account_id, timezone.now()
        row.save(using=payments_database(), update_fields=["account_id", "asked"])
        return row
    values = {"livemode": account.livemode, "account_id": account_id, "asked": timezone.now()}
    try:
        with transaction.atomic(using=payments_database()):
            return rows.create(variant=variant, key_digest=account.key_digest, **values)
    except IntegrityError:
        # Another process was told the same.
        return rows.get(variant=variant, key_digest=account.key_digest)
