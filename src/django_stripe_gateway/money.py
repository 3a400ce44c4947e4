"""Exact conversion between amounts (``Decimal``) and Stripe's integers of the smallest unit.

Sources: https://docs.stripe.com/currencies (zero-decimal, three-decimal and special-case currencies; minimum and
maximum amounts).
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Context, Decimal, InvalidOperation

from django_stripe_gateway.exceptions import InvalidAmount, InvalidInput, UnsupportedCurrency

ZERO_DECIMAL = frozenset("BIF CLP DJF GNF JPY KMF KRW MGA PYG RWF VND VUV XAF XOF XPF".split())
THREE_DECIMAL = frozenset("BHD JOD KWD OMR TND".split())
# Sent with two decimals that must be 00: Stripe kept the two-decimal form for compatibility.
WHOLE_UNITS_AS_HUNDREDTHS = frozenset("ISK UGX".split())
TWO_DECIMAL = frozenset(
    """
    AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CNY COP CRC
    CVE CZK DKK DOP DZD EGP ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR JMD KES KGS KHR KYD
    KZT LAK LBP LKR LRD LSL MAD MDL MKD MMK MNT MOP MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR
    PLN QAR RON RSD RUB SAR SBD SCR SEK SGD SHP SLE SOS SRD STD SVC SZL THB TJS TOP TRY TTD TWD TZS UAH USD UYU UZS WST
    XCD XCG YER ZAR ZMW
    """.split()
)
CURRENCIES = ZERO_DECIMAL | THREE_DECIMAL | WHOLE_UNITS_AS_HUNDREDTHS | TWO_DECIMAL

# The integer that is sent has at most twelve digits (IDR); most currencies stop at eight, which Stripe itself checks.
MAX_MINOR_UNITS = 999_999_999_999
# How many digits Stripe takes in what it charges at once, in its integers
# (https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts).
CHARGE_DIGITS = 8
CHARGE_DIGITS_OF = {"IDR": 12, "COP": 10, "LBP": 10}
# Columns for amounts: twelve digits before and three after the point hold every such integer in every currency.
MAX_DIGITS = 15
DECIMAL_PLACES = 3

# Columns for what one unit of a measured use costs, which may be finer than the currency: Stripe's
# ``unit_amount_decimal``. Of its digits, SQLite keeps fifteen exactly.
UNIT_MAX_DIGITS = 20
UNIT_DECIMAL_PLACES = 8
UNIT_SIGNIFICANT_DIGITS = 15

# Wide enough for every amount, whatever precision the host has set for its own thread.
_CONTEXT = Context(prec=40, traps=[InvalidOperation])


@dataclass(frozen=True, slots=True)
class CurrencyFormat:
    """How a currency is written: ``decimals`` for people, ``exponent`` and ``step`` for Stripe's integers."""

    code: str
    decimals: int
    exponent: int
    step: int = 1


_FORMATS = {
    code: CurrencyFormat(code, *form)
    for codes, form in (
        (TWO_DECIMAL, (2, 2)),
        (ZERO_DECIMAL, (0, 0)),
        # The last digit of the thousandths must be 0, so that people pay in hundredths.
        (THREE_DECIMAL, (3, 3, 10)),
        (WHOLE_UNITS_AS_HUNDREDTHS, (0, 2, 100)),
    )
    for code in codes
}


def currency_format(currency: str) -> CurrencyFormat:
    """Return the format of ``currency`` (ISO code, any case).

    Raises:
        UnsupportedCurrency: Stripe does not charge in it.
    """
    form = _FORMATS.get(currency.upper()) if isinstance(currency, str) else None
    if form is not None:
        return form
    raise UnsupportedCurrency(
        "This is not a currency that can be charged. Use a three-letter ISO code such as USD.", field="currency"
    )


def to_minor_units(amount: Decimal, currency: str) -> int:
    """Return ``amount`` as the integer that Stripe expects for ``currency``.

    Args:
        amount: in the currency's own units, e.g. ``Decimal("10.00")`` dollars.
        currency: ISO code, any case.

    Raises:
        InvalidAmount: not a finite Decimal, negative, too large, or finer than the currency can be charged in.
        UnsupportedCurrency: Stripe does not charge in it.
    """
    form = currency_format(currency)
    if not isinstance(amount, Decimal) or not amount.is_finite():
        raise InvalidAmount("The amount must be a finite decimal number.", field="amount")
    if amount < 0:
        raise InvalidAmount("The amount must not be negative.", field="amount")
    # On the digits themselves: Decimal's own arithmetic rounds to its context, and turns very small amounts into zero.
    _sign, digits, exponent = amount.as_tuple()
    significant = "".join(map(str, digits)).rstrip("0")
    if not significant:
        return 0
    shift = int(exponent) + len(digits) - len(significant) + form.exponent
    if len(significant) + shift > len(str(MAX_MINOR_UNITS)):
        raise InvalidAmount(f"The amount is too large for {form.code}.", field="amount")
    minor: int | None = int(significant) * 10**shift if shift >= 0 else None
    if minor is None or minor % form.step:
        smallest = Decimal(form.step).scaleb(-form.exponent, _CONTEXT)
        raise InvalidAmount(f"{form.code} amounts must be multiples of {smallest:f}.", field="amount")
    return minor


