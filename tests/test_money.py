"""Amounts and Stripe's integers: exact both ways for every currency, or refused."""

from __future__ import annotations

import decimal
import time
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_stripe_gateway.exceptions import InvalidAmount, UnsupportedCurrency
from django_stripe_gateway.money import (
    CURRENCIES,
    MAX_MINOR_UNITS,
    THREE_DECIMAL,
    WHOLE_UNITS_AS_HUNDREDTHS,
    ZERO_DECIMAL,
    currency_format,
    display_amount,
    format_amount,
    from_minor_units,
    largest_charge,
    quantize_amount,
    to_minor_units,
)
from tests.fake_stripe import money as fake_money

# What Stripe names when it refuses a currency ("Stripe currently supports these currencies: …"), 2026.
STRIPE_ACCEPTS = frozenset(
    """
    usd aed afn all amd ang aoa ars aud awg azn bam bbd bdt bgn bhd bif bmd bnd bob brl bsd bwp byn bzd cad cdf chf clp
    cny cop crc cve czk djf dkk dop dzd egp etb eur fjd fkp gbp gel gip gmd gnf gtq gyd hkd hnl hrk htg huf idr ils inr
    isk jmd jod jpy kes kgs khr kmf krw kwd kyd kzt lak lbp lkr lrd lsl mad mdl mga mkd mmk mnt mop mur mvr mwk mxn myr
    mzn nad ngn nio nok npr nzd omr pab pen pgk php pkr pln pyg qar ron rsd rub rwf sar sbd scr sek sgd shp sle sos srd
    std szl thb tjs tnd top try ttd twd tzs uah ugx uyu uzs vnd vuv wst xaf xcd xcg xof xpf yer zar zmw usdc btn ghs
    eek lvl svc vef ltl sll mro
    """.split()
)
# Money that is not legal tender any more (replaced by the euro or a new issue), and a coin that is none.
RETIRED = frozenset("hrk eek lvl ltl vef sll mro usdc".split())

#: currency, amount, Stripe's integer, as the API writes it.
CASES = [
    ("USD", "10.00", 1000, "10.00"),
    ("USD", "0.01", 1, "0.01"),
    ("USD", "1E+1", 1000, "10.00"),
    ("usd", "10.5", 1050, "10.50"),
    ("EUR", "0.29", 29, "0.29"),
    ("EUR", "1.15", 115, "1.15"),
    ("GBP", "19.990", 1999, "19.99"),
    ("HUF", "10.45", 1045, "10.45"),
    ("TWD", "10.45", 1045, "10.45"),
    ("IDR", "9999999999.99", 999_999_999_999, "9999999999.99"),
    ("COP", "99999999.99", 9_999_999_999, "99999999.99"),
    ("JPY", "500", 500, "500"),
    ("jpy", "500.00", 500, "500"),
    ("VND", "999999999999", 999_999_999_999, "999999999999"),
    ("KRW", "999999999999.000", 999_999_999_999, "999999999999"),
    ("KWD", "1.23", 1230, "1.230"),
    ("KWD", "1.230", 1230, "1.230"),
    ("KWD", "999999999.99", 999_999_999_990, "999999999.990"),
    ("BHD", "0.01", 10, "0.010"),
    ("ISK", "5", 500, "5"),
    ("UGX", "1000", 100_000, "1000"),
    ("UGX", "5.00", 500, "5"),
]


@pytest.mark.parametrize(("currency", "amount", "minor", "text"), CASES)
def test_conversion(currency: str, amount: str, minor: int, text: str) -> None:
    assert to_minor_units(Decimal(amount), currency) == minor
    assert from_minor_units(minor, currency) == Decimal(amount)
    assert str(from_minor_units(minor, currency)) == text
    assert format_amount(Decimal(amount), currency) == text


@pytest.mark.parametrize(
    ("currency", "most"),
    [("USD", "999999.99"), ("JPY", "99999999"), ("IDR", "9999999999.99"), ("KWD", "99999.990"), ("UGX", "999999")],
)
def test_largest_charge(currency: str, most: str) -> None:
    assert str(largest_charge(currency)) == most


