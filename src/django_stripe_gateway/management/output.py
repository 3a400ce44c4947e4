"""What commands print while they work, and when they are done."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django_stripe_gateway.exceptions import GatewayError


class Progress:
    """A counter in the last line of a terminal; nothing where nobody looks."""

    def __init__(self, stream: Any, label: str) -> None:
        self.stream = stream
        self.label = label
        self.count = 0
        self.is_shown = bool(stream.isatty())

    def add(self, count: int = 1) -> None:
        """Count on."""
        self.count += count
        if self.is_shown:
            self.stream.write(f"\r{self.label} {self.count}", ending="")
            self.stream.flush()

    def end(self) -> None:
        """Leave the line."""
        if self.is_shown and self.count:
            self.stream.write("")


def table(names: Iterable[str], counts: Mapping[str, int]) -> Sequence[str]:
    """Return the lines of a summary: every name with its count."""
    names = list(names)
    width = max(map(len, names))
    return [f"{name:>{width}}  {counts.get(name, 0)}" for name in names]


def as_table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return rows below their header, each column as wide as its widest cell."""
    lines = [[str(cell) for cell in row] for row in [header, *rows]]
    widths = [max(len(line[index]) for line in lines) for index in range(len(header))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def sentence_of(error: GatewayError) -> str:
    """Return an error's sentence with the provider's id of the request."""
    return f"{error.detail} (Stripe's request id: {error.request_id})" if error.request_id else error.detail
