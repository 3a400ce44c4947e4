"""Take a price out of sale, or sell at it again."""

from __future__ import annotations

from django_stripe_gateway.choices import CatalogueOperationKind
from django_stripe_gateway.services.catalogue.line import PlanClaim, PriceVerb
from django_stripe_gateway.services.operations.verbs import register


class ArchivePriceVerb(PriceVerb[None]):
    """Take a price out of sale; subscriptions that have it keep it."""

    kind = CatalogueOperationKind.ARCHIVE_PRICE
    sells = False

    def call(self, claim: PlanClaim) -> None:
        """Archive it, unless an edit has put it on sale again: that edit's push decides."""
        if self.is_wanted(claim):
            claim.gateway.archive_price(claim.params["price_id"], idempotency_key=claim.key)


class RestorePriceVerb(PriceVerb[None]):
    """Sell at an archived price again."""

    kind = CatalogueOperationKind.RESTORE_PRICE
    sells = True

    def call(self, claim: PlanClaim) -> None:
        """Restore it, unless an edit has taken it out of sale again: that edit's push decides."""
        if self.is_wanted(claim):
            claim.gateway.restore_price(claim.params["price_id"], idempotency_key=claim.key)


ARCHIVE_PRICE = register(ArchivePriceVerb())
RESTORE_PRICE = register(RestorePriceVerb())