@pytest.mark.parametrize("currency", sorted(CURRENCIES))
def test_every_currency__one_unit(currency: str) -> None:
    factor = {**dict.fromkeys(ZERO_DECIMAL, 1), **dict.fromkeys(THREE_DECIMAL, 1000)}.get(currency, 100)
    decimals = {**dict.fromkeys(ZERO_DECIMAL | WHOLE_UNITS_AS_HUNDREDTHS, 0), **dict.fromkeys(THREE_DECIMAL, 3)}
    for case in (currency, currency.lower(), currency.title()):
        assert to_minor_units(Decimal(1), case) == factor
        assert from_minor_units(factor, case) == 1
        assert currency_format(case).code == currency
    assert -from_minor_units(factor, currency).as_tuple().exponent == decimals.get(currency, 2)


@pytest.mark.parametrize("currency", sorted(CURRENCIES))
def test_every_currency__largest_and_finer(currency: str) -> None:
    form = currency_format(currency)
    largest = MAX_MINOR_UNITS - MAX_MINOR_UNITS % form.step
    amount = from_minor_units(largest, currency)
    assert to_minor_units(amount, currency) == largest
    assert fake_money.display(largest, currency.lower()).replace(",", "").lstrip("$€£¥").split()[0] in {
        f"{amount:f}",
        f"{amount:f}.00",
    }
    smallest = Decimal(form.step).scaleb(-form.exponent)
    with pytest.raises(InvalidAmount, match="too large"):
        to_minor_units(amount + smallest, currency)
    with pytest.raises(InvalidAmount, match="multiples"):
        to_minor_units(1 + smallest / 10, currency)


def test_lists__the_facts() -> None:
    assert frozenset("BIF CLP DJF GNF JPY KMF KRW MGA PYG RWF VND VUV XAF XOF XPF".split()) == ZERO_DECIMAL
    assert frozenset("BHD JOD KWD OMR TND".split()) == THREE_DECIMAL
    assert frozenset({"ISK", "UGX"}) == WHOLE_UNITS_AS_HUNDREDTHS
    assert {currency_format(code).decimals for code in ("HUF", "TWD")} == {2}


def test_lists__agree_with_stripe() -> None:
    assert {code.lower() for code in CURRENCIES} == STRIPE_ACCEPTS - RETIRED


def test_lists__agree_with_the_fake() -> None:
    assert {code.upper() for code in fake_money.CURRENCIES} <= CURRENCIES
    assert {code.upper() for code in fake_money.ZERO_DECIMAL} == ZERO_DECIMAL
    assert {code.upper() for code in fake_money.THREE_DECIMAL} == THREE_DECIMAL


@given(st.sampled_from(sorted(CURRENCIES)), st.integers(0, MAX_MINOR_UNITS))
def test_round_trip__from_minor_units(currency: str, number: int) -> None:
    minor = number - number % currency_format(currency).step
    amount = from_minor_units(minor, currency)
    assert to_minor_units(amount, currency) == minor
    assert to_minor_units(Decimal(format_amount(amount, currency)), currency) == minor
    assert to_minor_units(amount.normalize(), currency) == minor


@given(
    st.sampled_from(sorted(CURRENCIES)),
    st.decimals(min_value=0, max_value=10**13, allow_nan=False, allow_infinity=False, places=4),
)
def test_exact_or_refused(currency: str, amount: Decimal) -> None:
    form = currency_format(currency)
    try:
        minor = to_minor_units(amount, currency)
    except InvalidAmount:
        scaled = amount * 10**form.exponent
        assert scaled > MAX_MINOR_UNITS or scaled % form.step != 0
    else:
        assert Decimal(minor) == amount * 10**form.exponent
        assert minor % form.step == 0


@given(st.decimals(allow_nan=True, allow_infinity=True))
def test_any_decimal__is_converted_or_refused(amount: Decimal) -> None:
    try:
        minor = to_minor_units(amount, "USD")
    except InvalidAmount:
        return
    with decimal.localcontext(prec=5000):
        assert Decimal(minor) == amount * 100


@pytest.mark.parametrize("amount", [10.0, "10.00", 10, True, None, b"10", object()])
def test_refused__not_a_decimal(amount: Any) -> None:
    with pytest.raises(InvalidAmount, match="decimal number") as caught:
        to_minor_units(amount, "USD")
    assert caught.value.field == "amount"
    with pytest.raises(InvalidAmount):
        quantize_amount(amount, "USD")


