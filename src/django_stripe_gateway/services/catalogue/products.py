"""The product that a plan is: made, changed, and taken out of sale."""

from __future__ import annotations

from typing import ClassVar

from django.db.models import Q

from django_stripe_gateway.choices import CatalogueOperationKind
from django_stripe_gateway.gateways.catalogue_values import ProductRequest, ProductSnapshot
from django_stripe_gateway.models import Plan
from django_stripe_gateway.services.accounts import columns_of
from django_stripe_gateway.services.catalogue.line import CatalogueVerb, PlanClaim, SettingVerb
from django_stripe_gateway.services.catalogue.rows import price_rows, rows_of
from django_stripe_gateway.services.catalogue.state import ProviderCatalogue, is_sold
from django_stripe_gateway.services.operations.verbs import register


class CreateProductVerb(CatalogueVerb[ProductSnapshot]):
    """Make the product."""

    kind = CatalogueOperationKind.CREATE_PRODUCT

    def is_wanted(self, claim: PlanClaim) -> bool:
        """Return whether the plan is sold at any price."""
        return any(is_sold(claim.subject, row) for row in rows_of(claim.subject, claim.operation.variant))

    def complete(self, claim: PlanClaim) -> None:
        """Keep what the product is called."""
        plan = claim.subject
        claim.params["product"] = [plan.name, plan.description, {"plan": plan.slug}]

    def call(self, claim: PlanClaim) -> ProductSnapshot:
        """Make it."""
        name, description, metadata = claim.params["product"]
        request = ProductRequest(name, description, metadata, further=claim.further)
        snapshot: ProductSnapshot = claim.gateway.create_product(request, idempotency_key=claim.key)
        return snapshot

    def find_earlier(self, claim: PlanClaim) -> ProductSnapshot | None:
        """Return the product that carries the plan's slug."""
        catalogue = ProviderCatalogue({found.product_id: found for found in claim.gateway.list_products()}, {})
        return catalogue.product_of(claim.subject, rows_of(claim.subject, claim.operation.variant))

    def apply(self, claim: PlanClaim, answer: ProductSnapshot) -> str:
        """Write which product the plan's prices have, unless another process has settled it.

        What was sold under another product keeps that.
        """
        if claim.operation.is_pending:
            variant = claim.operation.variant
            rows = price_rows().of_configured_account().filter(plan=claim.subject, variant=variant)
            rows = rows.filter(Q(stripe_price_id=None) | Q(is_active=True))
            rows.update(stripe_product_id=answer.product_id, **columns_of(variant))
        return answer.product_id


class UpdateProductVerb(SettingVerb):
    """Set a product's name, description and default price; put it on sale if the plan is."""

    kind = CatalogueOperationKind.UPDATE_PRODUCT
    #: What is on sale stays so until its prices are archived.
    may_sell: ClassVar[bool] = True

    def is_wanted(self, claim: PlanClaim) -> bool:
        """Return whether the plan is what it was when this was stored."""
        now = _facts(claim.subject)
        return bool(claim.params.get("plan", now) == now)

    def complete(self, claim: PlanClaim) -> None:
        """Keep what the plan is."""
        claim.params["plan"] = _facts(claim.subject)

    def set(self, claim: PlanClaim) -> None:
        """Set it."""
        plan, params = claim.subject, claim.params
        is_active = self.may_sell and (plan.is_active or params["was_active"])
        request = ProductRequest(plan.name, plan.description, {"plan": plan.slug}, params["default_price_id"])
        claim.gateway.update_product(params["product_id"], request, is_active=is_active, idempotency_key=claim.key)


class ArchiveProductVerb(UpdateProductVerb):
    """Take a product out of sale."""

    kind = CatalogueOperationKind.ARCHIVE_PRODUCT
    may_sell = False

    def is_wanted(self, claim: PlanClaim) -> bool:
        """Return whether the plan is not sold, and what it was when this was stored."""
        return not claim.subject.is_active and super().is_wanted(claim)


def _facts(plan: Plan) -> list[str | bool]:
    return [plan.name, plan.description, plan.is_active]


CREATE_PRODUCT = register(CreateProductVerb())
UPDATE_PRODUCT = register(UpdateProductVerb())
ARCHIVE_PRODUCT = register(ArchiveProductVerb())