def largest_charge(currency: str) -> Decimal:
    """Return the most that Stripe charges at once in ``currency``.

    Raises:
        UnsupportedCurrency: Stripe does not charge in it.
    """
    form = currency_format(currency)
    digits = CHARGE_DIGITS_OF.get(form.code, CHARGE_DIGITS)
    return from_minor_units(10**digits - form.step, currency)


def from_minor_units(minor: int, currency: str) -> Decimal:
    """Return Stripe's integer ``minor`` as an amount with the currency's own number of decimals."""
    form = currency_format(currency)
    return quantize_amount(Decimal(minor).scaleb(-form.exponent, _CONTEXT), currency)


def quantize_amount(amount: Decimal, currency: str) -> Decimal:
    """Return ``amount`` with exactly the currency's decimals; the value never changes.

    Raises:
        InvalidAmount: the amount is not finite, or finer than the currency.
        UnsupportedCurrency: Stripe does not charge in it.
    """
    form = currency_format(currency)
    if not isinstance(amount, Decimal):
        raise InvalidAmount("The amount must be a finite decimal number.", field="amount")
    try:
        quantized = amount.quantize(Decimal((0, (1,), -form.decimals)), context=_CONTEXT)
    except InvalidOperation:
        raise InvalidAmount(f"The amount is too large for {form.code}.", field="amount") from None
    if quantized != amount:
        raise InvalidAmount(f"{form.code} has {form.decimals} decimals.", field="amount")
    return quantized


def exact_unit_amount(amount: Decimal, currency: str) -> Decimal:
    """Return what one unit of a measured use costs: in the currency's precision, or finer where it has to be.

    Raises:
        InvalidAmount: the amount is not finite, negative, too large, or finer than eight decimals.
        UnsupportedCurrency: Stripe does not charge in the currency.
    """
    form = currency_format(currency)
    if not isinstance(amount, Decimal) or not amount.is_finite():
        raise InvalidAmount("The amount must be a finite decimal number.", field="amount")
    if amount < 0:
        raise InvalidAmount("The amount must not be negative.", field="amount")
    if amount > Decimal(MAX_MINOR_UNITS).scaleb(-form.exponent, _CONTEXT):
        raise InvalidAmount(f"The amount is too large for {form.code}.", field="amount")
    exact = amount.quantize(Decimal((0, (1,), -UNIT_DECIMAL_PLACES)), context=_CONTEXT)
    if exact != amount or len(exact.normalize(_CONTEXT).as_tuple().digits) > UNIT_SIGNIFICANT_DIGITS:
        raise InvalidAmount(
            f"The amount of one unit has at most {UNIT_DECIMAL_PLACES} decimals, and {UNIT_SIGNIFICANT_DIGITS} digits.",
            field="amount",
        )
    try:
        return quantize_amount(exact, currency)
    except InvalidAmount:
        return exact.normalize(_CONTEXT)


def to_minor_decimal(amount: Decimal, currency: str) -> str:
    """Return what one unit costs as Stripe's ``unit_amount_decimal``.

    Raises:
        InvalidAmount: see ``exact_unit_amount``.
        UnsupportedCurrency: Stripe does not charge in the currency.
    """
    exponent = currency_format(currency).exponent
    return plain_text(exact_unit_amount(amount, currency).scaleb(exponent, _CONTEXT))


def from_minor_decimal(minor: str, currency: str) -> Decimal:
    """Return Stripe's ``unit_amount_decimal`` as an amount.

    Raises:
        InvalidAmount: it is none that a price of ours could have; see ``exact_unit_amount``.
        UnsupportedCurrency: Stripe does not charge in the currency.
    """
    form = currency_format(currency)
    try:
        return exact_unit_amount(Decimal(minor).scaleb(-form.exponent, _CONTEXT), currency)
    except InvalidOperation:
        raise InvalidAmount("The amount must be a finite decimal number.", field="amount") from None


def plain_text(amount: Decimal) -> str:
    """Return an amount without zeros at its end, whatever the currency."""
    return f"{amount.normalize(_CONTEXT):f}"


def format_amount(amount: Decimal, currency: str) -> str:
    """Return ``amount`` as the API writes it: a plain decimal string in the currency's precision."""
    return f"{quantize_amount(amount, currency):f}"


def display_amount(amount: Decimal, currency: str) -> str:
    """Return ``amount`` and ``currency`` for people; never raises, because rows of other providers are shown, too."""
    try:
        return f"{format_amount(amount, currency)} {currency.upper()}"
    except InvalidInput:
        is_number = isinstance(amount, Decimal) and amount.is_finite()
        return f"{plain_text(amount) if is_number else amount} {currency}".strip()
