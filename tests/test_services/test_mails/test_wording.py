"""Amounts and days as readers write them: no digit is lost, in any currency and language."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.conf import global_settings
from django.utils.translation import override

from django_stripe_gateway.choices import MailKind
from django_stripe_gateway.conf.mails import MAIL_KINDS
from django_stripe_gateway.exceptions import GatewayConfigurationError
from django_stripe_gateway.money import CURRENCIES, currency_format
from django_stripe_gateway.services.mails import wording
from django_stripe_gateway.services.mails.occasions import READERS
from django_stripe_gateway.services.mails.wording import locale_of, written_amount, written_date


@pytest.mark.parametrize(
    ("amount", "currency", "language", "expected"),
    [
        ("1234.50", "EUR", "de", "1.234,50\xa0€"),
        ("1234.50", "EUR", "en", "€1,234.50"),
        ("1234.50", "EUR", "de-at", "€\xa01.234,50"),
        ("1234", "JPY", "de", "1.234\xa0¥"),
        ("1.230", "KWD", "de", "1,230\xa0KWD"),
        ("5", "USD", "xx-unknown", "$5.00"),
    ],
)
def test_written_amount(amount: str, currency: str, language: str, expected: str) -> None:
    assert written_amount(Decimal(amount), currency, language) == expected


@pytest.mark.parametrize("currency", sorted(CURRENCIES))
def test_written_amount__loses_no_digit(currency: str) -> None:
    decimals = currency_format(currency).decimals
    amount = Decimal("1234567").scaleb(-decimals)
    digits = [letter for letter in written_amount(amount, currency, "de") if letter.isascii() and letter.isdigit()]
    assert "".join(digits) == "1234567"


@pytest.mark.parametrize("language", [code for code, _name in global_settings.LANGUAGES])
def test_every_language_of_djangos__is_one_of_babels(language: str) -> None:
    locale = locale_of(language)
    assert locale.language == language.partition("-")[0] or locale.language in ("nb", "en", "dsb", "hsb")


def test_written_date__is_the_readers_day() -> None:
    moment = datetime(2026, 10, 31, 23, 30, tzinfo=UTC)
    assert written_date(moment, "de", ZoneInfo("Europe/Berlin")) == "1. November 2026"
    assert written_date(moment, "en") == "October 31, 2026"
    with override("de"):
        assert written_date(date(2026, 12, 3), "en") == "December 3, 2026"


def test_without_babel__says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wording, "HAS_BABEL", False)
    with pytest.raises(GatewayConfigurationError, match=r"django-stripe-gateway\[mails\]"):
        locale_of("de")


def test_kinds__agree() -> None:
    assert tuple(MailKind.values) == MAIL_KINDS
    assert set(READERS) == set(MAIL_KINDS)


def test_templates__every_kind_has_its_three() -> None:
    from django.template.loader import get_template

    for kind in MAIL_KINDS:
        for part in ("subject.txt", "txt", "html"):
            found: Any = get_template(f"django_stripe_gateway/mail/{kind}.{part}")
            assert found
