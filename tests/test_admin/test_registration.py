"""Which admin a payment model gets, in host projects of their own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.test_checks.hosts import Host
from tests.test_checks.test_hosts import PAYMENT_MODELS

OWN_ADMIN = """
from django.contrib import admin
from django_stripe_gateway.admin import PaymentAdmin
from shop.models import Payment

@admin.register(Payment)
class ShopPaymentAdmin(PaymentAdmin):
    list_filter = ("table_number",)
"""
REPLACED_ADMIN = """
from django.contrib import admin
from django_stripe_gateway.admin import PaymentAdmin
from django_stripe_gateway.models import Payment

admin.site.unregister(Payment)

@admin.register(Payment)
class ShopPaymentAdmin(PaymentAdmin):
    pass
"""
SHOW = """
from django.contrib import admin
from payments import get_payment_model
registered = admin.site._registry[get_payment_model()]
print(type(registered).__name__)
print([field for _title, options in registered.get_fieldsets(None) for field in options["fields"]])
print(registered.get_readonly_fields(None))
"""


def show(host: Host, model: str) -> list[str]:
    done = host.run(
        "shell", "--no-imports", "-c", SHOW, PAYMENT_MODEL=model, DEFAULT_AUTO_FIELD="django.db.models.BigAutoField"
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip().splitlines()


def make_host(folder: Path, position: str) -> Host:
    return Host(folder, **{"apps" if position == "before" else "later_apps": ("shop",)})


@pytest.mark.parametrize("position", ["before", "after"])
def test_own_model__gets_our_admin(tmp_path: Path, position: str) -> None:
    host = make_host(tmp_path, position)
    host.add_app("shop", models=PAYMENT_MODELS, admin="import django_stripe_gateway" if position == "after" else "")
    name, fields, readonly = show(host, "shop.Payment")
    assert name == "PaymentAdmin"
    assert "'table_number'" in fields
    assert "'table_number'" not in readonly
    assert "'status'" in readonly


@pytest.mark.parametrize("position", ["before", "after"])
def test_own_model__keeps_its_own_admin(tmp_path: Path, position: str) -> None:
    host = make_host(tmp_path, position)
    host.add_app("shop", models=PAYMENT_MODELS, admin=OWN_ADMIN)
    assert show(host, "shop.Payment")[0] == "ShopPaymentAdmin"


@pytest.mark.parametrize("position", ["before", "after"])
def test_our_model__can_be_registered_anew(tmp_path: Path, position: str) -> None:
    host = make_host(tmp_path, position)
    host.add_app("shop", admin=REPLACED_ADMIN)
    assert show(host, "django_stripe_gateway.Payment")[0] == "ShopPaymentAdmin"
