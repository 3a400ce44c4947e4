"""Write the tables of docs/reference/settings.md from the declarations of the settings.

python scripts/write_settings_reference.py
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.conf import settings

PAGE = Path(__file__).resolve().parent.parent / "docs" / "reference" / "settings.md"
# What stands by hand before and after the tables.
TABLES = re.compile(r"(?<=\n)## .*?(?=## django-payments' settings)", re.DOTALL)
# Values, placeholders, dotted paths, and names in a list of them.
CODE = re.compile(
    r'"[^"]*"|\{\w+\}|\b(?:True|False|None)\b|\b\w+(?:\.\w+)+\b|(?<=\()\w+|(?<=, )(?:\w+|\*)(?=[,)]|$)|(?<=some of )\w+'
)
COLUMNS = ("setting", "value", "default", "meaning", "checks")


def page(text: str) -> str:
    """Return the page ``text`` with the tables as the declarations have them."""
    return TABLES.sub(lambda _match: "".join(tables()), text, count=1)


def tables() -> Iterator[str]:
    """Yield a section with a table for each topic."""
    from django_stripe_gateway.conf import TOPICS, settings_of  # noqa: PLC0415

    for topic in TOPICS:
        yield f"## {(inspect.getdoc(topic) or '').rstrip('.')}\n\n{row(COLUMNS)}|{'---|' * len(COLUMNS)}\n"
        for setting in settings_of(topic).values():
            must = CODE.sub(lambda match: f"`{match[0]}`", setting.rule.must)
            name, default = f"`{setting.full_name}`", f"`{literal(setting.default)}`"
            yield row((name, must, default, setting.sentence, setting.checks))
        yield "\n"


def row(cells: tuple[str, ...]) -> str:
    """Return a row of a table."""
    return f"| {' | '.join(cells)} |\n".replace("|  |", "| |")


def literal(value: Any) -> str:
    """Return ``value`` as a host would write it."""
    return repr(value).replace("'", '"')


if __name__ == "__main__":
    settings.configure()
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
