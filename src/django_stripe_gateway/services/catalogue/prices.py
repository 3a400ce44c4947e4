"""The prices of a plan: made, taken out of sale, and sold at again."""

from __future__ import annotations

from decimal import Decimal
from typing import ClassVar

from django_stripe_gateway.choices import CatalogueOperationKind
from django_stripe_gateway.gateways.catalogue_values import PriceRequest, PriceSnapshot
from django_stripe_gateway.services.accounts import columns_of
from django_stripe_gateway.services.catalogue.line import A, CatalogueVerb, PlanClaim, SettingVerb, claimed_row
from django_stripe_gateway.services.catalogue.rows import TERMS, price_rows, retire_replaced, taken_prices
from django_stripe_gateway.services.catalogue.state import ProviderCatalogue, is_sold, price_metadata
from django_stripe_gateway.services.operations.verbs import register


class PriceVerb(CatalogueVerb[A]):
    """A verb about one price."""

    #: Whether customers can subscribe at the price afterwards.
    sells: ClassVar[bool]

    def is_wanted(self, claim: PlanClaim) -> bool:
        """Return whether the row has the price that the push has read, and shall be sold, or shall not."""
        row = claimed_row(claim)
        return is_sold(claim.subject, row) == self.sells and row.stripe_price_id == claim.params["price_id"]


class CreatePriceVerb(PriceVerb[PriceSnapshot]):
    """Make the price; from then on its row keeps its terms."""

    kind = CatalogueOperationKind.CREATE_PRICE
    sells = True

    def complete(self, claim: PlanClaim) -> None:
        """Keep what it costs."""
        row = claimed_row(claim)
        price = {name: getattr(row, name) for name in TERMS if name != "metric"} | {"amount": str(row.amount)}
        price |= {"meter_id": row.meter_id if row.is_metered else "", "lookup_key": row.lookup_key}
        price |= {"transfer_lookup_key": claim.params["may_take_key"], "metadata": price_metadata(claim.subject, row)}
        claim.params["price"] = price

    def call(self, claim: PlanClaim) -> PriceSnapshot:
        """Make it."""
        price = claim.params["price"]
        kept = {"product_id": claim.params["product_id"], "amount": Decimal(price["amount"]), "further": claim.further}
        request = PriceRequest(**price | kept)
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
            row = claimed_row(claim)
            ids = {"stripe_price_id": answer.price_id, "stripe_product_id": answer.product_id}
            ids |= columns_of(claim.operation.variant)
            price_rows().filter(pk=row.pk).update(**ids)
            retire_replaced(row)
        return answer.price_id


class ArchivePriceVerb(PriceVerb[None], SettingVerb):
    """Take a price out of sale; subscriptions that have it keep it."""

    kind = CatalogueOperationKind.ARCHIVE_PRICE
    sells = False

    def set(self, claim: PlanClaim) -> None:
        """Archive it."""
        claim.gateway.archive_price(claim.params["price_id"], idempotency_key=claim.key)


class RestorePriceVerb(PriceVerb[None], SettingVerb):
    """Sell at an archived price again."""

    kind = CatalogueOperationKind.RESTORE_PRICE
    sells = True

    def set(self, claim: PlanClaim) -> None:
        """Restore it."""
        claim.gateway.restore_price(claim.params["price_id"], idempotency_key=claim.key)


class SetLookupKeyVerb(PriceVerb[None], SettingVerb):
    """Give a price its other name, which passes on from the price that it has replaced."""

    kind = CatalogueOperationKind.SET_LOOKUP_KEY
    sells = True

    def is_wanted(self, claim: PlanClaim) -> bool:
        """Return whether the row has the price that the push has read, is sold, and still has this name."""
        key = claimed_row(claim).lookup_key
        return super().is_wanted(claim) and bool(claim.params.get("lookup_key", key) == key)

    def complete(self, claim: PlanClaim) -> None:
        """Keep the name."""
        claim.params["lookup_key"] = claimed_row(claim).lookup_key

    def set(self, claim: PlanClaim) -> None:
        """Set it."""
        params = claim.params
        claim.gateway.set_lookup_key(
            params["price_id"], params["lookup_key"], transfer=params["may_take_key"], idempotency_key=claim.key
        )


CREATE_PRICE = register(CreatePriceVerb())
ARCHIVE_PRICE = register(ArchivePriceVerb())
RESTORE_PRICE = register(RestorePriceVerb())
SET_LOOKUP_KEY = register(SetLookupKeyVerb())
