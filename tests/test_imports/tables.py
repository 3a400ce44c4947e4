"""Databases of other apps, beside the one of the tests."""

from __future__ import annotations

import copy
import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.db import connections

from tests.test_imports.running_account import RunningAccount

# What dj-stripe's tables have of the columns that are read, by the model.
DJSTRIPE_COLUMNS = (
    "stripe_data TEXT, djstripe_id INTEGER PRIMARY KEY, id TEXT, livemode BOOL, djstripe_owner_account_id TEXT"
)
DJSTRIPE_MODELS = ("Account", "Customer", "PaymentIntent", "Charge", "Refund", "Subscription", "Invoice", "Session")
KINDS = {
    "Customer": "customer",
    "PaymentIntent": "payment_intent",
    "Charge": "charge",
    "Refund": "refund",
    "Subscription": "subscription",
    "Invoice": "invoice",
    "Session": "checkout.session",
}


@contextmanager
def other_database(path: Path, alias: str = "legacy") -> Iterator[str]:
    """Let Django know an SQLite file as a database of its own."""
    settings = copy.deepcopy(connections.settings["default"])
    settings |= {"ENGINE": "django.db.backends.sqlite3", "NAME": str(path), "OPTIONS": {}}
    connections.settings[alias] = settings
    # Before Django asks whether the test may: it knows the databases that were there when it began.
    connections[alias].connect()
    try:
        yield alias
    finally:
        connections[alias].close()
        del connections[alias]
        del connections.settings[alias]


def stored_by_djstripe(account: RunningAccount, subscribers: dict[str, Any]) -> dict[str, Any]:
    """Return what dj-stripe would have stored of an account, and whose the customers are."""
    objects = {name: [plain(obj) for obj in account.fake.all(kind)] for name, kind in KINDS.items()}
    return {"objects": objects, "subscribers": subscribers}


def plain(obj: dict[str, Any]) -> dict[str, Any]:
    """Return an object without what the fake alone knows of it."""
    return {name: value for name, value in obj.items() if not name.startswith("_")}


def make_djstripe_by_hand(path: Path, stored: dict[str, Any]) -> None:
    """Make as much of dj-stripe's tables as is read."""
    with sqlite3.connect(path) as database:
        for name in DJSTRIPE_MODELS:
            further = ", subscriber_id INTEGER, date_purged TEXT" if name == "Customer" else ""
            database.execute(f"CREATE TABLE djstripe_{name.lower()} ({DJSTRIPE_COLUMNS}{further})")
        rows = {"Account": [{"id": "acct_fake", "livemode": False}], **stored["objects"]}
        for name, objects in rows.items():
            for obj in objects:
                # A refund does not say its mode.
                values = [json.dumps(obj), obj["id"], obj.get("livemode"), "acct_fake"]
                sql = f"INSERT INTO djstripe_{name.lower()} (stripe_data, id, livemode, djstripe_owner_account_id) "
                database.execute(sql + "VALUES (?, ?, ?, ?)", values)
        for customer_id, owner in stored["subscribers"].items():
            database.execute("UPDATE djstripe_customer SET subscriber_id = ? WHERE id = ?", [owner, customer_id])
    database.close()
