"""What Acme Pay sells and to whom: products, prices, customers and their cards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from acme_pay.accounts import AcmeAccount
from acme_pay.billing_objects import (
    card_snapshot,
    customer_snapshot,
    price_snapshot,
    product_snapshot,
    setup_snapshot,
)
from acme_pay.client import call
from django_stripe_gateway.exceptions import UnsupportedByGateway
from django_stripe_gateway.gateways import (
    BillingGateway,
    CustomerRequest,
    CustomerSnapshot,
    PaymentMethodSnapshot,
    PriceRequest,
    PriceSnapshot,
    ProductRequest,
    ProductSnapshot,
    SetupSnapshot,
)


class AcmeCatalogue(BillingGateway):
    """The half of billing that comes before a subscription."""

    provider = "acme"

    def __init__(self, account: AcmeAccount) -> None:
        self.account = account

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.account.variant}>"

    @property
    def livemode(self) -> bool:
        """No real money moves at Acme."""
        return False

    def create_product(self, request: ProductRequest, *, idempotency_key: str) -> ProductSnapshot:
        """Make a product."""
        fields = {"name": request.name, "description": request.description, "reference": dict(request.metadata)}
        return product_snapshot(self._make("product", fields, idempotency_key))

    def update_product(
        self, product_id: str, request: ProductRequest, *, is_active: bool, idempotency_key: str
    ) -> ProductSnapshot:
        """Change a product, or archive it."""
        fields = {"name": request.name, "description": request.description, "active": is_active}
        if request.default_price_id:
            fields["default_price"] = request.default_price_id
        return product_snapshot(self._change("product", product_id, fields, idempotency_key))

    def create_price(self, request: PriceRequest, *, idempotency_key: str) -> PriceSnapshot:
        """Make a price, of a quantity; it has no other name."""
        if request.usage_type != "licensed":
            raise UnsupportedByGateway("Acme Pay has no metered prices.")
        fields = {
            "product": request.product_id,
            "amount": str(request.amount),
            "currency": request.currency,
            "interval": request.interval,
            "count": request.interval_count,
            "reference": dict(request.metadata),
        }
        return price_snapshot(self._make("price", fields, idempotency_key))

    def archive_price(self, price_id: str, *, idempotency_key: str) -> PriceSnapshot:
        """Take a price out of sale."""
        return price_snapshot(self._change("price", price_id, {"active": False}, idempotency_key))

    def restore_price(self, price_id: str, *, idempotency_key: str) -> PriceSnapshot:
        """Sell at an archived price again."""
        return price_snapshot(self._change("price", price_id, {"active": True}, idempotency_key))

    def list_products(self) -> Sequence[ProductSnapshot]:
        """Return all products."""
        return [product_snapshot(one) for one in self._list("product")]

    def list_prices(self) -> Sequence[PriceSnapshot]:
        """Return all prices."""
        return [price_snapshot(one) for one in self._list("price")]

    def create_customer(self, request: CustomerRequest, *, idempotency_key: str) -> CustomerSnapshot:
        """Make a customer."""
        fields = {"email": request.email, "name": request.name, "reference": dict(request.metadata)}
        return customer_snapshot(self._make("customer", fields, idempotency_key))

    def find_customer(self, request: CustomerRequest, *, since: datetime) -> CustomerSnapshot | None:
        """Return the customer that an earlier attempt has made."""
        return next(map(customer_snapshot, self._list("customer", reference=dict(request.metadata))), None)

    def update_customer(self, customer_id: str, request: CustomerRequest, *, idempotency_key: str) -> CustomerSnapshot:
        """Change a customer's details; what is empty stays."""
        fields: dict[str, Any] = {"email": request.email, "name": request.name}
        if request.metadata:
            fields["reference"] = dict(request.metadata)
        return customer_snapshot(self._change("customer", customer_id, fields, idempotency_key))

    def retrieve_customer(self, customer_id: str) -> CustomerSnapshot:
        """Ask for a customer."""
        return customer_snapshot(call(self.account, "get", kind="customer", object_id=customer_id))

    def list_payment_methods(self, customer_id: str) -> Sequence[PaymentMethodSnapshot]:
        """Return the customer's cards, the newest first."""
        return [card_snapshot(one) for one in self._list("card", customer=customer_id)]

    def create_setup(self, customer_id: str, *, metadata: Mapping[str, str], idempotency_key: str) -> SetupSnapshot:
        """Let the customer add a card in the browser."""
        return setup_snapshot(
            call(self.account, "open_setup", key=idempotency_key, customer=customer_id, reference=dict(metadata))
        )

    def find_setup(self, customer_id: str, *, metadata: Mapping[str, str]) -> SetupSnapshot | None:
        """Return what an earlier attempt has made."""
        return next(map(setup_snapshot, self._list("setup", customer=customer_id, reference=dict(metadata))), None)

    def retrieve_setup(self, setup_id: str) -> SetupSnapshot:
        """Ask for what a customer adds a card with."""
        return setup_snapshot(call(self.account, "get", kind="setup", object_id=setup_id))

    def attach_payment_method(
        self, payment_method_id: str, customer_id: str, *, idempotency_key: str
    ) -> PaymentMethodSnapshot:
        """Save a card."""
        made = call(self.account, "attach", key=idempotency_key, card=payment_method_id, customer=customer_id)
        return card_snapshot(made)

    def set_default_payment_method(
        self, customer_id: str, payment_method_id: str, *, idempotency_key: str
    ) -> CustomerSnapshot:
        """Charge this one from now on."""
        return customer_snapshot(self._change("customer", customer_id, {"card": payment_method_id}, idempotency_key))

    def detach_payment_method(self, payment_method_id: str, *, idempotency_key: str) -> PaymentMethodSnapshot:
        """Take a card from its customer."""
        return card_snapshot(call(self.account, "detach", key=idempotency_key, card=payment_method_id))

    def retrieve_payment_method(self, payment_method_id: str) -> PaymentMethodSnapshot:
        """Ask for a card."""
        return card_snapshot(call(self.account, "get", kind="card", object_id=payment_method_id))

    def _make(self, kind: str, fields: dict[str, Any], key: str) -> Any:
        return call(self.account, "make", key=key, kind=kind, fields=fields)

    def _change(self, kind: str, object_id: str, fields: dict[str, Any], key: str) -> Any:
        return call(self.account, "change", key=key, kind=kind, object_id=object_id, fields=fields)

    def _list(self, kind: str, **fields: Any) -> Any:
        return call(self.account, "list", kind=kind, fields=fields)
