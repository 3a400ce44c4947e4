"""Fixtures of these hosts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest


@pytest.fixture
def server(django_db_blocker: Any) -> Iterator[None]:
    """Let a test use the tests' own database server, beside every database of the tests."""
    with django_db_blocker.unblock():
        yield
