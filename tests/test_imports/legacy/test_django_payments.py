"""The table of a model of the real django-payments."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from django_stripe_gateway.models import get_payment_model
from tests.test_imports.legacy.conftest import Make
from tests.test_imports.running_account import counts, run_import
from tests.test_imports.tables import other_database

pytestmark = pytest.mark.django_db(transaction=True)
PAID = {"variant": "stripe", "status": "confirmed", "total": "25.00", "captured_amount": "25.00", "currency": "USD"}


def test_import(user: Any, make: Make, tmp_path: Path) -> None:
    given = [
        {**PAID, "transaction_id": "cs_1", "user_id": user.pk, "order_number": "A1", "billing_phone": "+4930123456"},
        {**PAID, "transaction_id": "cs_2", "then": ["5.00"]},
        {**PAID, "transaction_id": "cs_3", "then": ["5.00", "20.00"]},
        {**PAID, "status": "waiting", "captured_amount": "0"},
    ]
    payments, path = tmp_path / "payments.json", tmp_path / "payments.sqlite3"
    payments.write_text(json.dumps(given), encoding="utf-8")
    make("make_django_payments.py", path, payments)
    options = ["--database=legacy", "--table=shop_payment", "--owner-column=user_id", "--order-column=order_number"]
    with other_database(path):
        assert counts(run_import("import_django_payments", *options))["payments"] == {"new": 4}
        assert counts(run_import("import_django_payments", *options))["payments"] == {"known": 4}
    rows = list(get_payment_model().objects.order_by("pk"))
    assert [(row.status, row.captured_amount, row.refunded_amount) for row in rows] == [
        ("confirmed", 25, 0),
        ("confirmed", 25, 5),
        ("refunded", 25, 25),
        ("waiting", 0, 0),
    ]
    assert (rows[0].owner, rows[0].order_id, str(rows[0].billing_phone)) == (user, "A1", "+4930123456")
