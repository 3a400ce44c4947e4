"""Of a test with many parameters, a few cases, where each costs more than usual and tells no more than the first ones.

Every case runs on SQLite. ``--cases`` is for another database, which knows nothing of what the parameters differ in,
and ``TEST_MEASURED_CASES`` for coverage: measuring takes as long again as the test, and the first cases walk the
branches.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Generator

import pytest
from coverage import Coverage


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--cases`."""
    parser.addoption("--cases", type=int, metavar="N", help="run N cases of each test with parameters")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Choose before the order is shuffled, so that each run chooses the same."""
    if count := config.getoption("cases"):
        chosen = first_cases(items, count)
        config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
        items[:] = [item for item in items if item in chosen]
    if count := int(os.environ.get("TEST_MEASURED_CASES") or 0):
        config.pluginmanager.register(Measurement(first_cases(items, count)))


def first_cases(items: list[pytest.Item], count: int) -> set[pytest.Item]:
    """Return the first cases of each test."""
    seen: Counter[str] = Counter()
    chosen = set()
    for item in items:
        test = item.nodeid.partition("[")[0]
        seen[test] += 1
        if seen[test] <= count:
            chosen.add(item)
    return chosen


class Measurement:
    """Measure coverage, which ``coverage run`` has begun, in some cases only."""

    def __init__(self, measured: set[pytest.Item]) -> None:
        self.measured = measured

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """Let a test run at full speed, unless it is measured."""
        running = Coverage.current()
        if running is None or item in self.measured:
            return (yield)
        running.stop()
        try:
            return (yield)
        finally:
            running.start()
