"""What a quantity of use can be."""

from __future__ import annotations

import hashlib
from typing import Any

from django.utils.translation import gettext as _

from django_stripe_gateway.exceptions import InvalidInput, InvalidQuantity

# A counter holds nine million of them.
MAX_QUANTITY = 10**12


def whole_quantity(quantity: Any, least: int = 1) -> int:
    """Return ``quantity`` if it is a whole number from ``least`` to ``MAX_QUANTITY``.

    Raises:
        InvalidQuantity: it is not; no float is rounded and no bool counted.
    """
    if not isinstance(quantity, int) or isinstance(quantity, bool) or not least <= quantity <= MAX_QUANTITY:
        raise InvalidQuantity(
            _("The quantity is a whole number from %(least)d to %(most)d.") % {"least": least, "most": MAX_QUANTITY},
            field="quantity",
        )
    return quantity


def stored_key(idempotency_key: str | None) -> str | None:
    """Return a caller's key as it is stored: of one length, and told apart to the letter on every database.

    Raises:
        InvalidInput: it is empty.
    """
    if idempotency_key is None:
        return None
    if not idempotency_key:
        raise InvalidInput("An idempotency key has at least one character.", field="idempotency_key")
    return hashlib.sha256(idempotency_key.encode()).hexdigest()
