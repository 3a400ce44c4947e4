"""The German translation: complete, compiled, and shown."""

from __future__ import annotations

import gettext
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.admin.utils import label_for_field
from django.core.management import call_command
from django.test import Client
from django.utils import translation
from rest_framework.test import APIClient

import django_stripe_gateway
from django_stripe_gateway.models import (
    BillingOperation,
    ConnectOperation,
    CreditNote,
    Customer,
    InvoiceRefund,
    MailMessage,
)
from tests.factories import make_payment
from tests.test_admin.pages import payment_url
from tests.test_api.calls import ROOT, assert_error
from tests.test_api.test_return_pages import visit

PACKAGE = Path(django_stripe_gateway.__file__).parent
LOCALE = PACKAGE / "locale"
ENTRY = re.compile(r'^(?:msgctxt "(.*)"\n)?msgid "(.+)"\nmsgstr "(.*)"$', re.MULTILINE)
PLACEHOLDER = re.compile(r"%\(\w+\)[sd]|%s")


def entries(path: Path) -> dict[tuple[str, str], str]:
    """Return context and sentence → translation."""
    return {(context, text): found for context, text, found in ENTRY.findall(path.read_text(encoding="utf-8"))}


def catalogue(language: str) -> dict[tuple[str, str], str]:
    """Return the entries of a language that is shipped."""
    return entries(LOCALE / language / "LC_MESSAGES" / "django.po")


def test_german__complete() -> None:
    source, german = catalogue("en"), catalogue("de")
    assert source.keys() == german.keys()
    assert all(german.values())
    assert not any(source.values())
    for (_context, text), found in german.items():
        assert sorted(PLACEHOLDER.findall(text)) == sorted(PLACEHOLDER.findall(found)), text


def test_german__compiled() -> None:
    with (LOCALE / "de" / "LC_MESSAGES" / "django.mo").open("rb") as compiled:
        translations = gettext.GNUTranslations(compiled)
    for (context, text), found in catalogue("de").items():
        plain, expected = text.replace('\\"', '"'), found.replace('\\"', '"')
        assert (translations.pgettext(context, plain) if context else translations.gettext(plain)) == expected


@pytest.mark.skipif(shutil.which("xgettext") is None, reason="needs gettext")
def test_source__up_to_date(tmp_path: Path, monkeypatch: Any) -> None:
    """`django-admin makemessages -l en -l de --no-location --no-wrap` and `compilemessages` bring it up to date."""
    copy = tmp_path / "package"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.chdir(copy)
    try:
        call_command("makemessages", locale=["en"], no_location=True, no_wrap=True, verbosity=0)
    except subprocess.SubprocessError as error:  # pragma: no cover
        pytest.skip(str(error))
    assert entries(copy / "locale" / "en" / "LC_MESSAGES" / "django.po").keys() == catalogue("en").keys()


@pytest.mark.django_db(transaction=True)
def test_return_page(anonymous_client: APIClient) -> None:
    with translation.override("de"):
        page = visit(anonymous_client, make_payment(status="confirmed").pk).content.decode()
        assert "Vielen Dank. Wir haben Ihre Zahlung erhalten." in page
        assert '<html lang="de"' in page


@pytest.mark.django_db
def test_payment_in_the_admin(admin_client: Client) -> None:
    """No field is called by its attribute's name, as django-payments leaves its own."""
    with translation.override("de"):
        page = admin_client.get(payment_url("change", make_payment().pk)).content.decode()
    labels = re.findall(r"<label>\s*([^<]+?):?</label>", page)
    assert {"Angelegt", "Vorname", "Postleitzahl"} <= set(labels)
    assert not [label for label in labels if re.search("Billing|Created|Modified|Fraud|Customer|Message", label)]


@pytest.mark.parametrize(
    "model", [CreditNote, InvoiceRefund, BillingOperation, ConnectOperation, Customer, MailMessage]
)
def test_fields_in_the_admin(model: Any) -> None:
    with translation.override("de"):
        shown = admin.site.get_model_admin(model).readonly_fields
        names = {str(label_for_field(name, model, admin.site.get_model_admin(model))) for name in shown}
    assert not names & {"invoice", "customer", "subscription", "connected account", "former ids", "key"}


@pytest.mark.django_db(transaction=True)
def test_error(api_client: APIClient) -> None:
    with translation.override("de"):
        error = assert_error(api_client.get(f"{ROOT}payments/", {"page_size": "x"}), 400)
    assert error["detail"] == "Eine Seitengröße ist eine ganze Zahl ab 1; mehr als 100 gelten als 100."
