"""What hosts import: ten modules, one path for each thing, keywords only, and nothing else in what they read.

The three lists below are the contract. A name that moves out of them breaks hosts.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import django_stripe_gateway
from tests.test_docs.blocks import DOCS, ROOT, steps
from tests.test_docs.tables import codes, rows, sections

PACKAGE = "django_stripe_gateway"
SOURCE = Path(django_stripe_gateway.__file__).parent

PUBLIC = (
    "payments",
    "subscriptions",
    "usage",
    "webhooks",
    "signals",
    "models",
    "exceptions",
    "gateways",
    "adapter",
    "testing",
)

# Named in settings and URLs, or subclassed where a host replaces it.
REPLACEABLE = (
    "urls",
    "providers",
    "admin",
    "api.payments.serializers",
    "api.errors",
    "services.mails.tasks",
    "webhooks.tasks",
)

# Parameters that read as a sentence without their names: who is asked about, what is counted, what is converted.
POSITIONAL = {
    "payments": {"amount", "currency", "minor"},
    "subscriptions": {"owner", "slugs"},
    "usage": {"owner", "metric", "quantity", "reservation"},
    "webhooks": {
        "event_types",
        "finder",
        "object_ids",
        "event_pk",
        "event",
        "payment",
        "change",
        "snapshot",
        "origin",
        "token",
        "ids",
        "value",
    },
    "gateways": {"variant", "provider"},
    "testing": {"client", "event", "event_type", "obj", "body", "secret", "timestamp"},
}

PAGES = [
    ROOT / "README.md",
    *(path for path in sorted(DOCS.rglob("*.md")) if not path.is_relative_to(DOCS / "contributing")),
]
EXAMPLE = sorted((ROOT / "example_project").rglob("*.py"))
DISTRIBUTION = sorted((ROOT / "tests" / "third_provider" / "src").rglob("*.py"))
DOTTED = re.compile(rf"\b{PACKAGE}((?:\.[A-Za-z_]\w*)+)")
# The comments that prepare and check an example are the tests' own; imports are read as Python.
UNREAD = re.compile(r"<!--[\s\S]*?-->|^(?:>>> )?from .+$", re.MULTILINE)
DIRECTIVE = re.compile(r"auto(?:function|class|exception|module):: (\S+)")


def module(name: str) -> ModuleType:
    """Return one of the public modules."""
    return import_module(f"{PACKAGE}.{name}")


def exported(name: str) -> dict[str, Any]:
    """Return what a public module exports."""
    public = module(name)
    return {key: getattr(public, key) for key in public.__all__}


def functions() -> list[Any]:
    """Return every public function with the module that exports it."""
    return [
        pytest.param(name, value, id=f"{name}.{key}")
        for name in PUBLIC
        for key, value in exported(name).items()
        if inspect.isfunction(value)
    ]


@pytest.mark.parametrize("name", PUBLIC)
def test_exports(name: str) -> None:
    names = module(name).__all__
    assert list(names) == sorted(names)
    assert len(set(names)) == len(names)
    assert all(hasattr(module(name), key) for key in names)
    assert (module(name).__doc__ or "").strip()


def test_exports__one_path_for_each_thing() -> None:
    seen: dict[int, str] = {}
    for name in PUBLIC:
        for key, value in exported(name).items():
            path = f"{name}.{key}"
            assert id(value) not in seen, f"{path} is {seen[id(value)]} as well"
            seen[id(value)] = path


@pytest.mark.parametrize("name", PUBLIC)
def test_exports__are_documented_objects(name: str) -> None:
    for key, value in exported(name).items():
        if inspect.isclass(value) or inspect.isfunction(value):
            assert (inspect.getdoc(value) or "").strip(), f"{name}.{key} has no docstring"


@pytest.mark.parametrize(("name", "function"), functions())
def test_functions__take_keywords_only(name: str, function: Any) -> None:
    named = (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.VAR_KEYWORD)
    positional = {key for key, one in inspect.signature(function).parameters.items() if one.kind not in named}
    assert positional <= POSITIONAL.get(name, set())


# What a verb is about, which its first sentence explains, and what all verbs have, which their module explains.
EXPLAINED_ELSEWHERE = {
    "payment",
    "subscription",
    "credit_note",
    "customer",
    "owner",
    "plan",
    "pricing",
    "idempotency_key",
    "origin",
}


@pytest.mark.parametrize(("name", "function"), functions())
def test_verbs__say_what_their_arguments_mean(name: str, function: Any) -> None:
    parameters = inspect.signature(function).parameters
    text = inspect.getdoc(function) or ""
    if "origin" in parameters:
        unexplained = {key for key in parameters if not re.search(rf"\b{key}\b", text)}
        assert unexplained <= EXPLAINED_ELSEWHERE, f"{name}.{function.__name__}"


@pytest.mark.parametrize(("name", "function"), functions())
def test_verbs__say_what_they_raise(name: str, function: Any) -> None:
    signature = inspect.signature(function)
    # What yields outcomes raises nothing: an error of the provider is one of them.
    if "origin" in signature.parameters and not str(signature.return_annotation).startswith("Iterator"):
        assert re.search(r"Raises:|what is raised", inspect.getdoc(function) or ""), f"{name}.{function.__name__}"


def test_functions__exceptions_are_all_needed() -> None:
    taken: dict[str, set[str]] = {name: set() for name in POSITIONAL}
    for case in functions():
        name, function = case.values
        taken.setdefault(name, set()).update(inspect.signature(function).parameters)
    assert {name: keys - taken[name] for name, keys in POSITIONAL.items() if keys - taken[name]} == {}


# What people read


def is_module(path: str) -> bool:
    """Return whether a dotted path below the package is a module of it."""
    place = SOURCE.joinpath(*path.split("."))
    return place.is_dir() or place.with_suffix(".py").is_file()


def module_of(dotted: str) -> str:
    """Return the module that a dotted path below the package begins with, empty if it is none of the package's."""
    parts = dotted.split(".")
    count = next((count for count in range(len(parts), 0, -1) if is_module(".".join(parts[:count]))), 0)
    return ".".join(parts[:count])


