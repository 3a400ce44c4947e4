"""What the package asks of the host."""

from __future__ import annotations

from typing import Any

from tests.team_host.teams.models import Team


def team_of(request: Any) -> Team | None:
    """Return the team of the user who asks."""
    return request.user.teams.first() if request.user.is_authenticated else None


def details(team: Team) -> dict[str, str]:
    """Return what Stripe is told of a team."""
    return {"name": team.name, "email": team.billing_email}
