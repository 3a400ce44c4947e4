"""Change what a plan's product is called, or take it out of sale."""

from __future__ import annotations

from django_stripe_gateway.choices import CatalogueOperationKind
from django_stripe_gateway.gateways.billing_values import ProductRequest
from django_stripe_gateway.services.catalogue.line import CatalogueVerb, PlanClaim
from django_stripe_gateway.services.operations.verbs import register


class UpdateProductVerb(CatalogueVerb[None]):
    """Set a product's name, description and default price, and sell it if the plan is sold."""

    kind = CatalogueOperationKind.UPDATE_PRODUCT

    def is_wanted(self, claim: PlanClaim) -> bool:
        """Return whether the plan is what it was when this was stored."""
        plan = claim.subject
        now = [plan.name, plan.description, plan.is_active]
        return bool(claim.params.get("plan", now) == now)

    def prepare(self, claim: PlanClaim) -> None:
        """Keep what the plan is, and whether its product is sold: it is archived last, by a call of its own."""
        plan = claim.subject
        claim.params["plan"] = [plan.name, plan.description, plan.is_active]
        claim.params["is_active"] = plan.is_active or claim.params["was_active"]

    def call(self, claim: PlanClaim) -> None:
        """Set it, unless an edit has overtaken it: that edit's push decides."""
        if self.is_wanted(claim):
            params, plan = claim.params, claim.subject
            request = ProductRequest(plan.name, plan.description, {"plan": plan.slug}, params["default_price_id"])
            claim.gateway.update_product(
                params["product_id"], request, is_active=params["is_active"], idempotency_key=claim.key
            )


class ArchiveProductVerb(UpdateProductVerb):
    """Take a product out of sale."""

    kind = CatalogueOperationKind.ARCHIVE_PRODUCT

    def is_wanted(self, claim: PlanClaim) -> bool:
        """Return whether the plan is not sold."""
        return not claim.subject.is_active and super().is_wanted(claim)

    def prepare(self, claim: PlanClaim) -> None:
        """Keep what the plan is, and that its product is not sold."""
        super().prepare(claim)
        claim.params["is_active"] = False


UPDATE_PRODUCT = register(UpdateProductVerb())
ARCHIVE_PRODUCT = register(ArchiveProductVerb())
