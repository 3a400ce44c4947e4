"""Decode Stripe's bracketed forms: `items[0][price]=x` becomes `{"items": {"0": {"price": "x"}}}`."""

from __future__ import annotations

import re
import urllib.parse
from typing import Any

_KEY = re.compile(r"^([^\[\]]+)((?:\[[^\[\]]*\])*)$")


def decode(text: str) -> dict[str, Any]:
    """Return the nested parameters of a form body or query string.

    Lists stay mappings of index to value, since only the schema knows a list from a map with numeric keys
    (`metadata[0]`); `openapi.coerce` turns them into lists. Raises ValueError on a key that is not bracketed well.
    """
    params: dict[str, Any] = {}
    for key, value in urllib.parse.parse_qsl(text, keep_blank_values=True, strict_parsing=False):
        matched = _KEY.match(key)
        if not matched:
            raise ValueError(f"Invalid parameter name: {key}")
        _insert(params, [matched[1], *re.findall(r"\[([^\[\]]*)\]", matched[2])], value, key)
    return params


def _insert(params: dict[str, Any], path: list[str], value: str, key: str) -> None:
    target = params
    for part in path[:-1]:
        target = target.setdefault(_name(target, part), {})
        if not isinstance(target, dict):
            raise ValueError(f"Conflicting parameters: {key}")
    target[_name(target, path[-1])] = value


def _name(target: dict[str, Any], part: str) -> str:
    """Return the key for `part`; the empty brackets of `a[]` mean the next index."""
    return part or str(len(target))
