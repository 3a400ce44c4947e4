"""Subscriptions on localstripe: legacy Plans, a payment method that is charged at once, and little else."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any, NoReturn

from django.utils import timezone

from django_stripe_gateway.conf import gateway_settings
from django_stripe_gateway.exceptions import PaymentDeclined, ProviderError, UnsupportedByGateway
from django_stripe_gateway.gateways.billing_values import (
    CustomerSnapshot,
    InvoiceSnapshot,
    ItemChange,
    PaymentMethodSnapshot,
    SetupSnapshot,
    SubscriptionChange,
    SubscriptionRequest,
    SubscriptionSnapshot,
)
from django_stripe_gateway.gateways.catalogue_values import PriceRequest, PriceSnapshot, ProductRequest, ProductSnapshot
from django_stripe_gateway.gateways.invoice_money import InvoiceMoneyGateway
from django_stripe_gateway.gateways.stripe.billing import StripeBillingGateway
from django_stripe_gateway.gateways.stripe.billing_objects import invoice_snapshot, subscription_snapshot
from django_stripe_gateway.gateways.stripe.calls import seconds
from django_stripe_gateway.gateways.stripe.catalogue_objects import (
    payment_method_snapshot,
    price_snapshot,
    product_snapshot,
    setup_snapshot,
)
from django_stripe_gateway.gateways.stripe.customers import has_metadata
from django_stripe_gateway.gateways.subscription_values import SubscriptionEnd
from django_stripe_gateway.money import to_minor_units


def _refuse(what: str) -> NoReturn:
    raise UnsupportedByGateway(f"localstripe does not know {what}. Use a test key of Stripe's for that.")


def _refusing(what: str) -> Callable[..., NoReturn]:
    """Return a method that refuses, whatever it is called with."""
    return lambda *args, **kwargs: _refuse(what)


class LocalstripeBillingGateway(StripeBillingGateway):
    """Bills in development. What localstripe cannot do is refused with a sentence, and not half done."""

    supports_incomplete = False
    supports_checkout = False
    supports_portal = False
    supports_pause = False
    supports_promotion_codes = False
    supports_preview = False
    supports_change_invoices = False
    supports_setup_checkout = False
    supports_items = False
    supports_metered_prices = False
    supports_lookup_keys = False
    supports_schedules = False
    supports_trial_changes = False
    supports_invoicing = False

    create_subscription_checkout = find_subscription_checkout = _refusing("Checkout")
    retrieve_subscription_checkout = expire_subscription_checkout = _refusing("Checkout")
    create_setup_checkout = find_setup_checkout = _refusing("Checkout")
    create_portal_url = _refusing("the billing portal")
    pause_subscription = unpause_subscription = _refusing("pausing")
    find_promotion_code = _refusing("promotion codes")
    preview_change = _refusing("previews of a change")
    set_lookup_key = _refusing("lookup keys")
    start_schedule = schedule_change = preview_schedule = retrieve_schedule = release_schedule = (
        clear_schedule_payment_method
    ) = _refusing("changes that are planned ahead")
    preview_end = given_back_directly = _refusing("what is left of a period")
    supports_invoice_refunds = False
    invoice_of_intent = InvoiceMoneyGateway.invoice_of_intent
    list_invoice_payments = refund_invoice_payment = list_invoice_refunds = _refusing("refunds of invoices")
    create_credit_note = preview_credit_note = list_credit_notes = _refusing("credit notes")
    retrieve_credit_note = void_credit_note = _refusing("credit notes")
    change_trial = _refusing("changes of a trial")
    change_discounts = _refusing("discounts of subscriptions")
    change_collection = _refusing("other ways to collect")

    @property
    def test_payment_method(self) -> str:
        """What new customers are given to pay with: nobody types in a card here."""
        return gateway_settings.test_payment_method

    def update_product(
        self, product_id: str, request: ProductRequest, *, is_active: bool, idempotency_key: str
    ) -> ProductSnapshot:
        """Change a product, whose flag localstripe keeps as a text."""
        params: dict[str, Any] = {"name": request.name, "metadata": dict(request.metadata), "active": is_active}
        if request.description:
            params["description"] = request.description
        return self._send(self.v1.products.update, product_snapshot, idempotency_key, product_id, params=params)

    def create_price(self, request: PriceRequest, *, idempotency_key: str) -> PriceSnapshot:
        """Make a legacy Plan; it has no lookup key here."""
        if request.usage_type != "licensed":
            _refuse("metered prices")
        params: dict[str, Any] = {
            "product": request.product_id,
            "amount": to_minor_units(request.amount, request.currency),
            "currency": request.currency.lower(),
            "interval": request.interval,
            "interval_count": request.interval_count,
            "metadata": dict(request.metadata),
        }
        if request.nickname:
            params["nickname"] = request.nickname
        return self._send(self.v1.plans.create, price_snapshot, idempotency_key, params=params)

    def archive_price(self, price_id: str, *, idempotency_key: str) -> PriceSnapshot:
        """Take a Plan out of sale."""
        return self._send(self.v1.plans.update, price_snapshot, idempotency_key, price_id, params={"active": False})

    def restore_price(self, price_id: str, *, idempotency_key: str) -> PriceSnapshot:
        """Sell at an archived Plan again."""
        return self._send(self.v1.plans.update, price_snapshot, idempotency_key, price_id, params={"active": True})

    def list_prices(self) -> Sequence[PriceSnapshot]:
        """Return all Plans."""
        return self._list(lambda params: self.v1.plans.list(params=params), price_snapshot)

    def list_customers(self, email: str) -> Sequence[CustomerSnapshot]:
        """Return nobody: its store outlives a developer's databases, and nobody has paid for what is in it."""
        return ()

    def retrieve_customer(self, customer_id: str) -> CustomerSnapshot:
        """Ask for a customer; localstripe forgets those that were deleted."""
        try:
            return super().retrieve_customer(customer_id)
        except ProviderError as error:
            if not error.is_missing:
                raise
        return CustomerSnapshot(customer_id=customer_id, is_deleted=True, livemode=False)

    def list_payment_methods(self, customer_id: str) -> Sequence[PaymentMethodSnapshot]:
        """Return the customer's cards, the newest first."""
        found = self._list(
            lambda params: self.v1.payment_methods.list(params=params),
            payment_method_snapshot,
            customer=customer_id,
            type="card",
        )
        return found[::-1]

    def find_setup(self, customer_id: str, *, metadata: Mapping[str, str]) -> SetupSnapshot | None:
        """Return the SetupIntent that an earlier attempt has made; localstripe lists them for no one customer."""
        made = self._items(lambda params: self.v1.setup_intents.list(params=params), setup_snapshot)
        return next((found for found in made if has_metadata(found.metadata, metadata)), None)

    def create_subscription(self, request: SubscriptionRequest, *, idempotency_key: str) -> SubscriptionSnapshot:
        """Start a subscription and charge the customer's payment method at once.

        What localstripe does not take with the creation goes in calls of their own.
        """
        if request.promotion_code or request.coupon:
            _refuse("discounts of subscriptions")
        if request.automatic_tax:
            _refuse("automatic tax")
        if request.add_ons:
            _refuse("several items in one subscription")
        if request.collection_method == "send_invoice":
            _refuse("invoices that are sent")
        if request.trial_days and request.trial_end_behavior:
            _refuse("what becomes of a trial without a card")
        if request.billing_cycle_anchor is not None:
            # It takes the parameter and begins the first full period now.
            _refuse("another moment for the first full period than now")
        if request.default_payment_method:
            self.set_default_payment_method(
                request.customer_id, request.default_payment_method, idempotency_key=f"{idempotency_key}-method"
            )
        params: dict[str, Any] = {
            "customer": request.customer_id,
            "items": [{"plan": request.price_id, "quantity": request.quantity}],
            "metadata": dict(request.metadata),
            "expand": self._subscription_expand(),
        }
        if request.trial_days:
            params["trial_end"] = seconds(timezone.now() + timedelta(days=request.trial_days))
        made = self._send(self.v1.subscriptions.create, subscription_snapshot, idempotency_key, params=params)
        if not request.cancel_at_period_end:
            return made
        change = SubscriptionChange(cancel_at_period_end=True)
        return self.change_subscription(made.subscription_id, change, idempotency_key=f"{idempotency_key}-end")

    def change_subscription(
        self, subscription_id: str, change: SubscriptionChange, *, idempotency_key: str
    ) -> SubscriptionSnapshot:
        """Change plan, quantity or what happens at the period's end; localstripe makes a new item of a changed one.

        Why a customer goes is not kept: it changes nothing.
        """
        if change.cancel_at is not None:
            _refuse("dates on which subscriptions end")
        if change.proration == "always_invoice":
            _refuse("invoices for a change at once")
        if change.proration_date is not None:
            _refuse("another moment of a change than now")
        params: dict[str, Any] = {"expand": self._subscription_expand()}
        if change.items:
            params["items"] = [self._changed_item(subscription_id, change.items)]
            if change.proration == "none":
                params["prorate"] = False
        if change.cancel_at_period_end is not None:
            params["cancel_at_period_end"] = change.cancel_at_period_end
        return self._update(subscription_id, params, idempotency_key)

    def end_subscription(
        self, subscription_id: str, end: SubscriptionEnd, *, idempotency_key: str
    ) -> SubscriptionSnapshot:
        """End a subscription at once; localstripe keeps nothing that waits, and no reason."""
        if end.credits_unused:
            _refuse("what is left of a period")
        return super().end_subscription(subscription_id, SubscriptionEnd(), idempotency_key=idempotency_key)

    def _changed_item(self, subscription_id: str, items: Sequence[ItemChange]) -> dict[str, Any]:
        if len(items) > 1 or not items[0].item_id or items[0].is_removed:
            _refuse("several items in one subscription")
        (change,) = items
        # Without a quantity localstripe goes back to one.
        quantity = change.quantity or self.retrieve_subscription(subscription_id).items[0].quantity
        item = {"id": change.item_id, "quantity": quantity}
        return item if change.price_id is None else item | {"plan": change.price_id}

    def pay_invoice(
        self, invoice_id: str, *, payment_method: str = "", off_session: bool = False, idempotency_key: str
    ) -> InvoiceSnapshot:
        """Charge an open invoice on its customer's payment method; localstripe takes no other, and tells no decline."""
        if payment_method:
            _refuse("a payment method for one invoice")
        self._send(self.v1.invoices.pay, invoice_snapshot, idempotency_key, invoice_id, about_state=True)
        paid = self.retrieve_invoice(invoice_id)
        if paid.status != "paid":
            raise PaymentDeclined("Your card was declined.", code="card_declined", decline_code="card_declined")
        return paid

    def list_invoices(self, customer_id: str, *, status: str = "") -> Sequence[InvoiceSnapshot]:
        """Return the customer's invoices, the newest first; only those of a ``status`` if one is named."""
        found = self._list(lambda params: self.v1.invoices.list(params=params), invoice_snapshot, customer=customer_id)
        return [one for one in reversed(found) if status in ("", one.status)]

    def _subscription_expand(self) -> list[str]:
        return ["latest_invoice.payment_intent"]

    def _invoice_expand(self) -> list[str]:
        return ["payment_intent"]
