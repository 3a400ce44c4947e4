"""A provider is known in its own packages and nowhere else: no name, no id of its objects, no sentence about it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import django_stripe_gateway

ROOT = Path(django_stripe_gateway.__file__).parent
OWN = ("gateways/stripe/", "gateways/paypal/", "webhooks/stripe/", "webhooks/paypal/", "providers/")

NAMES = re.compile(r"stripe|paypal", re.IGNORECASE)
# This distribution's own name, its settings, and Stripe's ids in the catalogue's columns, which are data.
OURS = re.compile(
    r"django[-_]stripe[-_]gateway|STRIPE_GATEWAY_|stripe_gateway|StripeGatewayConf(ig)?|stripe_(price|product)_id"
)
IDS = re.compile(
    r"\b(cs|pi|cus|sub|evt|in|pm|price|prod|ch|re|seti|whsec|sk|rk|pk|acct)_(?![a-z]+\b)|payment_intent|checkout\.session"
)


def code_of(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the identifiers and the string literals of a module, each with its line; docstrings are left out."""
    tree = ast.parse(path.read_text())
    docstrings = set()
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if (
            isinstance(body, list)
            and body
            and isinstance(body[0], ast.Expr)
            and isinstance(body[0].value, ast.Constant)
        ):
            docstrings.add(id(body[0].value))
    for node in ast.walk(tree):
        line = getattr(node, "lineno", 0)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield line, node.value
        for field in ("id", "attr", "name", "arg", "module", "asname"):
            value = getattr(node, field, None)
            if isinstance(value, str):
                yield line, value


def leaks(path: Path) -> list[str]:
    """Return what a module says about a provider."""
    return [
        f"{path.relative_to(ROOT)}:{line}: {text}"
        for line, text in code_of(path)
        if NAMES.search(OURS.sub("", text)) or IDS.search(text)
    ]


MODULES = [
    path for path in sorted(ROOT.rglob("*.py")) if not str(path.relative_to(ROOT)).startswith((*OWN, "migrations/"))
]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_provider_is_named(path: Path) -> None:
    assert leaks(path) == []
