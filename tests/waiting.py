"""Wait for what another thread or process does. The one place in the tests that sleeps."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_until(predicate: Callable[[], T], timeout: float = 30, *, what: str, interval: float = 0.05) -> T:
    """Return the first true value of ``predicate``.

    Args:
        timeout: seconds until it is given up.
        what: what is waited for, for the error's sentence.
        interval: seconds between two looks.

    Raises:
        TimeoutError: it stayed false.
    """
    deadline = time.monotonic() + timeout
    while not (value := predicate()):
        if time.monotonic() >= deadline:
            raise TimeoutError(f"Waited {timeout} seconds in vain for {what}.")
        time.sleep(interval)
    return value
