"""A request's body that was read as a stream, kept for the site's middleware, which may look at it afterwards."""

from __future__ import annotations

from io import BytesIO
from typing import Any

from django.http import HttpRequest


def keep_body(stream: Any, body: bytes) -> None:
    """Let ``request.body`` give what was read of it, instead of raising ``RawPostDataException``.

    Whoever logs or signs bodies may ask for it once the view has answered: by then the money has moved.
    """
    if isinstance(stream, HttpRequest) and not hasattr(stream, "_body"):
        # As Django itself does with what it reads for ``body``.
        stream._body = body
        stream._stream = BytesIO(body)
