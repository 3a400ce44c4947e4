"""Amounts and dates as a reader's language writes them."""

from __future__ import annotations

from datetime import date, datetime, tzinfo
from decimal import Decimal
from importlib.util import find_spec
from typing import Any

from django.utils import timezone
from django.utils.translation import to_locale

from django_stripe_gateway.exceptions import GatewayConfigurationError
from django_stripe_gateway.money import currency_format, quantize_amount

# Mails are off where it is not installed; a system check says so where they are on.
HAS_BABEL = find_spec("babel") is not None
if HAS_BABEL:
    from babel import Locale, UnknownLocaleError
    from babel.dates import format_date
    from babel.numbers import format_currency, get_currency_precision

DEFAULT = "en"


def has_babel() -> bool:
    """Return whether amounts can be written as languages do."""
    return HAS_BABEL


def locale_of(language: str) -> Any:
    """Return what Babel knows of a language of Django's, or of the one that it is a variant of.

    Raises:
        GatewayConfigurationError: Babel is not installed.
    """
    if not has_babel():
        raise GatewayConfigurationError('E-mails need Babel: pip install "django-stripe-gateway[mails]".')
    for name in (language, language.partition("-")[0], DEFAULT):
        try:
            return Locale.parse(to_locale(name))
        except (UnknownLocaleError, ValueError):
            continue
    raise AssertionError("unreachable")


def written_amount(amount: Decimal, currency: str, language: str) -> str:
    """Return an amount with its currency, such as "1.234,50 €"; no digit of it is lost."""
    exact = quantize_amount(amount, currency)
    # Some currencies are written without the hundredths in which they can be charged.
    is_finer = currency_format(currency).decimals > get_precision(currency) and exact != exact.to_integral_value()
    return str(format_currency(exact, currency, locale=locale_of(language), currency_digits=not is_finer))


def get_precision(currency: str) -> int:
    """Return with how many decimals people write a currency."""
    return int(get_currency_precision(currency)) if has_babel() else currency_format(currency).decimals


def written_date(moment: datetime | date, language: str, zone: tzinfo | None = None) -> str:
    """Return a day, such as "3. November 2026"; of a moment, the day that it is in a time zone."""
    if isinstance(moment, datetime) and timezone.is_aware(moment):
        moment = moment.astimezone(zone or timezone.get_default_timezone())
    return str(format_date(moment, format="long", locale=locale_of(language)))


def written_month(day: date) -> str:
    """Return the month of a card's expiry as it stands on the card, "12/2026"."""
    return f"{day.month:02d}/{day.year}"
