"""What was done about an account that leaves, and what is left to do."""

from __future__ import annotations

from dataclasses import dataclass, field

# What somebody has to look at, or to ask for again.
LEFT = frozenset({"for staff", "out of reach", "in progress", "silent", "refused", "at the provider"})


@dataclass(frozen=True, slots=True)
class LeavingStep:
    """What became of one thing.

    Args:
        subject: what it is, by ids alone (``subscription 12 (sub_…)``).
        outcome: one word or two; those of ``LeavingReport.remaining`` are "for staff" (nobody but you may decide),
            "out of reach" (its provider does not know it, or it is of another account or mode: end it there, and give
            up on it here), "in progress" (a process may still be waiting for the provider), "silent" (no answer),
            "refused" and "at the provider" (it has to be done there).
        detail: why, or what to do.
    """

    subject: str
    outcome: str
    detail: str = ""


@dataclass(slots=True)
class LeavingReport:
    """What was done, and what remains.

    ``steps`` are in the order in which they were made; run again, what is done already is no step any more.
    """

    steps: list[LeavingStep] = field(default_factory=list)

    @property
    def done(self) -> list[LeavingStep]:
        """What was done."""
        return [step for step in self.steps if step.outcome not in LEFT]

    @property
    def remaining(self) -> list[LeavingStep]:
        """What is left, to somebody's decision or to another run."""
        return [step for step in self.steps if step.outcome in LEFT]

    def add(self, subject: str, outcome: str, detail: str = "") -> None:
        """Note a step."""
        self.steps.append(LeavingStep(subject, outcome, detail))
