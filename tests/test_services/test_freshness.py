"""Which state of a provider's object is believed, in every order in which a crowd of deliveries can meet."""

from __future__ import annotations

import datetime as dt
import random
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_stripe_gateway.services.subscriptions.freshness import Known, Look, Verdict, judge

START = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)


def at(seconds: float) -> dt.datetime:
    return START + dt.timedelta(seconds=seconds)


@dataclass
class Row:
    provider_time: dt.datetime | None = None
    fetched_at: dt.datetime | None = None
    content: int = 0


def look(row: Row, began: float, asked: float | None = None, content: int = 0) -> Look[int]:
    return Look(Known.of(row), at(began), content, None if asked is None else at(asked))


@pytest.mark.parametrize(
    ("row", "said", "verdict"),
    [
        (Row(), {"event_time": at(1)}, Verdict.WRITE),
        (Row(), {}, Verdict.LOOK),
        (Row(at(1)), {"event_time": at(2)}, Verdict.WRITE),
        (Row(at(1)), {"event_time": at(1)}, Verdict.LOOK),
        (Row(None, at(1)), {"event_time": at(1)}, Verdict.LOOK),
        (Row(at(1), at(3)), {"event_time": at(2)}, Verdict.LOOK),
        (Row(at(1), at(3)), {"event_time": at(2), "is_over": True}, Verdict.KEEP),
        (Row(at(1), at(3)), {"event_time": at(2), "is_last": True}, Verdict.WRITE),
        (Row(at(1), at(3)), {"event_time": at(2), "is_last": True, "is_over": True}, Verdict.WRITE),
    ],
)
def test_event(row: Row, said: dict[str, Any], verdict: Verdict) -> None:
    noted = said.get("event_time") if verdict is Verdict.WRITE else None
    newest = max(filter(None, (row.provider_time, noted)), default=None)
    fetched_at = row.fetched_at
    assert judge(row, **said) is verdict
    assert (row.provider_time, row.fetched_at) == (newest, fetched_at)


def test_look__nothing_written_meanwhile() -> None:
    row = Row(at(1), at(2))
    assert judge(row, look=look(row, 5), event_time=at(3)) is Verdict.WRITE
    assert (row.provider_time, row.fetched_at) == (at(3), at(5))


@pytest.mark.parametrize(
    ("known", "now", "options", "verdict"),
    [
        # Another look, begun before ours, at the same moment, and after it.
        (Row(at(1), at(2)), Row(at(1), at(4.9)), {}, Verdict.LOOK),
        (Row(at(1), at(2)), Row(at(1), at(5)), {}, Verdict.KEEP),
        (Row(at(1), None), Row(at(1), at(5.1)), {}, Verdict.KEEP),
        # ... and after we had asked for the first time.
        (Row(at(1), at(2)), Row(at(1), at(4.9)), {"asked": 4}, Verdict.KEEP),
        (Row(at(1), at(4.9)), Row(at(3), at(4.9)), {"asked": 4}, Verdict.WRITE),
        # An event that was written, as old as ours, younger than ours, and one that was only noted beside a look.
        (Row(at(1), at(2)), Row(at(3), at(2)), {"event_time": at(3)}, Verdict.LOOK),
        (Row(at(1), at(2)), Row(at(4), at(2)), {"event_time": at(3)}, Verdict.KEEP),
        (Row(at(1), at(2)), Row(at(4), at(2)), {}, Verdict.LOOK),
        (Row(at(1), None), Row(at(2), None), {}, Verdict.LOOK),
        (Row(at(1), at(2)), Row(at(2), at(2)), {}, Verdict.WRITE),
        # The last that can be written was written.
        (Row(at(1), at(2)), Row(at(2), at(2)), {"is_over": True}, Verdict.KEEP),
        (Row(at(1), at(2)), Row(at(3), at(2)), {"is_over": True}, Verdict.KEEP),
    ],
)
def test_look__something_written_meanwhile(known: Row, now: Row, options: dict[str, Any], verdict: Verdict) -> None:
    options = dict(options)
    answer = look(known, 5, options.pop("asked", None))
    assert judge(now, look=answer, **options) is verdict


@pytest.mark.parametrize(("row", "verdict"), [(Row(), "write"), (Row(at(4), at(4.9)), "write"), (Row(at(5)), "keep")])
def test_look__that_came_along_with_another(row: Row, verdict: str) -> None:
    assert judge(row, look=Look(None, at(5), 0)) is Verdict(verdict)
    assert row.fetched_at == (at(5) if verdict == "write" else None)


@dataclass
class Delivery:
    """One delivery of the event about a version of the object."""

    version: int
    looks: list[float] = field(default_factory=list)
    known: Known | None = None
    answer: int | None = None
    is_done: bool = False


@given(st.integers(), st.integers(2, 20), st.integers(1, 8))
def test_crowd(seed: int, threads: int, versions: int) -> None:
    """However deliveries meet, each is done after a few looks, and the row ends with the newest version."""
    chance = random.Random(seed)
    # One version a second, some in the same; all delivered by each thread, long after or while they were made.
    times = sorted(chance.randint(1, versions) for _version in range(versions))
    clock = float(chance.choice((0, versions)))
    row = Row()
    waiting = [Delivery(version) for version in range(versions) for _thread in range(threads)]
    while waiting:
        clock += chance.choice((0.01, 0.1, 1))
        current = sum(moment <= clock for moment in times) - 1
        ready = [delivery for delivery in waiting if times[delivery.version] <= clock]
        if not ready:
            continue
        delivery = chance.choice(ready)
        if delivery.looks and delivery.answer is None:
            # The provider answers with what it knows at some moment between the question and the next step.
            delivery.answer = current
            continue
        answer = None
        if delivery.looks:
            assert delivery.answer is not None
            answer = Look(delivery.known, at(delivery.looks[-1]), delivery.answer, at(delivery.looks[0]))
        verdict = judge(row, event_time=at(times[delivery.version]), look=answer)
        if verdict is Verdict.LOOK:
            delivery.looks.append(clock)
            delivery.known, delivery.answer = Known.of(row), None
            assert len(delivery.looks) <= 3
            continue
        if verdict is Verdict.WRITE:
            row.content = delivery.version if answer is None else answer.answer
        waiting.remove(delivery)
        if not any(other.version > delivery.version for other in waiting):
            assert row.content >= delivery.version
    assert row.content == versions - 1
