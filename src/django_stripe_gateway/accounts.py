"""Which account a payment variant stands for now, by which the rows of another mode or account are told apart.

The gateways say it, and the models ask for it; neither knows the other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Account:
    """An account at a provider, in one of its modes.

    Args:
        livemode: whether real money moves.
        account_id: the provider's, empty while it is not known: then the mode alone tells accounts apart.
        key_digest: stands for the key, from which nobody can read it; by this the account is remembered that the
            provider names. Empty where the provider cannot be asked.
        named_id: what the provider says instead, where the settings name another account than the key's. Which of the
            two is wrong nobody can tell: nothing is asked or made then, and what is of either entitles as before.
    """

    livemode: bool
    account_id: str = ""
    key_digest: str = ""
    named_id: str = ""

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of which a row may be this account's; none where they do not tell accounts apart."""
        return ("", *filter(None, (self.account_id, self.named_id))) if self.account_id else ()

    def has(self, livemode: bool, account_id: str) -> bool:
        """Return whether what was made in a mode and an account is this one's; of an unknown account it may be."""
        return livemode == self.livemode and (not self.ids or account_id in self.ids)


Reader = Callable[[str], Account | None]
_readers: list[Reader] = []


def read_accounts_with(reader: Reader) -> None:
    """Let ``reader`` say what the settings tell of a variant's account; ``None`` for providers that tell nothing."""
    _readers[:] = [reader]


def configured_account(variant: str) -> Account | None:
    """Return what the settings tell of the account of ``variant``; nobody is asked."""
    return next((reader(variant) for reader in _readers), None)
