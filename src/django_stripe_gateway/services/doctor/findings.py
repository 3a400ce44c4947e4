"""What a diagnosis finds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

#: Yields what it finds; with ``True`` no provider is asked.
Diagnosis = Callable[[bool], Iterator["Finding"]]
MODES = {True: "live", False: "test", None: "-"}


@dataclass(frozen=True, slots=True)
class Finding:
    """Some rows that are of one kind, for one reason.

    Args:
        subject: what they are, for people, in the plural.
        count: how many.
        why: what is the matter.
        remedy: the exact command, or the page of the admin; empty where there is nothing to do.
        variant, livemode, account_id: where they are; empty where that says nothing.
        is_problem: somebody has to do something; otherwise it is good to know.
    """

    subject: str
    count: int
    why: str
    remedy: str = ""
    variant: str = ""
    livemode: bool | None = None
    account_id: str = ""
    is_problem: bool = True

    def cells(self) -> tuple[str, ...]:
        """Return the cells of its row in the table; see ``HEADER``."""
        kind = "problem" if self.is_problem else "note"
        where = (self.variant or "-", MODES[self.livemode], self.account_id or "-")
        return kind, self.subject, str(self.count), *where, self.why, self.remedy or "nothing to do"


HEADER = ("", "what", "count", "variant", "mode", "account", "why", "what to do")
