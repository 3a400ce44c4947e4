"""Make dj-stripe's tables, and fill them through its own models.

Run by an interpreter that has dj-stripe and nothing of this project:

    python make_djstripe.py FILE OBJECTS [migrations]

FILE becomes an SQLite database. OBJECTS is JSON: ``objects`` by dj-stripe's models, and ``subscribers``, users' keys by
their customers' ids. The tables are made of its models, or, which takes minutes, by its own migrations.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import django
from django.apps import apps
from django.conf import settings
from django.core.management import call_command

ACCOUNT = "acct_fake"
# dj-stripe's models in the order in which one refers to the other, and what of it is a column.
MODELS = ("Customer", "PaymentIntent", "Charge", "Refund", "Subscription", "Invoice", "Session")
COLUMNS = ("customer", "payment_intent", "subscription", "charge")


def main(path: str, objects_path: str, made_by: str = "models") -> None:
    """Make the file."""
    settings.configure(
        INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "djstripe"],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": path}},
        MIGRATION_MODULES={} if made_by == "migrations" else {"djstripe": None},
        DJSTRIPE_FOREIGN_KEY_TO_FIELD="id",
        STRIPE_TEST_SECRET_KEY="sk_test_fake",
        STRIPE_LIVE_MODE=False,
        USE_TZ=True,
        SECRET_KEY="not-a-secret",
    )
    django.setup()
    call_command("migrate", run_syncdb=True, verbosity=0)
    given = json.loads(Path(objects_path).read_text(encoding="utf-8"))
    user_model = apps.get_model("auth.User")
    for key in {*given["subscribers"].values()}:
        user_model.objects.create(pk=key, username=f"user-{key}")
    apps.get_model("djstripe.Account").objects.create(id=ACCOUNT, livemode=False, stripe_data={"id": ACCOUNT})
    for name in MODELS:
        for obj in given["objects"].get(name, []):
            fill(apps.get_model(f"djstripe.{name}"), obj, given["subscribers"])


def fill(model: Any, obj: dict[str, Any], subscribers: dict[str, int]) -> None:
    """Store an object as dj-stripe keeps it."""
    fields = {field.name for field in model._meta.concrete_fields}
    values: dict[str, Any] = {"id": obj["id"], "livemode": obj.get("livemode"), "stripe_data": obj, "metadata": {}}
    values["created"] = datetime.fromtimestamp(obj["created"], UTC)
    values["djstripe_owner_account_id"] = ACCOUNT
    for name in COLUMNS:
        if name in fields and isinstance(obj.get(name), str):
            values[f"{name}_id"] = obj[name]
    values |= {name: obj[name] for name in ("amount", "currency", "status") if name in fields}
    if "subscriber" in fields:
        values |= {"subscriber_id": subscribers.get(obj["id"]), "email": obj.get("email") or ""}
    model.objects.create(**values)


if __name__ == "__main__":
    main(*sys.argv[1:])
