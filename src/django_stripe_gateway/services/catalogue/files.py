"""Read a host's own catalogue from a YAML or JSON file."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from django_stripe_gateway.exceptions import InvalidInput
from django_stripe_gateway.services.catalogue.entries import PlanEntry
from django_stripe_gateway.services.catalogue.validation import read_plans

YAML_SUFFIXES = {".yaml", ".yml"}


def read_catalogue_file(*, path: Path, currency: str) -> list[PlanEntry]:
    """Return the plans of a file; see the how-to about plans and prices for its format.

    Args:
        currency: of prices that name none.

    Raises:
        InvalidInput: the file cannot be read, or is not what the format asks for; the text names every fault.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{path} cannot be read: {error}") from error
    parse = _parse_yaml if path.suffix.lower() in YAML_SUFFIXES else _parse_json
    try:
        content = parse(text)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"{path} cannot be parsed: {error}") from error
    plans, faults = read_plans(content, currency=currency.upper())
    if faults:
        raise InvalidInput("\n".join([f"{path} is no catalogue:", *(f"- {fault}" for fault in faults)]))
    return plans


def _parse_json(text: str) -> Any:
    return json.loads(text, parse_float=Decimal, parse_constant=_refuse_constant, object_pairs_hook=_unique)


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number")


def _unique(pairs: Iterable[tuple[Any, Any]]) -> dict[Any, Any]:
    found: dict[Any, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"the key {name!r} is there twice")
        found[name] = value
    return found


def _parse_yaml(text: str) -> Any:
    try:
        import yaml  # noqa: PLC0415 (only hosts that use it have it)
    except ImportError as error:
        raise InvalidInput("YAML needs PyYAML. Install it (pip install pyyaml), or write the file in JSON.") from error

    class Loader(yaml.SafeLoader):
        """Numbers as they were written, and no key twice."""

        def construct_mapping(self, node: Any, deep: bool = False) -> Any:
            self.flatten_mapping(node)
            return _unique(
                (self.construct_object(key, deep=True), self.construct_object(value, deep=True))
                for key, value in node.value
            )

    def decimal(loader: Any, node: Any) -> Decimal:
        try:
            return Decimal(node.value)
        except InvalidOperation:
            raise ValueError(f"{node.value!r} is no number (line {node.start_mark.line + 1})") from None

    construct: Callable[..., Any] = decimal
    Loader.add_constructor("tag:yaml.org,2002:float", construct)
    try:
        return yaml.load(text, Loader=Loader)  # noqa: S506 (a SafeLoader)
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error
