"""What commands print while they work, and when they are done."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from django_stripe_gateway.exceptions import GatewayError


class GatewayCommand(BaseCommand):
    """A command of this app: a terminal that cannot show a character gets its escape, and ends no command."""

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        """Return the parser, whose help holds such characters itself."""
        show_anything(sys.stdout)
        return super().create_parser(prog_name, subcommand, **kwargs)

    def execute(self, *args: Any, **options: Any) -> str | None:
        """Run the command on the streams that it was given, or the process's own."""
        for stream in (sys.stdout, sys.stderr, options.get("stdout"), options.get("stderr")):
            show_anything(stream)
        return super().execute(*args, **options)


def show_anything(stream: Any) -> None:
    """Let a stream write what its encoding does not know as an escape, where it would raise."""
    stream = getattr(stream, "_out", stream)
    if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
        stream.reconfigure(errors="backslashreplace")


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
