"""Make the product that a plan is."""

from __future__ import annotations

from django_stripe_gateway.choices import CatalogueOperationKind
from django_stripe_gateway.gateways.billing_values import ProductRequest, ProductSnapshot
from django_stripe_gateway.services.catalogue.line import CatalogueVerb, PlanClaim
from django_stripe_gateway.services.catalogue.rows import rows_of, write_product
from django_stripe_gateway.services.catalogue.state import ProviderCatalogue, is_sold
from django_stripe_gateway.services.operations.verbs import register


class CreateProductVerb(CatalogueVerb[ProductSnapshot]):
    """Make the product."""

    kind = CatalogueOperationKind.CREATE_PRODUCT

    def is_wanted(self, claim: PlanClaim) -> bool:
        """Return whether the plan is sold at any price."""
        return any(is_sold(claim.subject, row) for row in rows_of(claim.subject, claim.operation.variant))

    def prepare(self, claim: PlanClaim) -> None:
        """Keep what the product is called."""
        plan = claim.subject
        claim.params.update(name=plan.name, description=plan.description, metadata={"plan": plan.slug})

    def call(self, claim: PlanClaim) -> ProductSnapshot:
        """Make it."""
        params = claim.params
        request = ProductRequest(params["name"], params["description"], params["metadata"])
        snapshot: ProductSnapshot = claim.gateway.create_product(request, idempotency_key=claim.key)
        return snapshot

    def find_earlier(self, claim: PlanClaim) -> ProductSnapshot | None:
        """Return the product that carries the plan's slug."""
        catalogue = ProviderCatalogue({found.product_id: found for found in claim.gateway.list_products()}, {})
        return catalogue.product_of(claim.subject, rows_of(claim.subject, claim.operation.variant))

    def apply(self, claim: PlanClaim, answer: ProductSnapshot) -> str:
        """Write which product the plan's prices have, unless another process has settled it."""
        if claim.operation.is_pending:
            write_product(claim.subject, claim.operation.variant, answer.product_id)
        return answer.product_id


CREATE_PRODUCT = register(CreateProductVerb())
