"""Destination charges: the parameters of a platform's payment, and what an intent says of them.

https://docs.stripe.com/connect/destination-charges
"""

from __future__ import annotations

import re
from typing import Any

from django_stripe_gateway.gateways.stripe.fields import Object, amount_of, object_id, part
from django_stripe_gateway.gateways.values import TransferTerms
from django_stripe_gateway.money import to_minor_units

ACCOUNT_ID = re.compile(r"acct_\w{1,250}", re.ASCII)
SAID_BY = ("transfer_data", "on_behalf_of", "application_fee_amount")


def is_account_id(text: str) -> bool:
    """Return whether a text is spelt like the id of an account."""
    return ACCOUNT_ID.fullmatch(text) is not None


def transfer_params(terms: TransferTerms, currency: str) -> dict[str, Any]:
    """Return the parameters of a new intent; a page has the same ones in its ``payment_intent_data``."""
    params: dict[str, Any] = {}
    if terms.destination:
        params["transfer_data"] = {"destination": terms.destination}
    if terms.on_behalf_of:
        params["on_behalf_of"] = terms.on_behalf_of
    if terms.application_fee:
        params["application_fee_amount"] = to_minor_units(terms.application_fee, currency)
    return params


def intent_terms(intent: Object, currency: str) -> TransferTerms | None:
    """Return what an intent says; ``None`` for localstripe's, which knows nothing of it."""
    if not any(name in intent for name in SAID_BY):
        return None
    fee = intent.get("application_fee_amount")
    return TransferTerms(
        destination=object_id(part(intent.get("transfer_data")).get("destination")),
        on_behalf_of=object_id(intent.get("on_behalf_of")),
        application_fee=None if fee is None else amount_of(fee, currency),
    )
