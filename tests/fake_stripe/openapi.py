"""Check requests and objects against Stripe's own API description (the pruned copy beside this file)."""

from __future__ import annotations

import functools
import gzip
import json
import pathlib
import re
from typing import Any

from tests.fake_stripe import api_changes
from tests.fake_stripe.errors import ApiError, invalid, missing_param

_PRUNED = pathlib.Path(__file__).with_name("openapi.json.gz")

Schema = dict[str, Any]


@functools.cache
def description() -> dict[str, Any]:
    """Return the pruned description, as `prune_openapi.py` wrote it, with what newer API versions added."""
    loaded: dict[str, Any] = json.loads(gzip.decompress(_PRUNED.read_bytes()))
    api_changes.apply_additions(loaded["paths"])
    return loaded


@functools.cache
def _operations() -> list[tuple[str, re.Pattern[str], Schema]]:
    """Return (method, path pattern, schema); fixed paths come before those with a placeholder, as at Stripe."""
    paths = sorted(description()["paths"].items(), key=lambda item: item[0].count("{"))
    return [
        (method, re.compile("^" + re.sub(r"\{[^}]+\}", "[^/]+", path) + "$"), schema)
        for path, operations in paths
        for method, schema in operations.items()
    ]


def check(method: str, path: str, params: dict[str, Any], stripe_version: str | None = None) -> dict[str, Any]:
    """Return the parameters with the types of the description, as changed up to `stripe_version`.

    Raises ApiError, as Stripe would answer, for an operation or parameter that is not described, for a value of the
    wrong type, and for a required parameter that is missing.
    """
    for known_method, pattern, schema in _operations():
        if known_method == method and pattern.match(path):
            api_changes.check_removals(path, params, stripe_version)
            api_changes.check_requirements(method, path, params, stripe_version)
            coerced: dict[str, Any] = coerce(params, schema, "")
            return coerced
    raise unrecognized(method, path)


def unrecognized(method: str, path: str) -> ApiError:
    """Return Stripe's answer to a URL that is not part of its API."""
    return ApiError(
        404,
        f"Unrecognized request URL ({method}: {path}). Please see https://stripe.com/docs or we can help at "
        "https://support.stripe.com/.",
        stored=False,
    )


def coerce(value: Any, schema: Schema, param: str) -> Any:
    """Return `value`, a string or nested strings, as `schema` wants it; raise ApiError where it does not fit."""
    if "anyOf" in schema:
        return _any_of(value, schema["anyOf"], param)
    kind = schema.get("type")
    if kind == "object":
        return _object(value, schema, param)
    if kind == "array":
        return _array(value, schema, param)
    if not isinstance(value, str):
        raise invalid(f"Invalid {kind or 'string'}: {json.dumps(value)}", param)
    if kind == "integer":
        return _integer(value, param)
    if kind == "number":
        try:
            return float(value)
        except ValueError:
            raise invalid(f"Invalid decimal: {value}", param, "parameter_invalid_string") from None
    if kind == "boolean":
        if value not in {"true", "false"}:
            raise invalid(f"Invalid boolean: {value}", param)
        return value == "true"
    return _string(value, schema, param)


def _any_of(value: Any, options: list[Schema], param: str) -> Any:
    failures: list[ApiError] = []
    for option in options:
        try:
            return coerce(value, option, param)
        except ApiError as error:
            failures.append(error)
    # The option that went deepest before it failed is the one that was meant.
    raise max(failures, key=lambda error: len(error.param or ""))


def _object(value: Any, schema: Schema, param: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise invalid("Invalid object", param)
    properties = schema.get("properties", {})
    extra = schema.get("additionalProperties", False)
    out = {}
    for name, item in value.items():
        inner = f"{param}[{name}]" if param else name
        if name in properties:
            out[name] = coerce(item, properties[name], inner)
        elif isinstance(extra, dict):
            out[name] = coerce(item, extra, inner)
        else:
            raise invalid(f"Received unknown parameter: {inner}", inner, "parameter_unknown")
    for name in schema.get("required", []):
        if name not in value:
            raise missing_param(f"{param}[{name}]" if param else name)
    return out


def _array(value: Any, schema: Schema, param: str) -> list[Any]:
    if not isinstance(value, dict) or not all(index.isdigit() for index in value):
        raise invalid("Invalid array", param)
    return [coerce(value[index], schema["items"], f"{param}[{index}]") for index in sorted(value, key=int)]


def _integer(value: str, param: str) -> int:
    if not re.fullmatch(r"-?[0-9]+", value):
        raise invalid(f"Invalid integer: {value}", param, "parameter_invalid_integer")
    return int(value)


def _string(value: str, schema: Schema, param: str) -> str:
    enum = schema.get("enum")
    if enum and value not in enum:
        if enum == [""]:
            raise invalid(f"Invalid value: {value}", param)
        raise invalid(f"Invalid {param}: must be one of {', '.join(option or chr(34) * 2 for option in enum)}", param)
    limit = schema.get("maxLength")
    if limit and len(value) > limit:
        raise invalid(f"Invalid string: must be at most {limit} characters", param, "parameter_invalid_string_too_long")
    return value


def response_schema(name: str) -> Schema:
    """Return a JSON Schema of the object `name` ("payment_intent", "checkout.session" …), for a validator."""
    schemas = description()["schemas"]
    if name not in schemas:
        raise KeyError(f"{name} is not among the objects kept by prune_openapi.py: add it there")
    return {"$ref": f"#/components/schemas/{name}", "components": {"schemas": schemas}}
