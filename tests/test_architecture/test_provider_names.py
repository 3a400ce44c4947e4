"""A provider is known in its own packages and nowhere else: no name, no id of its objects, no sentence about it.

Docstrings and comments may say whose behaviour a line is about; code may not.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import django_stripe_gateway

ROOT = Path(django_stripe_gateway.__file__).parent
OWN = ("gateways/stripe/", "gateways/paypal/", "webhooks/stripe/", "webhooks/paypal/", "providers/", "migrations/")

NAME = re.compile(r"stripe|paypal", re.IGNORECASE)
# This distribution's own names, and columns of the catalogue, which are data.
OURS = re.compile(r"django[-_]stripe[-_]gateway|stripe_gateway|StripeGatewayConf(ig)?|stripe_(price|product)_id", re.I)
ID = re.compile(r"\b(cs|pi|cus|sub|evt|pm|seti|whsec|sk|rk|acct)_|\b(in|re|ch)_(?!\w)|payment_intent|checkout\.session")

# Modules and packages that may name one all the same, and why.
NAMED: dict[str, str] = {
    "apps": "registers the two that are shipped",
    "conf": "has settings of both, with the dotted paths of their classes",
    "management/commands/import_dj_stripe": "reads another app's tables, which know one provider",
    "management/commands/register_webhook_endpoint": "is a command for one provider",
    "management/commands/sync_webhook_events": "is a command for one provider",
    "models/plans": "has a column's default that migrations hold",
    "services/imports/dj_stripe": "reads another app's tables, which know one provider",
    "services/imports/django_payments": "reads another app's tables, which keep one provider's objects",
    "services/leaving/redaction": "knows of every provider which fields of an event say nothing about a person",
    "webhooks/inbox/secrets": "knows of every provider which addresses in an event open something",
    "testing": "delivers one provider's events in a host's tests",
}
# Whose texts people read: examples in the API's document, labels, translated sentences, what commands print. They may
# hold a provider's words, but compare nothing with its name.
WORDED = ("admin/", "api/", "management/", "models/", "services/catalogue/")
COMPARED = frozenset({"stripe", "paypal"})


def code_of(path: Path) -> Iterator[tuple[int, str, bool]]:
    """Yield the identifiers and the strings of a module with their lines, and whether each is a string."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    statements = (node.value for node in ast.walk(tree) if isinstance(node, ast.Expr))
    docstrings = {id(value) for value in statements if isinstance(value, ast.Constant)}
    for node in ast.walk(tree):
        line = getattr(node, "lineno", 0)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield line, node.value, True
        for field in ("id", "attr", "name", "arg", "module", "asname"):
            value = getattr(node, field, None)
            if isinstance(value, str):
                yield line, value, False


def leaks(path: Path) -> list[str]:
    """Return what the code of a module says about a provider."""
    name = path.relative_to(ROOT).as_posix()
    return [
        f"{name}:{line}: {text}"
        for line, text, is_string in code_of(path)
        if NAME.search(OURS.sub("", text)) or (is_string and ID.search(text))
        if not (is_string and name.startswith(WORDED) and (text not in COMPARED or name.startswith("api/")))
    ]


MODULES = {path.relative_to(ROOT).as_posix(): path for path in sorted(ROOT.rglob("*.py"))}
EXCEPTIONS = tuple(f"{name}{end}" for name in NAMED for end in (".py", "/"))


@pytest.mark.parametrize("name", [name for name in MODULES if not name.startswith((*OWN, *EXCEPTIONS))])
def test_no_provider_is_known(name: str) -> None:
    assert leaks(MODULES[name]) == []


@pytest.mark.parametrize("named", sorted(NAMED))
def test_exceptions_are_needed(named: str) -> None:
    assert any(leaks(path) for name, path in MODULES.items() if name.startswith((f"{named}.py", f"{named}/")))
