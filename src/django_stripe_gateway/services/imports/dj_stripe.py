"""What dj-stripe's tables know: whose a customer is, and the objects as it has stored them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from django.apps import apps
from django.conf import settings

from django_stripe_gateway.exceptions import GatewayConfigurationError
from django_stripe_gateway.gateways.stripe.stored_reader import StoredObjectReader
from django_stripe_gateway.services.imports.owners import owner_model
from django_stripe_gateway.services.imports.tables import ForeignTable

KEY = "djstripe_id"
#: What dj-stripe writes into the metadata of the customers that it makes: the subscriber's key.
SUBSCRIBER_METADATA = "djstripe_subscriber"
#: Whose keys those are; users', where a site does not set it.
SUBSCRIBER_SETTING = "DJSTRIPE_SUBSCRIBER_MODEL"
TABLES = {
    "customer": "djstripe_customer",
    "subscription": "djstripe_subscription",
    "invoice": "djstripe_invoice",
    "payment_intent": "djstripe_paymentintent",
    "charge": "djstripe_charge",
    "refund": "djstripe_refund",
    "checkout.session": "djstripe_session",
}
COLUMNS = ("id", "livemode", "stripe_data", "djstripe_owner_account_id")


class DjStripeTables:
    """The tables of one account and mode.

    Args:
        database: alias of the database that holds them.
        livemode: rows of this mode alone are read; rows that do not say are the account's, too.
        account: the account's id, needed where they hold several.

    Raises:
        GatewayConfigurationError: a table or a column is missing, the account is not clear, or the subscribers are
            of another model than the owners here.
    """

    def __init__(self, database: str, *, livemode: bool, account: str = "") -> None:
        self._database, self._livemode = database, livemode
        self._customers = self._table("customer", "subscriber_id")
        self._verify_subscribers()
        self._accounts = self._names_of(account)

    def subscribers(self) -> dict[str, str]:
        """Return the subscribers' keys by their customers' ids, without customers that are gone."""
        found = {}
        for row in self._customers.rows(*COLUMNS, "subscriber_id", "date_purged"):
            is_gone = row["date_purged"] is not None or _object(row).get("deleted") is True
            if self._is_ours(row) and not is_gone and row["subscriber_id"] is not None:
                found[str(row["id"])] = str(row["subscriber_id"])
        return found

    def reader(self) -> StoredObjectReader:
        """Return a reader of the stored objects, which asks nobody."""
        return StoredObjectReader(self._load, livemode=self._livemode)

    def _load(self, kind: str) -> Iterator[Sequence[Mapping[str, Any]]]:
        if kind not in TABLES:
            return
        for chunk in self._table(kind).chunks(*COLUMNS):
            yield [_object(row) for row in chunk if self._is_ours(row)]

    def _table(self, kind: str, *needs: str) -> ForeignTable:
        return ForeignTable(self._database, TABLES[kind], key=KEY, needs=("id", "livemode", "stripe_data", *needs))

    def _verify_subscribers(self) -> None:
        """Refuse keys of another model: the organisation 5 would become the user 5.

        The table says of whom its keys are; one that was copied without that is as dj-stripe's setting says.
        """
        owner, referred = owner_model()._meta, self._customers.reference("subscriber_id")
        if referred is not None:
            # SQLite does not say the column where it is the key.
            if referred not in ((owner.db_table, owner.pk.column), (owner.db_table, None)):
                raise GatewayConfigurationError(
                    f"dj-stripe's subscribers are in the table {referred[0]}, and the owners here in {owner.db_table}. "
                    "Set STRIPE_GATEWAY_OWNER_MODEL to the model of dj-stripe's subscribers."
                )
            return
        name = getattr(settings, SUBSCRIBER_SETTING, settings.AUTH_USER_MODEL)
        try:
            subscriber = apps.get_model(name)._meta
        except (LookupError, ValueError):
            raise GatewayConfigurationError(f"{SUBSCRIBER_SETTING} names {name}, which is not installed.") from None
        if subscriber.concrete_model is not owner.concrete_model:
            raise GatewayConfigurationError(
                f"dj-stripe's subscribers are {subscriber.label}, as far as {SUBSCRIBER_SETTING} says, and the owners "
                f"here are {owner.label}. Set {SUBSCRIBER_SETTING} to what dj-stripe had, and "
                "STRIPE_GATEWAY_OWNER_MODEL to the same model."
            )

    def _is_ours(self, row: Mapping[str, Any]) -> bool:
        account, mode = row["djstripe_owner_account_id"], row["livemode"]
        return (mode is None or bool(mode) is self._livemode) and (account is None or str(account) in self._accounts)

    def _names_of(self, account: str) -> set[str]:
        """Return what rows may call the account: the id, or the key, as DJSTRIPE_FOREIGN_KEY_TO_FIELD was set."""
        named = {row["djstripe_owner_account_id"] for row in self._customers.rows(*COLUMNS)} - {None}
        ids = {
            str(row[KEY]): str(row["id"])
            for row in ForeignTable(self._database, "djstripe_account", key=KEY, needs=("id",)).rows("id")
        }
        accounts = {ids.get(str(name), str(name)) for name in named}
        if account:
            accounts &= {account}
        if len(accounts) > 1:
            raise GatewayConfigurationError(
                f"dj-stripe's tables hold several accounts. Name one with --account: {', '.join(sorted(accounts))}."
            )
        if account and not accounts:
            raise GatewayConfigurationError(f"dj-stripe's tables hold no customer of the account {account}.")
        return accounts | {key for key, name in ids.items() if name in accounts}


def _object(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the stored object, which some databases hand out as a text."""
    data = row["stripe_data"]
    if isinstance(data, str | bytes):
        try:
            data = json.loads(data)
        except ValueError:
            data = None
    return {"id": row["id"], **data} if isinstance(data, Mapping) else {"id": row["id"]}
