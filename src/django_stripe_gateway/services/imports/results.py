"""What has become of an object that an import met."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from django_stripe_gateway.services.origins import Origin

#: Who brings rows, for the audit trail.
IMPORT = Origin(actor="import")


class Outcome(StrEnum):
    """What has become of it; a dry run says what would."""

    NEW = "new"
    KNOWN = "known"
    AMBIGUOUS = "ambiguous"
    UNMATCHED = "unmatched"
    LEFT_OUT = "left out"
    FAILED = "failed"


#: What somebody has to look at.
NOTABLE = frozenset({Outcome.AMBIGUOUS, Outcome.UNMATCHED, Outcome.FAILED})


@dataclass(frozen=True, slots=True)
class Imported:
    """One object: its kind ("customers", "credit_notes", …), its id, and why."""

    kind: str
    object_id: str
    outcome: Outcome
    detail: str = ""
