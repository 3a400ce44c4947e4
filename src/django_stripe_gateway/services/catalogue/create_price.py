"""Make a price of a plan."""

from __future__ import annotations

from decimal import Decimal

from django_stripe_gateway.choices import CatalogueOperationKind
from django_stripe_gateway.gateways.billing_values import PriceRequest, PriceSnapshot
from django_stripe_gateway.services.catalogue.line import PlanClaim, PriceVerb, claimed_row
from django_stripe_gateway.services.catalogue.rows import TERMS, price_rows, taken_prices, write_price
from django_stripe_gateway.services.catalogue.state import ProviderCatalogue, price_metadata
from django_stripe_gateway.services.operations.verbs import register


class CreatePriceVerb(PriceVerb[PriceSnapshot]):
    """Make the price; from then on its row keeps its terms."""

    kind = CatalogueOperationKind.CREATE_PRICE
    sells = True

    def prepare(self, claim: PlanClaim) -> None:
        """Keep what it costs."""
        row = claimed_row(claim)
        claim.params.update({name: getattr(row, name) for name in TERMS} | {"amount": str(row.amount)})
        claim.params["metadata"] = price_metadata(claim.subject, row)

    def call(self, claim: PlanClaim) -> PriceSnapshot:
        """Make it."""
        params = claim.params
        request = PriceRequest(
            product_id=params["product_id"],
            amount=Decimal(params["amount"]),
            currency=params["currency"],
            interval=params["interval"],
            interval_count=params["interval_count"],
            metadata=params["metadata"],
        )
        snapshot: PriceSnapshot = claim.gateway.create_price(request, idempotency_key=claim.key)
        return snapshot

    def find_earlier(self, claim: PlanClaim) -> PriceSnapshot | None:
        """Return the price that the row names, else one that carries the plan's slug and the row's key."""
        row = claimed_row(claim)
        catalogue = ProviderCatalogue({}, {found.price_id: found for found in claim.gateway.list_prices()})
        named = catalogue.prices.get(row.stripe_price_id or "")
        return named or catalogue.price_made_for(claim.subject, row, taken_prices())

    def apply(self, claim: PlanClaim, answer: PriceSnapshot) -> str:
        """Write which price the row is, unless another process has settled it."""
        if claim.operation.is_pending:
            write_price(price_rows().filter(pk=claimed_row(claim).pk), answer)
        return answer.price_id


CREATE_PRICE = register(CreatePriceVerb())
