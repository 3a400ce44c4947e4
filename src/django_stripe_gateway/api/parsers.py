"""Read a JSON body without letting money pass through a float."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import IO, Any, NoReturn

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.http import UnreadablePostError
from django.utils.translation import gettext as _
from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser


class ExactJSONParser(JSONParser):
    """Numbers with a point become ``Decimal``; ``NaN`` and ``Infinity`` are no JSON.

    Bodies above ``DATA_UPLOAD_MAX_MEMORY_SIZE`` are refused, which older releases of DRF leave to the server.
    """

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        """Return the body as Python values."""
        try:
            text = _read(stream).decode()
            return json.loads(text, parse_float=Decimal, parse_constant=_refuse)
        except UnreadablePostError:
            raise ParseError(_("The body could not be read.")) from None
        except (ValueError, ArithmeticError, RecursionError):
            raise ParseError(_("The body is not valid JSON.")) from None


def _read(stream: IO[Any]) -> bytes:
    limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    body: bytes = stream.read() if limit is None else stream.read(limit + 1)
    if limit is not None and len(body) > limit:
        raise RequestDataTooBig
    return body


def _refuse(literal: str) -> NoReturn:
    raise ValueError(f"{literal} is no JSON")
