"""Understand the ``curl`` commands that the documents show."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlsplit

VARIABLE = re.compile(r"\$\{?(\w+)\}?")


@dataclass
class Request:
    """What a command would send."""

    url: str = ""
    method: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    body: str = ""

    @property
    def path(self) -> str:
        """Return the address without its host."""
        parts = urlsplit(self.url)
        return parts.path + (f"?{parts.query}" if parts.query else "")

    @property
    def form(self) -> dict[str, str]:
        """Return a form's values."""
        return dict(parse_qsl(self.body))


def parse_curl(command: str, variables: Mapping[str, str]) -> Request:
    """Return what ``command`` sends; an option that is not known is an error, as a typing mistake would be."""
    words = iter(shlex.split(VARIABLE.sub(lambda match: variables[match[1]], command)))
    assert next(words) == "curl"
    request = Request()
    bodies: list[str] = []
    for word in words:
        match word:
            case "-X":
                request.method = next(words)
            case "-H":
                name, _, value = next(words).partition(": ")
                request.headers[name] = value
            case "-d":
                bodies.append(next(words))
            case "-G":
                request.method = "GET"
            case "-s" | "-sS":
                pass
            case _:
                assert not word.startswith("-"), f"unknown option {word}"
                assert not request.url, f"two addresses: {request.url} {word}"
                request.url = word
    request.body = "&".join(bodies)
    request.method = request.method or ("POST" if bodies else "GET")
    if bodies and "Content-Type" not in request.headers:
        request.headers["Content-Type"] = "application/x-www-form-urlencoded"
    return request
