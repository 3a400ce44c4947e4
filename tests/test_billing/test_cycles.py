"""Which periods follow each other, with renewals in between that nobody heard of."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from django_stripe_gateway.services.subscriptions.cycles import UNKNOWN_CYCLE, Cycle


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text if "T" in text else f"{text}T09:30:00").replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("cycle", "ended", "starts", "expected"),
    [
        (UNKNOWN_CYCLE, "2026-01-20", "2026-01-20", True),
        (UNKNOWN_CYCLE, "2026-01-20", "2026-02-20", False),
        (Cycle("day", 10), "2026-01-20", "2026-02-19", True),
        (Cycle("day", 10), "2026-01-20", "2026-02-18", False),
        (Cycle("week", 2), "2026-01-20", "2026-02-17", True),
        (Cycle("week", 2), "2026-01-20", "2026-02-10", False),
        (Cycle("month", 1), "2026-01-20", "2026-01-19", False),
        (Cycle("month", 1), "2026-01-20", "2026-04-20", True),
        (Cycle("month", 1), "2026-01-20", "2026-04-20T09:30:01", False),
        (Cycle("month", 1), "2026-01-20", "2026-04-21", False),
        (Cycle("month", 3), "2026-01-20", "2026-04-20", True),
        (Cycle("month", 3), "2026-01-20", "2026-03-20", False),
        # It is paid on the 31st, the 30th, or as often as there is a day that stands for one of them.
        (Cycle("month", 1), "2026-02-28", "2026-03-31", True),
        (Cycle("month", 1), "2026-02-28", "2026-04-30", True),
        (Cycle("month", 1), "2026-02-28", "2026-04-27", False),
        (Cycle("month", 1), "2026-01-31", "2026-02-28", True),
        (Cycle("month", 1), "2026-01-31", "2026-03-30", False),
        (Cycle("month", 1), "2026-03-30", "2026-04-30", True),
        (Cycle("month", 1), "2026-03-30", "2026-05-31", False),
        (Cycle("year", 1), "2026-02-28", "2028-02-29", True),
        (Cycle("year", 1), "2026-01-20", "2028-01-20", True),
        (Cycle("year", 1), "2026-01-20", "2026-02-20", False),
    ],
)
def test_is_renewal(cycle: Cycle, ended: str, starts: str, expected: bool) -> None:
    assert cycle.is_renewal(moment(starts), moment(ended)) is expected
