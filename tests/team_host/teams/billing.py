"""What the package asks of the host."""

from __future__ import annotations

from typing import Any

from django_stripe_gateway.adapter import Adapter, CustomerDetails
from tests.team_host.teams.models import Team


class TeamsPay(Adapter):
    """Teams are billed for what their members do."""

    def get_owner(self, request: Any) -> Team | None:
        """Return the team of the user who asks."""
        return request.user.teams.first() if request.user.is_authenticated else None

    def customer_details(self, owner: Team) -> CustomerDetails:
        """Return what Stripe knows of a team."""
        return {"name": owner.name, "email": owner.billing_email}
