"""The guide gives a restricted key access to all that the code calls, and to nothing else."""

from __future__ import annotations

import re
from pathlib import Path

import django_stripe_gateway
from tests.test_docs.blocks import DOCS
from tests.test_docs.tables import codes, rows, sections

SOURCE = Path(django_stripe_gateway.__file__).parent
# A service of the SDK, one in a namespace included, and the last of the names behind it: its method.
CALL = re.compile(r"\.v1\.((?:checkout\.|billing\.|billing_portal\.)?\w+)\.(?:\w+\.)*(\w+)")
READING = ("list", "retrieve", "retrieve_current")
# Services that are called otherwise than their path.
PATHS = {"accounts.retrieve_current": "account", "invoice_items": "invoiceitems"}


def called() -> dict[str, bool]:
    """Return the paths that the code calls, and whether it writes there; localstripe knows no restricted keys."""
    found: dict[str, bool] = {}
    for path in SOURCE.rglob("*.py"):
        if "localstripe" not in path.parts:
            for service, method in CALL.findall(path.read_text(encoding="utf-8")):
                name = PATHS.get(f"{service}.{method}") or PATHS.get(service, service.replace(".", "/"))
                found[name] = found.get(name, False) or method not in READING
    return found


def test_restricted_key() -> None:
    section = sections(DOCS / "howto" / "checkout-in-production.md")["With a restricted key"]
    tables = section.split("For subscriptions also:")
    given = [(codes(row[2]), row[1]) for table in tables for row in rows(table)]
    paths = called()
    assert sorted(path for named, _access in given for path in named) == sorted(paths)
    for named, access in given:
        assert access == ("write" if any(paths[path] for path in named) else "read"), named
