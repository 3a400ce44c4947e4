"""Accounts of providers: which one each key belongs to, and which rows are of those that are configured now.

A row keeps the mode and the account that it was made in. After a change from test to live keys, or to another account,
it is *foreign*: the provider does not know it under the new key. Foreign rows entitle nobody and stand in nobody's way.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import ClassVar, TypeVar

from django.db import models
from django.db.models import Exists, Q
from django.utils.translation import gettext_lazy as _

from django_stripe_gateway.accounts import Account, configured_account
from django_stripe_gateway.conf import gateway_settings

ACCOUNT_ID_LENGTH = 64
# Seconds after which is read again what another process may have been told; a key that is known stays what it is.
REREAD_AFTER = 30

M = TypeVar("M", bound=models.Model)


class ProviderAccount(models.Model):
    """The account that a key belongs to, as the provider has said once; the key itself is not kept."""

    variant = models.CharField(_("variant"), max_length=64)
    key_digest = models.CharField(max_length=64, editable=False)
    livemode = models.BooleanField(_("live mode"), default=False)
    # Empty where the provider does not tell, as it may not with a restricted key.
    account_id = models.CharField(_("account"), max_length=ACCOUNT_ID_LENGTH, blank=True, default="")
    asked = models.DateTimeField(_("asked"))
    created = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("account at the provider")
        verbose_name_plural = _("accounts at the provider")
        ordering = ("-id",)
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["variant", "key_digest"], name="dsg_account_key_once"),
        ]

    def __str__(self) -> str:
        return f"{self.variant}: {self.account_id or '?'} ({'live' if self.livemode else 'test'})"


class KnownAccounts:
    """What this process has read of the table: an entitlement is checked without a query more."""

    def __init__(self) -> None:
        self._ids: dict[tuple[str, str], str] = {}
        # Each key by itself: one that is read for one tenant says nothing of another's table.
        self._read: dict[tuple[str, str], float] = {}
        self._asked: set[tuple[str, str]] = set()

    def get(self, variant: str, key_digest: str) -> str:
        """Return the id of a key's account, empty while nobody knows it."""
        key = (variant, key_digest)
        known, read = self._ids.get(key, ""), self._read.get(key)
        if not known and (read is None or time.monotonic() - read > REREAD_AFTER):
            rows = ProviderAccount.objects.filter(variant=variant, key_digest=key_digest)
            self._read[key] = time.monotonic()
            # A key is of one account, whoever has written it down.
            known = self._ids[key] = rows.values_list("account_id", flat=True).first() or ""
        return known

    def add(self, variant: str, key_digest: str, account_id: str) -> None:
        """Take in what this process was told."""
        self._ids[variant, key_digest] = account_id

    def was_asked(self, variant: str, key_digest: str) -> bool:
        """Return whether this process has asked the provider whose the key is."""
        return (variant, key_digest) in self._asked

    def note_asked(self, variant: str, key_digest: str) -> None:
        """Remember that this process has asked."""
        self._asked.add((variant, key_digest))

    def forget(self) -> None:
        """Read the table anew at the next question."""
        self._ids, self._read, self._asked = {}, {}, set()


known_accounts = KnownAccounts()


def current_account(variant: str) -> Account | None:
    """Return the account that ``variant`` stands for now, as far as it is known; nobody is asked.

    ``None`` where all rows of the variant are of one account, for all that anybody can tell.
    """
    account = configured_account(variant)
    if account is None or not account.key_digest:
        return account
    named = known_accounts.get(variant, account.key_digest)
    if not account.account_id:
        return replace(account, account_id=named)
    return account if named in ("", account.account_id) else replace(account, named_id=named)


def of_current_accounts() -> Q:
    """Return the condition for rows of the accounts that are configured now."""
    found = Q(pk__in=())
    for variant in gateway_settings.variants:
        account, own = current_account(variant), Q(variant=variant)
        if account is not None:
            own &= Q(livemode=account.livemode)
            if account.ids:
                own &= Q(account_id__in=account.ids)
        found |= own
    return found


def may_be_of_another() -> Q:
    """Return the condition for rows of no known account whose variant is known to have had another one of their mode.

    Nobody can tell of which of the two they are, until the provider is asked about them.
    """
    found = Q(pk__in=())
    for variant in gateway_settings.variants:
        account = current_account(variant)
        if account is not None and account.account_id:
            others = ProviderAccount.objects.filter(variant=variant, livemode=account.livemode)
            others = others.exclude(account_id__in=account.ids)
            found |= Q(Exists(others), variant=variant, livemode=account.livemode, account_id="")
    return found


def is_of_current_account(variant: str, livemode: bool, account_id: str) -> bool:
    """Return whether a row of these values is of an account that is configured now."""
    if variant not in gateway_settings.variants:
        return False
    account = current_account(variant)
    return account is None or account.has(livemode, account_id)


class AccountQuerySet(models.QuerySet[M]):
    """The filter stands for the predicate of the same name on the model."""

    def of_configured_account(self) -> AccountQuerySet[M]:
        """Return the rows that were made in an account and a mode that are configured now."""
        return self.filter(of_current_accounts())


class OfAccount(models.Model):
    """A row that was made in one account of a provider, in one of its modes."""

    variant: str

    livemode = models.BooleanField(_("live mode"), default=False)
    # Empty where nobody knew it: then only the mode tells.
    account_id = models.CharField(_("account"), max_length=ACCOUNT_ID_LENGTH, blank=True, default="")

    class Meta:
        abstract = True

    @property
    def is_of_configured_account(self) -> bool:
        """Whether it was made in the account and the mode that its variant stands for now."""
        return is_of_current_account(self.variant, self.livemode, self.account_id)
