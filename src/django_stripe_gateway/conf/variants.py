"""``PAYMENT_VARIANTS``, and the accounts of sellers that are reached with the key of one of its entries.

Such an account has no entry and no key of its own: ``"stripe:acct_…"`` is the entry ``"stripe"``, called in the name of
a connected account. It is found where the entry allows it and the account is connected to it, and nowhere else; whoever
goes over the variants meets those of the settings alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

#: Option of an entry: payments may be taken on the accounts that are connected to it.
DIRECT_CHARGES = "direct_charges"
SELLER = re.compile(r"(.+):(acct_[A-Za-z0-9]+)", re.ASCII)

Entry = tuple[str, Mapping[str, Any]]
#: Whether an account is connected to the platform that an entry of the settings stands for.
Resolver = Callable[[str, str], bool]
_resolvers: list[Resolver] = []


def resolve_sellers_with(resolver: Resolver) -> None:
    """Let ``resolver`` say which accounts are connected; until then there are none."""
    _resolvers[:] = [resolver]


def seller_variant(platform: str, account_id: str) -> str:
    """Return the variant of a seller's account that is connected to the one of ``platform``."""
    return f"{platform}:{account_id}"


def split_variant(variant: str) -> tuple[str, str]:
    """Return the entry of the settings that a variant is of, and the seller's account; empty if it is the entry."""
    found = SELLER.fullmatch(variant)
    return (found[1], found[2]) if found else (variant, "")


def is_seller_variant(variant: str) -> bool:
    """Return whether a variant is of the form of a seller's; not whether there is such a seller."""
    return SELLER.fullmatch(variant) is not None


def takes_direct_charges(options: Any) -> bool:
    """Return whether the options of an entry allow payments on connected accounts; nothing but ``True`` does."""
    return isinstance(options, Mapping) and options.get(DIRECT_CHARGES) is True


class Variants(Mapping[str, Entry]):
    """The entries of ``PAYMENT_VARIANTS``, and by their names those of sellers, which are not listed."""

    def __init__(self, written: Mapping[str, Entry]) -> None:
        self.written = written

    def __getitem__(self, variant: str) -> Entry:
        platform, account_id = split_variant(variant) if isinstance(variant, str) else (variant, "")
        entry = self.written[platform]
        if account_id and not (takes_direct_charges(entry[1]) and _is_connected(platform, account_id)):
            raise KeyError(variant)
        return entry

    def __iter__(self) -> Iterator[str]:
        return iter(self.written)

    def __len__(self) -> int:
        return len(self.written)

    def platforms(self) -> list[str]:
        """Return the entries that take payments on connected accounts."""
        return [name for name, (_path, options) in self.written.items() if takes_direct_charges(options)]


def _is_connected(platform: str, account_id: str) -> bool:
    return any(resolver(platform, account_id) for resolver in _resolvers)
