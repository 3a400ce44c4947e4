"""Subscriptions through Acme Pay: charged at once, and ended again; what it has no page or preview for is refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NoReturn

from acme_pay.billing_objects import invoice_snapshot, subscription_snapshot
from acme_pay.catalogue import AcmeCatalogue
from acme_pay.client import call
from django_stripe_gateway.exceptions import UnsupportedByGateway
from django_stripe_gateway.gateways import (
    BillingCheckoutSnapshot,
    InvoiceSnapshot,
    ItemChange,
    PromotionCodeSnapshot,
    SubscriptionChange,
    SubscriptionCheckoutRequest,
    SubscriptionRequest,
    SubscriptionSnapshot,
)


class AcmeBillingGateway(AcmeCatalogue):
    """One account that bills customers."""

    @property
    def test_payment_method(self) -> str:
        """Nobody types in a card at Acme."""
        return "acme_card"

    def create_subscription(self, request: SubscriptionRequest, *, idempotency_key: str) -> SubscriptionSnapshot:
        """Start a subscription and charge it at once."""
        if request.promotion_code or request.coupon or request.automatic_tax or request.billing_cycle_anchor:
            _refuse("discounts, taxes and anchors")
        made = call(
            self.account,
            "subscribe",
            key=idempotency_key,
            customer=request.customer_id,
            price=request.price_id,
            quantity=request.quantity,
            trial_days=request.trial_days,
            ends=request.cancel_at_period_end,
            card=request.default_payment_method,
            reference=dict(request.metadata),
        )
        return subscription_snapshot(made)

    def retrieve_subscription(self, subscription_id: str) -> SubscriptionSnapshot:
        """Ask where a subscription stands."""
        return subscription_snapshot(call(self.account, "get", kind="subscription", object_id=subscription_id))

    def list_subscriptions(self, customer_id: str) -> Sequence[SubscriptionSnapshot]:
        """Return all subscriptions of a customer."""
        return [subscription_snapshot(one) for one in self._list("subscription", customer=customer_id)]

    def change_subscription(
        self, subscription_id: str, change: SubscriptionChange, *, idempotency_key: str
    ) -> SubscriptionSnapshot:
        """Change price, quantity or end."""
        item = change.items[0] if change.items else ItemChange()
        changed = call(
            self.account,
            "change_subscription",
            key=idempotency_key,
            subscription=subscription_id,
            price=item.price_id,
            quantity=item.quantity,
            ends=change.cancel_at_period_end,
        )
        return subscription_snapshot(changed)

    def cancel_subscription(self, subscription_id: str, *, idempotency_key: str) -> SubscriptionSnapshot:
        """End a subscription at once."""
        return subscription_snapshot(call(self.account, "end", key=idempotency_key, subscription=subscription_id))

    def retrieve_invoice(self, invoice_id: str) -> InvoiceSnapshot:
        """Ask for an invoice."""
        return invoice_snapshot(call(self.account, "get", kind="invoice", object_id=invoice_id))

    def list_invoices(self, customer_id: str, *, status: str = "") -> Sequence[InvoiceSnapshot]:
        """Return the customer's invoices, of a status if one is named."""
        found = [invoice_snapshot(one) for one in self._list("invoice", customer=customer_id)]
        return [one for one in found if status in ("", one.status)]

    def read_subscription(self, obj: Mapping[str, Any]) -> SubscriptionSnapshot:
        """Return the snapshot of an event's object."""
        return subscription_snapshot(obj)

    def read_invoice(self, obj: Mapping[str, Any]) -> InvoiceSnapshot:
        """Return the snapshot of an event's object."""
        return invoice_snapshot(obj)

    # What Acme Pay cannot do.

    def find_promotion_code(self, code: str) -> PromotionCodeSnapshot | None:
        """Refuse: there are none."""
        _refuse("promotion codes")

    def create_portal_url(self, customer_id: str, return_url: str, *, idempotency_key: str) -> str:
        """Refuse: there is no portal."""
        _refuse("a portal")

    def preview_change(self, subscription_id: str, customer_id: str, change: SubscriptionChange) -> InvoiceSnapshot:
        """Refuse: there are no previews."""
        _refuse("previews")

    def pause_subscription(
        self, subscription_id: str, *, behavior: str, resumes_at: datetime | None, idempotency_key: str
    ) -> SubscriptionSnapshot:
        """Refuse: nothing can be paused."""
        _refuse("pausing")

    def unpause_subscription(self, subscription_id: str, *, idempotency_key: str) -> SubscriptionSnapshot:
        """Refuse: nothing can be paused."""
        _refuse("pausing")

    def create_subscription_checkout(
        self, request: SubscriptionCheckoutRequest, *, idempotency_key: str
    ) -> BillingCheckoutSnapshot:
        """Refuse: there is no page."""
        _refuse("a page for subscriptions")

    def find_subscription_checkout(self, customer_id: str, token: str) -> BillingCheckoutSnapshot | None:
        """Refuse: there is no page."""
        _refuse("a page for subscriptions")

    def retrieve_subscription_checkout(self, session_id: str) -> BillingCheckoutSnapshot:
        """Refuse: there is no page."""
        _refuse("a page for subscriptions")

    def expire_subscription_checkout(self, session_id: str, *, idempotency_key: str) -> BillingCheckoutSnapshot:
        """Refuse: there is no page."""
        _refuse("a page for subscriptions")

    def read_subscription_checkout(self, obj: Mapping[str, Any]) -> BillingCheckoutSnapshot:
        """Refuse: there is no page."""
        _refuse("a page for subscriptions")


def _refuse(what: str) -> NoReturn:
    raise UnsupportedByGateway(f"Acme Pay does not know {what}.")
