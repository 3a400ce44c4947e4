"""What a charge says of the card, the bank account or the wallet that it was made with."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django_stripe_gateway.gateways.stripe.fields import Object, moment, part
from django_stripe_gateway.gateways.values import PaidWith

#: The version from which an intent names its charge, and does not embed it any more.
NAMES_CHARGE = "2022-11-15"
# Kinds of ``payment_method_details`` that are about a card; the last is how versions before them know one.
CARDS = ("card", "card_present", "interac_present")
# How the oldest versions write what is one word now.
OLD_BRANDS = {"american express": "amex", "diners club": "diners"}
ADDRESS_LENGTH = 2048
# No bank takes longer to make a payment that it was asked for.
SLOWEST = timedelta(days=14)


def charge_expansion(api_version: str, *, is_localstripe: bool = False, before: str = "", after: str = "") -> list[str]:
    """Return what to expand so that an intent comes with its charge; nothing where it embeds it anyway.

    Args:
        api_version: the one that is asked for; empty for that of the SDK.
        before: the path to the intent.
        after: the path to what of the charge is wanted besides.
    """
    embeds = is_localstripe or bool(api_version and api_version < NAMES_CHARGE)
    names = [before, "charges.data" if embeds else "latest_charge", after]
    if embeds and not after:
        return [before] if before else []
    return [".".join(filter(None, names))]


def intent_charge(intent: Object) -> Object:
    """Return the latest charge of an intent, expanded, or embedded as before 2022-11-15; empty if only named."""
    charge = part(intent.get("latest_charge"))
    if charge:
        return charge
    charges = part(intent.get("charges")).get("data")
    return part(charges[0]) if isinstance(charges, list) and charges else {}


def paid_with(charge: Object) -> PaidWith | None:
    """Return what a charge was made with; ``None`` for one that has not succeeded, and for one that does not say."""
    if charge.get("status") != "succeeded":
        return None
    details = part(charge.get("payment_method_details"))
    kind = _text(details.get("type"))
    source = part(charge.get("source"))
    if not kind and source.get("object") == "card":
        kind, details = "card", {"card": source}
    if not kind:
        return None
    used = part(details.get(kind))
    card = used if kind in CARDS else {}
    wallet = _text(part(card.get("wallet")).get("type"))
    return PaidWith(
        method_type=(wallet or kind)[:64],
        card_brand=_word(card.get("brand"))[:32],
        card_last4=_last4(card.get("last4")),
        receipt_url=_address(charge.get("receipt_url")),
    )


def charged_at(charge: Object) -> datetime | None:
    """Return when a charge has succeeded, or at the latest; ``None`` where it has not, or does not say.

    A charge is as old as the attempt. A card's is over at once, a debit of an account days later
    (https://docs.stripe.com/payments/payment-methods/payment-method-support#additional-api-supportability).
    """
    if charge.get("status") != "succeeded" or charge.get("captured") is not True:
        return None
    made = moment(charge.get("created"))
    is_card = _text(part(charge.get("payment_method_details")).get("type")) in CARDS
    return made if made is None or is_card else made + SLOWEST


def _text(value: Any) -> str:
    # Shown, and never decided by: what is of another type is left out, and refuses nothing that is about money.
    return value if isinstance(value, str) else ""


def _word(value: Any) -> str:
    brand = _text(value).lower()
    return OLD_BRANDS.get(brand, brand)


def _last4(value: Any) -> str:
    return value if isinstance(value, str) and len(value) == 4 and value.isascii() and value.isdigit() else ""


def _address(value: Any) -> str:
    """Return an address that a page may link to."""
    return value if isinstance(value, str) and value.startswith("https://") and len(value) <= ADDRESS_LENGTH else ""
