"""Make requests fail or wait on purpose."""

from __future__ import annotations

import dataclasses
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal, get_args

Kind = Literal[
    "error_500_before",
    "error_500_after",
    "reset_before",
    "reset_after",
    "hang",
    "rate_limit",
    "error_409_lock",
    "garbage",
    "twice",
]
When = Literal["before", "after"]

#: A held request goes on after this many seconds even if nobody releases it, so that a failing test ends.
_LONGEST_HOLD = 20.0


def path_pattern(path: str) -> re.Pattern[str]:
    """Return a pattern of a path in which `*` or `{id}` stands for one segment."""
    parts = ("[^/]+" if part == "*" or part.startswith("{") else re.escape(part) for part in path.split("/"))
    return re.compile("^" + "/".join(parts) + "$")


@dataclasses.dataclass
class Fault:
    """One thing that goes wrong, `times` times that a request matches, once `after` others have gone well."""

    method: str
    path: str
    kind: Kind
    times: int = 1
    seconds: float = 30.0
    when: When = "before"
    stored: bool = True
    after: int = 0
    retry_after: str = ""

    def meets(self, method: str, path: str) -> bool:
        """Return whether this fault meets the request, and count it."""
        if self.times == 0 or not concerns(self.method, self.path, method, path):
            return False
        if self.after:
            self.after -= 1
            return False
        self.times -= 1
        return True


@dataclasses.dataclass
class Interruption:
    """What happens once, as a matching request has arrived and before it is answered, after `after` others."""

    method: str
    path: str
    happen: Callable[[], object]
    after: int = 0


def concerns(wanted_method: str, wanted_path: str, method: str, path: str) -> bool:
    """Return whether a request is one of those that are wanted; the method "*" is any."""
    return wanted_method in {"*", method} and bool(path_pattern(wanted_path).match(path))


class Hold:
    """Keeps matching requests in flight until `release`."""

    def __init__(self, method: str, path: str, when: When, times: int | None) -> None:
        self.method = method
        self.path = path
        self.when = when
        self._left = times
        self._arrived = 0
        self._condition = threading.Condition()
        self._released = threading.Event()

    @property
    def arrived(self) -> int:
        """Return how many requests have arrived so far."""
        return self._arrived

    def wait(self, count: int = 1, timeout: float = 10.0) -> None:
        """Wait until `count` requests have arrived; raise AssertionError after `timeout` seconds without."""
        with self._condition:
            if not self._condition.wait_for(lambda: self._arrived >= count, timeout):
                raise AssertionError(
                    f"{self._arrived} of {count} requests {self.method} {self.path} arrived within {timeout} s"
                )

    def release(self) -> None:
        """Let every held request go on, and those that come."""
        self._released.set()

    def pass_by(self, method: str, path: str, when: When) -> None:
        """Wait for the release if the request is one to hold."""
        if self._released.is_set() or when != self.when or not concerns(self.method, self.path, method, path):
            return
        with self._condition:
            if self._left == 0:
                return
            self._left = None if self._left is None else self._left - 1
            self._arrived += 1
            self._condition.notify_all()
        self._released.wait(_LONGEST_HOLD)


class Faults:
    """The faults, holds and interruptions of one server."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []
        self._holds: list[Hold] = []
        self._interruptions: list[Interruption] = []
        self.stopping = threading.Event()

    def add(self, fault: Fault) -> None:
        """Plan a fault; those for the same request are met in the order they were added."""
        if fault.kind not in get_args(Kind):
            raise ValueError(f"Unknown kind of fault {fault.kind!r}; there are {', '.join(get_args(Kind))}")
        with self._lock:
            self._faults.append(fault)

    def take(self, method: str, path: str) -> Fault | None:
        """Return the first fault for the request, counted down."""
        with self._lock:
            for fault in self._faults:
                if fault.meets(method, path):
                    return fault
        return None

    def interrupt(self, interruption: Interruption) -> None:
        """Plan what happens while a request is in flight."""
        with self._lock:
            self._interruptions.append(interruption)

    def interrupted(self, method: str, path: str) -> None:
        """Let happen what was planned for the moment at which this request has arrived."""
        due: list[Interruption] = []
        with self._lock:
            for planned in list(self._interruptions):
                if not concerns(planned.method, planned.path, method, path):
                    continue
                if planned.after:
                    planned.after -= 1
                else:
                    self._interruptions.remove(planned)
                    due.append(planned)
        for planned in due:
            planned.happen()

    def pending(self) -> list[Fault]:
        """Return the faults that have not happened as often as planned."""
        with self._lock:
            return [fault for fault in self._faults if fault.times > 0]

    def clear(self) -> None:
        """Forget every fault."""
        with self._lock:
            self._faults.clear()

    @contextmanager
    def hold(self, method: str, path: str, when: When, times: int | None) -> Iterator[Hold]:
        """Hold matching requests; leaving the block releases them."""
        held = Hold(method, path, when, times)
        with self._lock:
            self._holds.append(held)
        try:
            yield held
        finally:
            held.release()
            with self._lock:
                self._holds.remove(held)

    def pass_by(self, method: str, path: str, when: When) -> None:
        """Wait at every hold that concerns the request."""
        with self._lock:
            holds = list(self._holds)
        for held in holds:
            held.pass_by(method, path, when)

    def hang(self, fault: Fault | None, when: When) -> None:
        """Wait as long as a hanging fault says, or until the server stops."""
        if fault is not None and fault.kind == "hang" and fault.when == when:
            self.stopping.wait(fault.seconds)

    def stop(self) -> None:
        """Let everything that waits go on, for good."""
        self.stopping.set()
        with self._lock:
            holds = list(self._holds)
        for held in holds:
            held.release()
