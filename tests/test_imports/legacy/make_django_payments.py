"""Make the table of a host's own payment model with its own migration, and fill it through that model.

Run by an interpreter that has django-payments and nothing of this project:

    python make_django_payments.py FILE PAYMENTS

FILE becomes an SQLite database with the table ``shop_payment``. PAYMENTS is JSON: a list of the fields of payments;
``then`` lists amounts that are given back afterwards, through django-payments' own methods and a provider of its kind.
"""

from __future__ import annotations

import json
import sys
import tempfile
from decimal import Decimal
from pathlib import Path

MODELS = """
from django.db import models
from payments.models import BasePayment

class Payment(BasePayment):
    user_id = models.IntegerField(null=True)
    order_number = models.CharField(max_length=32, default="")
"""
PROVIDER = """
from payments.core import BasicProvider

class Till(BasicProvider):
    def refund(self, payment, amount=None):
        return amount or payment.captured_amount
"""


def main(path: str, payments_path: str) -> None:
    """Make the file."""
    folder = Path(tempfile.mkdtemp())
    shop = folder / "shop"
    (shop / "migrations").mkdir(parents=True)
    for name, text in {"__init__": "", "migrations/__init__": "", "models": MODELS, "till": PROVIDER}.items():
        (shop / f"{name}.py").write_text(text, encoding="utf-8")
    sys.path.insert(0, str(folder))

    import django
    from django.conf import settings
    from django.core.management import call_command

    settings.configure(
        INSTALLED_APPS=["payments", "shop"],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": path}},
        DEFAULT_AUTO_FIELD="django.db.models.AutoField",
        PAYMENT_MODEL="shop.Payment",
        PAYMENT_HOST="shop.test",
        PAYMENT_VARIANTS={"stripe": ("shop.till.Till", {})},
        USE_TZ=True,
    )
    django.setup()
    call_command("makemigrations", "shop", verbosity=0)
    call_command("migrate", verbosity=0)
    from shop.models import Payment  # type: ignore[import-not-found]

    for fields in json.loads(Path(payments_path).read_text(encoding="utf-8")):
        given_back = fields.pop("then", [])
        payment = Payment.objects.create(**fields)
        payment.refresh_from_db()
        for amount in given_back:
            payment.refund(Decimal(amount))


if __name__ == "__main__":
    main(*sys.argv[1:])