def imports(tree: ast.AST) -> Iterator[tuple[str, list[str]]]:
    """Yield the modules below the package that Python imports, each with the names that are taken from it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == PACKAGE:
            names = [alias.name for alias in node.names]
            if node.module != PACKAGE:
                yield node.module.removeprefix(f"{PACKAGE}."), names
            else:
                yield from ((name, []) for name in names if is_module(name))
        elif isinstance(node, ast.Import):
            yield from ((alias.name.removeprefix(f"{PACKAGE}."), []) for alias in node.names if PACKAGE in alias.name)


def page_imports(path: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield what the examples of a page import."""
    for step in steps(path):
        if step.verb == "block" and step.language == "python":
            yield from imports(ast.parse(step.text))
        elif step.verb == "block" and step.language == "pycon":
            lines = (line[4:] for line in step.text.splitlines() if line.startswith(">>> from"))
            yield from imports(ast.parse("\n".join(lines)))
        elif step.verb == "block":
            found = re.findall(rf"from {PACKAGE}\.([\w.]+) import (\w+)", step.text)
            yield from ((name, [key]) for name, key in found)


def assert_public(name: str, names: list[str], place: str) -> None:
    """Fail unless a host may import ``names`` from a module."""
    submodules = {f"{name}.{key}" for key in names if is_module(f"{name}.{key}")}
    if submodules:
        assert submodules <= {*PUBLIC, *REPLACEABLE}, f"{place} imports {submodules}, which hosts do not"
        return
    assert name in (*PUBLIC, *REPLACEABLE), f"{place} imports {name}, which hosts do not"
    if name in PUBLIC:
        assert set(names) <= set(exported(name)), f"{place} imports what {name} does not export"


def mentions(text: str) -> set[str]:
    """Return the modules of the package that a text names by their dotted paths, in settings for example."""
    return {module_of(dotted.strip(".")) for dotted in DOTTED.findall(UNREAD.sub("", text))} - {""}


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_pages__name_what_is_public(path: Path) -> None:
    for name, names in page_imports(path):
        assert_public(name, names, path.name)
    assert mentions(path.read_text(encoding="utf-8")) <= {*PUBLIC, *REPLACEABLE}


@pytest.mark.parametrize("path", EXAMPLE, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_example__names_what_is_public(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for name, names in imports(ast.parse(text)):
        assert_public(name, names, path.name)
    assert mentions(text) <= {*PUBLIC, *REPLACEABLE}


@pytest.mark.parametrize("path", DISTRIBUTION, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_distribution_of_a_provider__needs_the_ten_alone(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for name, names in imports(ast.parse(text)):
        assert_public(name, names, path.name)
    assert mentions(text) <= set(PUBLIC)


def test_replaceable__is_all_used() -> None:
    used = {name for path in PAGES for name in mentions(path.read_text(encoding="utf-8"))}
    for path in PAGES:
        for name, names in page_imports(path):
            used |= {name, *(f"{name}.{key}" for key in names)}
    assert set(REPLACEABLE) <= used


def test_modules__are_listed() -> None:
    text = (DOCS / "reference" / "modules.md").read_text(encoding="utf-8")
    assert {codes(row[0])[0] for row in rows(text, "module")} == set(PUBLIC)
    assert {codes(row[0])[0] for row in rows(text[text.index("Some more") :], "module")} == set(REPLACEABLE)


# Modules of plain values, signals and rows, which their pages list in tables.
IN_WORDS = {"signals", "models"}


@pytest.mark.parametrize("name", [name for name in PUBLIC if name not in IN_WORDS])
def test_reference__names_everything_once(name: str) -> None:
    text = "\n".join(path.read_text(encoding="utf-8") for path in (DOCS / "reference").glob("*.md"))
    documented = [path.removeprefix(f"{PACKAGE}.") for path in DIRECTIVE.findall(text)]
    # What ``automodule`` documents is what the module exports.
    if name not in documented:
        found = [path for path in documented if path.partition(".")[0] == name]
        assert sorted(found) == [f"{name}.{key}" for key in module(name).__all__]


def test_reference__names_every_value_of_columns() -> None:
    from django.db.models import Choices

    found = {codes(row[0])[0] for row in rows(sections(DOCS / "reference" / "models.md")["Values of columns"])}
    choices = {
        key for key, value in exported("models").items() if isinstance(value, type) and issubclass(value, Choices)
    }
    assert found == choices
