"""Amounts as PayPal writes them: decimal strings, in the currencies that it takes.

Source: https://developer.paypal.com/api/rest/reference/currency-codes/
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Context, Decimal, InvalidOperation
from typing import Any

from django_stripe_gateway.exceptions import InvalidAmount, UnsupportedCurrency

# Whole units only: with decimals PayPal refuses them, although the forint and the Taiwan dollar have some elsewhere.
WHOLE_UNITS = frozenset("HUF JPY TWD".split())
HUNDREDTHS = frozenset("AUD BRL CAD CHF CNY CZK DKK EUR GBP HKD ILS MXN MYR NOK NZD PHP PLN SEK SGD THB USD".split())
CURRENCIES = WHOLE_UNITS | HUNDREDTHS

_VALUE = re.compile(r"-?\d{1,15}(?:\.\d{1,3})?", re.ASCII)
_CONTEXT = Context(prec=40, traps=[InvalidOperation])


def paypal_decimals(currency: str) -> int:
    """Return how many decimals PayPal takes in ``currency`` (ISO code, any case).

    Raises:
        UnsupportedCurrency: PayPal does not take it.
    """
    code = currency.upper()
    if code not in CURRENCIES:
        raise UnsupportedCurrency(
            f"PayPal takes no payments in this currency. Use one of {', '.join(sorted(CURRENCIES))}.", field="currency"
        )
    return 0 if code in WHOLE_UNITS else 2


def paypal_amount(amount: Decimal, currency: str) -> dict[str, str]:
    """Return ``amount``, in the currency's own units, as PayPal's object.

    Raises:
        UnsupportedCurrency: PayPal does not take the currency.
        InvalidAmount: the amount is not finite, negative, or finer than PayPal takes.
    """
    decimals = paypal_decimals(currency)
    if not isinstance(amount, Decimal) or not amount.is_finite() or amount < 0:
        raise InvalidAmount("The amount must be a finite decimal number that is not negative.", field="amount")
    try:
        quantized = amount.quantize(Decimal((0, (1,), -decimals)), context=_CONTEXT)
    except InvalidOperation:
        raise InvalidAmount("The amount is too large.", field="amount") from None
    if quantized != amount:
        raise InvalidAmount(f"PayPal takes {currency.upper()} with {decimals} decimals.", field="amount")
    return {"currency_code": currency.upper(), "value": f"{quantized:f}"}


def read_amount(value: Any) -> tuple[Decimal, str]:
    """Return amount and currency of one of PayPal's objects, of either API generation; never negative.

    v1 names the fields ``total`` and ``currency``, and writes what goes back to the buyer with a minus.

    Raises:
        ValueError: it is no amount.
    """
    if not isinstance(value, Mapping):
        raise ValueError("no amount")
    number = value.get("value", value.get("total"))
    currency = value.get("currency_code", value.get("currency"))
    if not isinstance(number, str) or not _VALUE.fullmatch(number) or not isinstance(currency, str):
        raise ValueError("no amount")
    if not re.fullmatch("[A-Za-z]{3}", currency):
        raise ValueError("no currency")
    return abs(Decimal(number)), currency.upper()