@pytest.mark.parametrize("text", ["NaN", "sNaN", "Infinity", "-Infinity"])
def test_refused__not_finite(text: str) -> None:
    with pytest.raises(InvalidAmount, match="finite"):
        to_minor_units(Decimal(text), "USD")
    with pytest.raises(InvalidAmount):
        quantize_amount(Decimal(text), "USD")


@pytest.mark.parametrize("text", ["-0.01", "-10", "-1E+999999"])
def test_refused__negative(text: str) -> None:
    with pytest.raises(InvalidAmount, match="negative"):
        to_minor_units(Decimal(text), "USD")


def test_negative_zero__is_zero() -> None:
    assert to_minor_units(Decimal("-0.00"), "USD") == 0


@pytest.mark.parametrize(
    ("currency", "text", "multiple"),
    [
        ("USD", "10.001", "0.01"),
        ("JPY", "10.5", "1"),
        ("KWD", "1.234", "0.010"),
        ("BHD", "0.001", "0.010"),
        ("KWD", "1.2345", "0.010"),
        ("ISK", "5.01", "1.00"),
        ("UGX", "5.50", "1.00"),
    ],
)
def test_refused__too_fine(currency: str, text: str, multiple: str) -> None:
    with pytest.raises(InvalidAmount, match=f"{currency} amounts must be multiples of {multiple}."):
        to_minor_units(Decimal(text), currency)


@pytest.mark.parametrize(
    "amount",
    [
        Decimal("1E+999999"),
        Decimal("1E+999999999999"),
        Decimal("1E-999999"),
        # Below what the context holds: arithmetic would make zero of it.
        Decimal("1E-999999999999"),
        Decimal((0, (1,) * 100_000, 0)),
        Decimal((0, (1,) * 100_000, -100_000)),
        Decimal("10000000000.00"),
        Decimal("99999999999999999999999999999.99"),
    ],
    ids=["huge", "beyond-context", "tiny", "below-context", "digits", "fraction", "first-too-large", "over-28-digits"],
)
def test_refused__extremes_at_once(amount: Decimal) -> None:
    started = time.perf_counter()
    with pytest.raises(InvalidAmount):
        to_minor_units(amount, "USD")
    assert time.perf_counter() - started < 0.5


@pytest.mark.parametrize("text", ["1E+999999", "1E+999999999999", "1E-999999999999", "1" * 50])
def test_quantize__refuses_extremes(text: str) -> None:
    with pytest.raises(InvalidAmount):
        quantize_amount(Decimal(text), "USD")


def test_context_of_the_host__does_not_matter() -> None:
    with decimal.localcontext(prec=3, rounding=decimal.ROUND_UP):
        assert to_minor_units(Decimal("1234567.89"), "USD") == 123_456_789
        assert str(from_minor_units(123_456_789, "USD")) == "1234567.89"
        assert format_amount(Decimal("1234567.890"), "USD") == "1234567.89"
    with decimal.localcontext() as context:
        context.traps[decimal.Inexact] = True
        with pytest.raises(InvalidAmount):
            format_amount(Decimal("1.005"), "USD")


@pytest.mark.parametrize("currency", ["", "XXX", "EURO", "US", "usdc", "HRK", "US D", "\uff35\uff33\uff24", None, 840])
def test_refused__currency(currency: Any) -> None:
    with pytest.raises(UnsupportedCurrency) as caught:
        to_minor_units(Decimal(1), currency)
    assert (caught.value.field, caught.value.status_code) == ("currency", 400)
    with pytest.raises(UnsupportedCurrency):
        from_minor_units(100, currency)


def test_quantize__never_changes_the_value() -> None:
    assert str(quantize_amount(Decimal("10"), "USD")) == "10.00"
    assert str(quantize_amount(Decimal("-3.5"), "USD")) == "-3.50"
    assert str(quantize_amount(Decimal("1E+3"), "JPY")) == "1000"
    with pytest.raises(InvalidAmount, match="2 decimals"):
        quantize_amount(Decimal("10.005"), "USD")


def test_display__never_raises() -> None:
    assert display_amount(Decimal("10.000"), "usd") == "10.00 USD"
    assert display_amount(Decimal("10.005"), "USD") == "10.005 USD"
    assert display_amount(Decimal("10"), "XXX") == "10 XXX"
    assert display_amount(Decimal(0), "") == "0"
