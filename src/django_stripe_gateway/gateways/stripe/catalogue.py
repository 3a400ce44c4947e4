"""Products, prices and promotion codes at Stripe."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django_stripe_gateway.gateways.catalogue_values import PriceRequest, PriceSnapshot, ProductRequest, ProductSnapshot
from django_stripe_gateway.gateways.stripe.catalogue_objects import (
    price_snapshot,
    product_snapshot,
    promotion_code_snapshot,
)
from django_stripe_gateway.gateways.stripe.further_params import StripeFurtherParams
from django_stripe_gateway.gateways.subscription_values import PromotionCodeSnapshot
from django_stripe_gateway.money import to_minor_decimal, to_minor_units

METERED = "metered"


class StripeCatalogue(StripeFurtherParams):
    """What is sold."""

    def create_product(self, request: ProductRequest, *, idempotency_key: str) -> ProductSnapshot:
        """Make a product."""
        params: dict[str, Any] = {"name": request.name, "metadata": dict(request.metadata)}
        if request.description:
            params["description"] = request.description
        params = self._with_further(params, request.further)
        return self._send(self.v1.products.create, product_snapshot, idempotency_key, params=params)

    def update_product(
        self, product_id: str, request: ProductRequest, *, is_active: bool, idempotency_key: str
    ) -> ProductSnapshot:
        """Change a product's name and description, or archive it; an empty description takes the old one away."""
        params: dict[str, Any] = {
            "name": request.name,
            "description": request.description,
            "metadata": dict(request.metadata),
            "active": is_active,
        }
        if request.default_price_id:
            params["default_price"] = request.default_price_id
        return self._send(self.v1.products.update, product_snapshot, idempotency_key, product_id, params=params)

    def create_price(self, request: PriceRequest, *, idempotency_key: str) -> PriceSnapshot:
        """Make a recurring price."""
        params: dict[str, Any] = {
            "product": request.product_id,
            "currency": request.currency.lower(),
            "recurring": {"interval": request.interval, "interval_count": request.interval_count},
            "metadata": dict(request.metadata),
        }
        if request.usage_type == METERED:
            params["unit_amount_decimal"] = to_minor_decimal(request.amount, request.currency)
            params["recurring"] |= {"usage_type": METERED, "meter": request.meter_id}
        else:
            params["unit_amount"] = to_minor_units(request.amount, request.currency)
        if request.nickname:
            params["nickname"] = request.nickname
        if request.lookup_key:
            params |= {"lookup_key": request.lookup_key, "transfer_lookup_key": request.transfer_lookup_key}
        params = self._with_further(params, request.further)
        return self._send(self.v1.prices.create, price_snapshot, idempotency_key, params=params)

    def archive_price(self, price_id: str, *, idempotency_key: str) -> PriceSnapshot:
        """Take a price out of sale; subscriptions that have it keep it."""
        return self._send(self.v1.prices.update, price_snapshot, idempotency_key, price_id, params={"active": False})

    def restore_price(self, price_id: str, *, idempotency_key: str) -> PriceSnapshot:
        """Sell at an archived price again."""
        return self._send(self.v1.prices.update, price_snapshot, idempotency_key, price_id, params={"active": True})

    def set_lookup_key(self, price_id: str, lookup_key: str, *, transfer: bool, idempotency_key: str) -> PriceSnapshot:
        """Give a price another name, or take its own away."""
        params: dict[str, Any] = {"lookup_key": lookup_key}
        if lookup_key:
            params["transfer_lookup_key"] = transfer
        return self._send(self.v1.prices.update, price_snapshot, idempotency_key, price_id, params=params)

    def list_products(self) -> Sequence[ProductSnapshot]:
        """Return all products, the archived ones too."""
        return self._list(lambda params: self.v1.products.list(params=params), product_snapshot)

    def list_prices(self) -> Sequence[PriceSnapshot]:
        """Return all recurring prices, the archived ones too."""
        return self._list(lambda params: self.v1.prices.list(params=params), price_snapshot, type="recurring")

    def find_promotion_code(self, code: str) -> PromotionCodeSnapshot | None:
        """Return the active promotion code that customers know as ``code``, in any case."""
        listed = self._items(self.v1.promotion_codes.list, promotion_code_snapshot, code=code, active=True, limit=1)
        return next(listed, None)
