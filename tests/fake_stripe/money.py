"""What Stripe refuses about an amount (https://docs.stripe.com/currencies)."""

from __future__ import annotations

from tests.fake_stripe.errors import ApiError, invalid

ZERO_DECIMAL = frozenset("bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf".split())
THREE_DECIMAL = frozenset("bhd jod kwd omr tnd".split())
#: Sent with two decimals, which must be 00.
WHOLE_UNITS = frozenset({"isk", "ugx"})
CURRENCIES = (
    frozenset(
        "usd eur gbp chf cad aud nzd sek nok dkk pln czk huf ron bgn inr sgd hkd myr thb idr php twd mxn brl zar ils "
        "aed sar try all amd ang awg azn bam bbd bdt bmd bnd bob bsd bwp bzd cdf cny cop crc cve dop dzd egp etb fjd "
        "fkp gel gip gmd gtq gyd hnl htg jmd kes kgs khr kyd kzt lak lbp lkr lrd lsl mad mdl mkd mmk mnt mop mur mvr "
        "mwk mzn nad ngn nio npr pab pen pgk pkr qar rsd rub sbd scr shp sle sos srd std szl tjs top ttd tzs uah uyu "
        "uzs wst xcd xcg btn ghs svc yer zmw".split()
    )
    | ZERO_DECIMAL
    | THREE_DECIMAL
    | WHOLE_UNITS
)
_MINIMUM = {"usd": 50, "eur": 50, "gbp": 30, "chf": 50, "cad": 50, "aud": 50, "jpy": 50, "krw": 100, "sek": 300}
_SYMBOLS = {"usd": "$", "eur": "€", "gbp": "£", "jpy": "¥"}
_MAXIMUM = 99_999_999
_MAXIMUM_BY_CURRENCY = {"idr": 999_999_999_999, "cop": 9_999_999_999, "lbp": 9_999_999_999}


def check_currency(currency: str, param: str = "currency") -> None:
    """Refuse a currency that Stripe does not know."""
    if currency.lower() not in CURRENCIES:
        raise invalid(f"Invalid currency: {currency}. Stripe currently supports these currencies: usd, aed, …", param)


def check_amount(amount: int, currency: str, param: str = "amount", *, minimum: bool = True) -> None:
    """Refuse what cannot be charged in `currency`: too little, too much, or decimals that the currency lacks."""
    if amount < 1 and minimum:
        raise invalid("This value must be greater than or equal to 1.", param, "parameter_invalid_integer")
    if currency in THREE_DECIMAL and amount % 10:
        raise invalid(f"Invalid amount: the last digit of an amount in {currency} must be 0.", param)
    if currency in WHOLE_UNITS and amount % 100:
        raise invalid(f"Invalid amount: an amount in {currency} must be divisible by 100.", param)
    if minimum and amount < _MINIMUM.get(currency, 1):
        least = display(_MINIMUM[currency], currency)
        raise ApiError(
            400, f"Amount must be at least {least} {currency}", code="amount_too_small", param=param, stored=False
        )
    if amount > _MAXIMUM_BY_CURRENCY.get(currency, _MAXIMUM):
        most = display(_MAXIMUM_BY_CURRENCY.get(currency, _MAXIMUM), currency)
        raise ApiError(400, f"Amount must be no more than {most}", code="amount_too_large", param=param, stored=False)


def display(amount: int, currency: str) -> str:
    """Return an amount as Stripe's messages and pages write it: "$20.00", "¥500", "12.500 KWD"."""
    places = 0 if currency in ZERO_DECIMAL else 3 if currency in THREE_DECIMAL else 2
    whole, rest = divmod(amount, 10**places)
    number = f"{whole:,}" + (f".{rest:0{places}d}" if places else "")
    symbol = _SYMBOLS.get(currency)
    return f"{symbol}{number}" if symbol else f"{number} {currency.upper()}"
