"""The registry of API operations: a resource file adds its own with the `route` decorator."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterable
from typing import Any

from tests.fake_stripe import shapes
from tests.fake_stripe.errors import invalid
from tests.fake_stripe.state import Object, Scope, State


@dataclasses.dataclass(frozen=True)
class Call:
    """One API request, checked and decoded, as a resource function gets it; `version` is the API's, for the answer."""

    method: str
    path: str
    scope: Scope
    params: dict[str, Any]
    url_params: dict[str, str]
    version: str

    @property
    def state(self) -> State:
        """Return the whole store."""
        return self.scope.state

    def id(self) -> str:
        """Return the id in the URL."""
        return self.url_params["id"]


Operation = Callable[[Call], Object]
_ROUTES: list[tuple[str, re.Pattern[str], Operation]] = []


def route(method: str, path: str) -> Callable[[Operation], Operation]:
    """Register a function for an operation; `{id}` in the path matches one segment."""
    pattern = re.compile("^" + re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path) + "$")

    def register(operation: Operation) -> Operation:
        _ROUTES.append((method, pattern, operation))
        return operation

    return register


def resolve(method: str, path: str) -> tuple[Operation, dict[str, str]] | None:
    """Return the function for a request and the ids in its URL, or None where the fake has none."""
    for known, pattern, operation in _ROUTES:
        matched = pattern.match(path)
        if known == method and matched:
            return operation, matched.groupdict()
    return None


def paginate(call: Call, items: Iterable[Object]) -> Object:
    """Return a page of `items` (newest first) as Stripe's list, by limit, starting_after, ending_before and created."""
    created = call.params.get("created")
    found = [item for item in items if created is None or within(item["created"], created)]
    limit = call.params.get("limit", 10)
    if not 1 <= limit <= 100:
        raise invalid("This value must be between 1 and 100.", "limit", "parameter_invalid_integer")
    ids = [item["id"] for item in found]
    if "ending_before" in call.params:
        end = ids.index(call.params["ending_before"]) if call.params["ending_before"] in ids else 0
        start = max(0, end - limit)
        return shapes.listed(found[start:end], call.path, has_more=start > 0)
    start = ids.index(call.params["starting_after"]) + 1 if call.params.get("starting_after") in ids else 0
    return shapes.listed(found[start : start + limit], call.path, has_more=len(found) > start + limit)


def within(moment: int, wanted: int | dict[str, int]) -> bool:
    """Return whether a moment is the one, or in the range, that a list is filtered by."""
    if isinstance(wanted, int):
        return moment == wanted
    tests = {"gt": moment.__gt__, "gte": moment.__ge__, "lt": moment.__lt__, "lte": moment.__le__}
    return all(tests[name](bound) for name, bound in wanted.items())
