"""Our keys are called ``…_pk``, a provider's ids ``…_id``: neither is taken for the other by name or type."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.apps import apps

import django_stripe_gateway

PACKAGE = Path(django_stripe_gateway.__file__).parent
# What HTTP calls ``plan_id`` is our key; the contract says so.
OF_HTTP = PACKAGE / "api"
# The key of an owner or a plan as Django's own attribute of a relation.
RELATIONS = {"owner_id"}
MODULES = [
    path for path in sorted(PACKAGE.rglob("*.py")) if OF_HTTP not in path.parents and "migrations" not in str(path)
]


def declared(path: Path) -> Iterator[tuple[str, str]]:
    """Yield the name and the type of each parameter and each declared attribute."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.arg) and node.annotation is not None:
            yield node.arg, ast.unparse(node.annotation)
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield node.target.id, ast.unparse(node.annotation)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_declared(path: Path) -> None:
    for name, kind in declared(path):
        if name.endswith("_id") and name not in RELATIONS:
            assert not {"int", "Any"} & set(re.findall(r"\w+", kind)), f"{name}: {kind} is a key of ours; call it …_pk"
        if name.endswith("_pk"):
            assert "str" not in kind.replace("int | str", ""), f"{name}: {kind} is a provider's id; call it …_id"


def test_columns() -> None:
    """A column of a provider's id never reads like the key of a relation."""
    taken = {model._meta.model_name for model in apps.get_models()} - {"order"}
    for model in apps.get_app_config("django_stripe_gateway").get_models():
        relations = {field.name for field in model._meta.get_fields() if field.is_relation}
        for field in model._meta.local_fields:
            if field.name.endswith("_id") and not field.is_relation:
                assert field.name.removesuffix("_id") not in relations | taken, f"{model.__name__}.{field.name}"
