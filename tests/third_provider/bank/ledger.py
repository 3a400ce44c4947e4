"""What every part of the bank stands on: objects with ids, refusals, events."""

from __future__ import annotations

import copy
import itertools
import time
from typing import Any

Object = dict[str, Any]


class Refused(Exception):
    """The bank's refusal: an HTTP status, a code and a sentence."""

    def __init__(self, status: int, code: str, message: str = "") -> None:
        super().__init__(code)
        self.status, self.code, self.message = status, code, message or f"Refused: {code}."


class Ledger:
    """Objects by id, and what happened to them."""

    def __init__(self) -> None:
        self.objects: dict[str, Object] = {}
        self.events: list[Object] = []
        self._numbers = itertools.count(1)

    def add(self, kind: str, prefix: str, **fields: Any) -> Object:
        """Store a new object."""
        made = {"id": f"{prefix}_{next(self._numbers)}", "object": kind, "created": int(time.time()), **fields}
        self.objects[made["id"]] = made
        return made

    def find(self, object_id: str, kind: str) -> Object:
        """Return an object.

        Raises:
            Refused: there is none of this kind.
        """
        found = self.objects.get(object_id)
        if found is None or found["object"] != kind:
            raise Refused(404, "resource_missing", f"There is no such {kind}.")
        return found

    def all(self, kind: str, **fields: Any) -> list[Object]:
        """Return all objects of a kind, the newest first."""
        found = [one for one in self.objects.values() if one["object"] == kind]
        return [one for one in found if all(one[name] == value for name, value in fields.items())][::-1]

    def announce(self, event_type: str, about: Object) -> Object:
        """Note an event, in the envelope in which it is delivered."""
        event = {
            "id": f"ev_{next(self._numbers)}",
            "type": event_type,
            "created": int(time.time()),
            "livemode": False,
            "data": {"object": copy.deepcopy(about)},
        }
        self.events.append(event)
        return event
