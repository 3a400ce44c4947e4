"""What a quantity of use can be."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _

from django_stripe_gateway.exceptions import InvalidQuantity

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
