"""The meter that a metered price needs, made where the account has none for its metric."""

from __future__ import annotations

from django_stripe_gateway.choices import CatalogueOperationKind
from django_stripe_gateway.gateways.metering import Meter, MeterGateway
from django_stripe_gateway.gateways.registry import get_meters
from django_stripe_gateway.services.catalogue.line import CatalogueVerb, PlanClaim, claimed_row
from django_stripe_gateway.services.catalogue.state import event_name_of, is_sold
from django_stripe_gateway.services.operations.verbs import register


class CreateMeterVerb(CatalogueVerb[Meter]):
    """Make a meter; all prices of its metric share it."""

    kind = CatalogueOperationKind.CREATE_METER

    def gateway(self, claim: PlanClaim) -> MeterGateway:  # type: ignore[override]
        """Return the meters of the account that sells the plan."""
        return get_meters(claim.operation.variant)

    def is_wanted(self, claim: PlanClaim) -> bool:
        """Return whether a price that counts something shall be sold."""
        row = claimed_row(claim)
        return row.is_metered and is_sold(claim.subject, row)

    def complete(self, claim: PlanClaim) -> None:
        """Keep what the meter counts."""
        metric = claimed_row(claim).metric
        claim.params["meter"] = [event_name_of(metric), metric]

    def call(self, claim: PlanClaim) -> Meter:
        """Make it."""
        meter: Meter = claim.gateway.create_meter(*claim.params["meter"], idempotency_key=claim.key)
        return meter

    def find_earlier(self, claim: PlanClaim) -> Meter | None:
        """Return the active meter for the name of the events: an account has one at most."""
        found: Meter | None = claim.gateway.list_meters().get(claim.params["meter"][0])
        return found

    def apply(self, claim: PlanClaim, answer: Meter) -> str:
        """Return the meter's id; a push writes it to the rows whose prices it makes."""
        return answer.meter_id


CREATE_METER = register(CreateMeterVerb())
