"""Fixtures of the host."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.third_provider.bank import Bank


@pytest.fixture
def bank(settings: Any) -> Iterator[Bank]:
    """Run a bank, and let the variant "acme" be an account of it."""
    with Bank() as opened:
        provider, options = settings.PAYMENT_VARIANTS["acme"]
        settings.PAYMENT_VARIANTS = {"acme": (provider, options | {"url": opened.url})}
        yield opened
