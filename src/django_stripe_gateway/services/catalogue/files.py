"""Read a host's own catalogue from a YAML or JSON file."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.settings import api_settings

from django_stripe_gateway.exceptions import InvalidInput
from django_stripe_gateway.services.catalogue.entries import PlanEntry
from django_stripe_gateway.services.catalogue.serializers import SENTENCE, CatalogueSerializer

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


def read_plans(content: Any, *, currency: str) -> tuple[list[PlanEntry], list[str]]:
    """Return the plans of a file's content, or everything that is wrong with it; each fault names its entry.

    Args:
        currency: of prices that name none.
    """
    plans: list[PlanEntry] = []
    faults: list[str] = []
    try:
        plans = CatalogueSerializer(context={"currency": currency}).run_validation(content)["plans"]
    except ValidationError as error:
        faults = list(_faults(error.detail))
    return plans, faults + list(_faults_between(content))


def _faults(detail: Any, place: str = "") -> Iterator[str]:
    """Yield the errors of an entry as sentences that begin with its place in the file."""
    shown = place or "the file"
    if not isinstance(detail, Mapping):
        detail = {api_settings.NON_FIELD_ERRORS_KEY: detail}
    for name, errors in detail.items():
        if isinstance(errors, Mapping):
            for label, inner in errors.items():
                yield from _faults(inner, f"{place}, {label}" if place else label)
        elif name == api_settings.NON_FIELD_ERRORS_KEY:
            yield from (f"{shown}: {error}" for error in errors)
        else:
            yield from (f"{shown}: {_of_key(name, error)}" for error in errors)


def _of_key(name: str, error: ErrorDetail) -> str:
    return f"{name}: {error}" if error.code == SENTENCE else f"{name} {error}"


def _faults_between(content: Any) -> Iterator[str]:
    """Yield what is wrong between plans, of those that can be told apart, whatever else is wrong with them."""
    entries = content.get("plans") if isinstance(content, Mapping) else None
    plans = [entry for entry in entries if isinstance(entry, Mapping)] if isinstance(entries, list) else []
    named = [(plan["slug"].strip(), plan) for plan in plans if isinstance(plan.get("slug"), str)]
    for slug, count in Counter(slug for slug, _plan in named if slug).items():
        if count > 1:
            yield f"plans: {count} plans have the slug {slug!r}"
    defaults = [slug for slug, plan in named if plan.get("default") is True]
    if len(defaults) > 1:
        yield f"plans: only one can be the default: {', '.join(defaults)}"
    keys = [(key, slug) for slug, plan in named for key in _lookup_keys(plan)]
    for key in dict(keys):
        slugs = list(dict.fromkeys(slug for other, slug in keys if other == key))
        if len(slugs) > 1:
            yield f"plans: prices of {', '.join(slugs)} have the same lookup key {key!r}"


def _lookup_keys(plan: Mapping[Any, Any]) -> Iterator[str]:
    prices = plan.get("prices")
    for price in prices if isinstance(prices, list) else []:
        key = price.get("lookup_key") if isinstance(price, Mapping) else None
        if isinstance(key, str) and key.strip():
            yield key.strip()


def _parse_json(text: str) -> Any:
    return json.loads(text, parse_float=Decimal, parse_constant=_refuse_constant, object_pairs_hook=_unique)


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number")


def _unique(pairs: Iterable[tuple[Any, Any]]) -> dict[Any, Any]:
    found: dict[Any, Any] = {}
    for name, value in pairs:
        # YAML has lists and mappings as keys, too.
        if not isinstance(name, Hashable):
            raise ValueError(f"{name!r} is no key")
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
    except (yaml.YAMLError, AttributeError, LookupError, TypeError) as error:
        # What PyYAML itself trips over where a tag (!!int, !!map) stands before something else.
        raise ValueError(str(error)) from error
