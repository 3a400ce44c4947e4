"""Waiting for what happens elsewhere."""

from __future__ import annotations

import pytest

from tests.waiting import wait_until


def test_wait_until__the_first_true_value() -> None:
    values = iter(["", "first", "second"])
    assert wait_until(lambda: next(values), what="a value", interval=0) == "first"


def test_wait_until__in_vain() -> None:
    with pytest.raises(TimeoutError, match=r"^Waited 0\.01 seconds in vain for Godot\.$"):
        wait_until(lambda: False, 0.01, what="Godot", interval=0)


def test_wait_until__looks_at_least_once() -> None:
    assert wait_until(lambda: True, 0, what="what is there already")
