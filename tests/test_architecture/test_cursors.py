"""No cursor outlives a statement: a pooler that has a connection for each transaction loses it; see ``batches``."""

from __future__ import annotations

import ast
from pathlib import Path

import django_stripe_gateway

PACKAGE = Path(django_stripe_gateway.__file__).parent


def test_iterator() -> None:
    found = [
        f"{path.relative_to(PACKAGE)}:{node.lineno}"
        for path in sorted(PACKAGE.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "iterator"
    ]
    assert found == [], "Read the rows with in_batches()."
