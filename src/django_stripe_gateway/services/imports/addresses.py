"""When two e-mail addresses are one, and when they only look so."""

from __future__ import annotations

import string
import unicodedata

_SMALL = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


def exact(email: str) -> str:
    """Return an address in a form that only the same address has.

    No letter but A to Z is made small: whoever folds more takes faß.de for fass.de, which somebody else has registered.
    Dots and what follows a plus sign tell addresses apart; what they mean only the mailbox's host knows.
    """
    return email.strip().translate(_SMALL)


def likeness(email: str) -> str:
    """Return an address in a form that all share which people or programs may take for it; empty for none.

    Letters are folded as Unicode and the first generation of international domain names do it.
    """
    address = exact(email)
    if address.isascii():
        return address
    visible = "".join(char for char in address if unicodedata.category(char) != "Cf")
    # Folding may make new sequences that are to be composed.
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", visible).casefold()).strip()
    local, at, domain = folded.rpartition("@")
    try:
        domain = domain.encode("idna").decode()
    except UnicodeError:
        return folded
    return f"{local}{at}{domain}"
