"""The JSON parser by itself: what other releases of DRF leave to it."""

from __future__ import annotations

from decimal import Decimal
from io import BytesIO
from typing import Any

import pytest
from django.core.exceptions import RequestDataTooBig
from rest_framework.exceptions import ParseError

from django_stripe_gateway.api.base import ExactJSONParser


def parse(body: bytes) -> Any:
    """Parse a body."""
    return ExactJSONParser().parse(BytesIO(body))


def test_numbers_are_exact() -> None:
    assert parse(b"[10.10, 0.1, 3]") == [Decimal("10.10"), Decimal("0.1"), 3]
    assert str(parse(b"10.10")) == "10.10"


def test_limit(settings: Any) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 4
    assert parse(b"1234") == 1234
    with pytest.raises(RequestDataTooBig):
        parse(b"12345")
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = None
    assert parse(b"12345") == 12345


@pytest.mark.parametrize("body", [b"NaN", b"", b"\xff", b"\xff\xfe1\x00", b"[" * 100_000, b"1e99999999999999999999"])
def test_no_json(body: bytes) -> None:
    with pytest.raises(ParseError) as caught:
        parse(body)
    assert str(caught.value.detail) == "The body is not valid JSON."
