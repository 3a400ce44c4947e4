"""The tables of the real dj-stripe."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from django_stripe_gateway.models import Customer, Subscription, get_payment_model
from tests.test_imports.legacy.conftest import Make
from tests.test_imports.running_account import RunningAccount, counts, run_import
from tests.test_imports.tables import DJSTRIPE_MODELS, other_database, stored_by_djstripe

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("arguments", [[], ["--offline"]], ids=["with Stripe", "offline"])
def test_import(account: RunningAccount, user: Any, make: Make, tmp_path: Path, arguments: list[str]) -> None:
    customer = account.customer(email="nobody@example.org")
    account.subscribe(customer, account.basic)
    account.paid_page(customer)
    account.begin()
    objects, path = tmp_path / "objects.json", tmp_path / "djstripe.sqlite3"
    objects.write_text(json.dumps(stored_by_djstripe(account, {customer: user.pk})), encoding="utf-8")
    make("make_djstripe.py", path, objects)
    with other_database(path) as alias:
        printed = run_import("import_dj_stripe", f"--database={alias}", *arguments)
    new = {kind: found.get("new") for kind, found in counts(printed).items()}
    assert new == {"customers": 1, "subscriptions": 1, "invoices": 1, "payments": 1}
    assert Customer.objects.get().owner == user
    assert Subscription.objects.get().plan == account.plan
    assert get_payment_model().objects.get().captured_amount == 20
    assert account.written() == []


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_migrations_make_what_the_models_say(make: Make, tmp_path: Path) -> None:
    """So that the other tests can have the tables in seconds."""
    objects = tmp_path / "objects.json"
    objects.write_text(json.dumps({"objects": {}, "subscribers": {}}), encoding="utf-8")
    columns = {}
    for made_by in ("models", "migrations"):
        path = tmp_path / f"{made_by}.sqlite3"
        make("make_djstripe.py", path, objects, made_by)
        with sqlite3.connect(path) as database:
            columns[made_by] = {
                name: {row[1] for row in database.execute(f"PRAGMA table_info(djstripe_{name.lower()})")}
                for name in DJSTRIPE_MODELS
            }
        database.close()
    assert columns["models"] == columns["migrations"]
