"""Sentences of providers without what is private in them."""

from __future__ import annotations

import re
from typing import Any

LONGEST_MESSAGE = 500
# They quote what was sent: keys, client secrets, e-mail addresses, card numbers.
PRIVATE = re.compile(
    r"\b(?:[a-z]k_(?:test|live)_|[a-z]{2}sec_)\S+|\b\w+_secret_\w+|[^\s'\"<>:]+@[^\s'\"<>]+|\b\d(?:[ -]?\d){11,18}\b"
)


def readable_message(message: Any) -> str:
    """Return a provider's sentence without what is private in it."""
    return PRIVATE.sub("[…]", message)[:LONGEST_MESSAGE] if isinstance(message, str) else ""
