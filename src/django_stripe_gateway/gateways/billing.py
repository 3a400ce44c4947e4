"""The interface of what is billed again and again.

Like the interface for payments in ``base``: a gateway talks to one account, holds no state, knows neither models nor
requests, takes the idempotency key under which its caller has committed the intention, and raises only the exceptions
of ``django_stripe_gateway.exceptions``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar

from django_stripe_gateway.exceptions import UnsupportedByGateway
from django_stripe_gateway.gateways.billing_values import (
    BillingCheckoutSnapshot,
    CustomerRequest,
    CustomerSnapshot,
    InvoiceLine,
    InvoiceSnapshot,
    PaymentMethodSnapshot,
    SetupCheckoutRequest,
    SetupSnapshot,
    SubscriptionChange,
    SubscriptionCheckoutRequest,
    SubscriptionRequest,
    SubscriptionSnapshot,
)
from django_stripe_gateway.gateways.catalogue_values import PriceRequest, PriceSnapshot, ProductRequest, ProductSnapshot
from django_stripe_gateway.gateways.further_params import TakesFurtherParams
from django_stripe_gateway.gateways.invoice_money import InvoiceMoneyGateway
from django_stripe_gateway.gateways.invoicing import InvoicingGateway
from django_stripe_gateway.gateways.scheduling import ScheduleGateway
from django_stripe_gateway.gateways.subscription_values import DiscountChange, PromotionCodeSnapshot, SubscriptionEnd


class BillingGateway(TakesFurtherParams, ScheduleGateway, InvoicingGateway, InvoiceMoneyGateway, ABC):
    """One account that bills customers.

    Raised everywhere: ``ProviderTimeout`` and ``ProviderUnavailable`` when the outcome is unknown,
    ``ProviderStateError`` when the object's state forbids it, ``UnsupportedByGateway`` when this provider cannot do it,
    ``PaymentDeclined`` when a card was declined, ``ProviderError`` for any other refusal. The gateway sets its
    ``is_missing`` when the provider knows no such object, by which a deleted customer is made anew.
    """

    #: A first payment can be left open for the customer to confirm in the browser.
    supports_incomplete: ClassVar[bool] = False
    #: The provider has a page that starts subscriptions.
    supports_checkout: ClassVar[bool] = False
    #: The provider has a page where customers manage what they pay.
    supports_portal: ClassVar[bool] = False
    supports_pause: ClassVar[bool] = False
    supports_promotion_codes: ClassVar[bool] = False
    supports_preview: ClassVar[bool] = False
    #: It can invoice a change at once, and hold the change back until that is paid.
    supports_change_invoices: ClassVar[bool] = False
    #: The provider has a page on which a customer adds a payment method.
    supports_setup_checkout: ClassVar[bool] = False
    #: An open invoice can be paid on request.
    supports_invoice_payment: ClassVar[bool] = False
    #: A subscription can be charged more than one price.
    supports_items: ClassVar[bool] = False
    #: A price can be multiplied by what a meter has counted.
    supports_metered_prices: ClassVar[bool] = False
    #: A price can have another name, which passes on to the price that replaces it.
    supports_lookup_keys: ClassVar[bool] = False
    #: A trial can be ended or moved, together with a change of plan too.
    supports_trial_changes: ClassVar[bool] = False

    @property
    @abstractmethod
    def livemode(self) -> bool:
        """Whether real money moves."""

    @property
    def test_payment_method(self) -> str:
        """What new customers are given to pay with (development), empty where they bring their own."""
        return ""

    # Catalogue.

    @abstractmethod
    def create_product(self, request: ProductRequest, *, idempotency_key: str) -> ProductSnapshot:
        """Make a product."""

    @abstractmethod
    def update_product(
        self, product_id: str, request: ProductRequest, *, is_active: bool, idempotency_key: str
    ) -> ProductSnapshot:
        """Change a product's name and description, or archive it."""

    @abstractmethod
    def create_price(self, request: PriceRequest, *, idempotency_key: str) -> PriceSnapshot:
        """Make a price, or a legacy plan where there are no prices."""

    @abstractmethod
    def archive_price(self, price_id: str, *, idempotency_key: str) -> PriceSnapshot:
        """Take a price out of sale; subscriptions that have it keep it."""

    @abstractmethod
    def restore_price(self, price_id: str, *, idempotency_key: str) -> PriceSnapshot:
        """Sell at an archived price again."""

    def set_lookup_key(self, price_id: str, lookup_key: str, *, transfer: bool, idempotency_key: str) -> PriceSnapshot:
        """Give a price another name, or take its own away; asked of providers only that support lookup keys.

        Args:
            transfer: take the name from the price that has it.
        """
        raise UnsupportedByGateway(f"{self.provider} has no lookup keys here.")

    @abstractmethod
    def list_products(self) -> Sequence[ProductSnapshot]:
        """Return all products, the archived ones too."""

    @abstractmethod
    def list_prices(self) -> Sequence[PriceSnapshot]:
        """Return all recurring prices, the archived ones too."""

    @abstractmethod
    def find_promotion_code(self, code: str) -> PromotionCodeSnapshot | None:
        """Return the active promotion code that customers know as ``code``."""

    # Customers and their payment methods.

    @abstractmethod
    def create_customer(self, request: CustomerRequest, *, idempotency_key: str) -> CustomerSnapshot:
        """Make a customer."""

    @abstractmethod
    def find_customer(self, request: CustomerRequest, *, since: datetime) -> CustomerSnapshot | None:
        """Return the customer that an earlier attempt at ``create_customer`` has made, found by all its metadata.

        Args:
            since: it was not made before; of our clock.
        """

    def list_customers(self, email: str) -> Sequence[CustomerSnapshot]:
        """Return the customers with an e-mail address, whoever has made them; none where the provider cannot say."""
        return ()

    @abstractmethod
    def update_customer(self, customer_id: str, request: CustomerRequest, *, idempotency_key: str) -> CustomerSnapshot:
        """Change a customer's details."""

    @abstractmethod
    def retrieve_customer(self, customer_id: str) -> CustomerSnapshot:
        """Ask for a customer; one that was deleted says so."""

    def delete_customer(self, customer_id: str, *, idempotency_key: str) -> CustomerSnapshot:
        """Delete a customer for good, with what they pay with; one that is deleted already is no error."""
        raise UnsupportedByGateway("This gateway cannot delete customers. Delete them at the provider.")

    @abstractmethod
    def list_payment_methods(self, customer_id: str) -> Sequence[PaymentMethodSnapshot]:
        """Return the customer's payment methods, the newest first."""

    @abstractmethod
    def create_setup(self, customer_id: str, *, metadata: Mapping[str, str], idempotency_key: str) -> SetupSnapshot:
        """Let the customer add a payment method in the browser."""

    @abstractmethod
    def find_setup(self, customer_id: str, *, metadata: Mapping[str, str]) -> SetupSnapshot | None:
        """Return the SetupIntent that an earlier attempt at ``create_setup`` has made, found by its metadata."""

    @abstractmethod
    def retrieve_setup(self, setup_id: str) -> SetupSnapshot:
        """Ask for a SetupIntent, with its client secret."""

    def create_setup_checkout(self, request: SetupCheckoutRequest, *, idempotency_key: str) -> BillingCheckoutSnapshot:
        """Make a page on which the customer adds a payment method."""
        raise UnsupportedByGateway("This gateway has no page on which a payment method is added.")

    def find_setup_checkout(self, customer_id: str, *, metadata: Mapping[str, str]) -> BillingCheckoutSnapshot | None:
        """Return the page that an earlier attempt at ``create_setup_checkout`` has made, found by its metadata."""
        raise UnsupportedByGateway("This gateway has no page on which a payment method is added.")

    @abstractmethod
    def attach_payment_method(
        self, payment_method_id: str, customer_id: str, *, idempotency_key: str
    ) -> PaymentMethodSnapshot:
        """Give the customer a payment method (a test one, or one made in the browser)."""

    @abstractmethod
    def set_default_payment_method(
        self, customer_id: str, payment_method_id: str, *, idempotency_key: str
    ) -> CustomerSnapshot:
        """Charge this one from now on."""

    @abstractmethod
    def detach_payment_method(self, payment_method_id: str, *, idempotency_key: str) -> PaymentMethodSnapshot:
        """Take a payment method from its customer."""

    @abstractmethod
    def retrieve_payment_method(self, payment_method_id: str) -> PaymentMethodSnapshot:
        """Ask for a payment method; ``customer_id`` says whose it is."""

    @abstractmethod
    def create_portal_url(self, customer_id: str, return_url: str, *, idempotency_key: str) -> str:
        """Return the address of a page where the customer manages what they pay."""

    # Subscriptions and invoices.

    @abstractmethod
    def create_subscription(self, request: SubscriptionRequest, *, idempotency_key: str) -> SubscriptionSnapshot:
        """Start a subscription; an unpaid first invoice leaves it ``incomplete`` with a client secret.

        A payment method that the request names is charged at once.
        """

    @abstractmethod
    def create_subscription_checkout(
        self, request: SubscriptionCheckoutRequest, *, idempotency_key: str
    ) -> BillingCheckoutSnapshot:
        """Make a page that starts a subscription."""

    @abstractmethod
    def find_subscription_checkout(self, customer_id: str, token: str) -> BillingCheckoutSnapshot | None:
        """Return the customer's page whose subscription carries ``token``, as an earlier attempt has made it."""

    @abstractmethod
    def retrieve_subscription_checkout(self, session_id: str) -> BillingCheckoutSnapshot:
        """Ask where such a page stands."""

    @abstractmethod
    def expire_subscription_checkout(self, session_id: str, *, idempotency_key: str) -> BillingCheckoutSnapshot:
        """Close such a page before it is used."""

    @abstractmethod
    def retrieve_subscription(self, subscription_id: str) -> SubscriptionSnapshot:
        """Ask where a subscription stands; of one that is past due also since when, and when it was paid first."""

    @abstractmethod
    def list_subscriptions(self, customer_id: str) -> Sequence[SubscriptionSnapshot]:
        """Return all subscriptions of a customer, ended ones too, the newest first."""

    @abstractmethod
    def change_subscription(
        self, subscription_id: str, change: SubscriptionChange, *, idempotency_key: str
    ) -> SubscriptionSnapshot:
        """Change price, quantity or what happens at the period's end."""

    @abstractmethod
    def preview_change(self, subscription_id: str, customer_id: str, change: SubscriptionChange) -> InvoiceSnapshot:
        """Return the invoice that a change would lead to; nothing is changed."""

    @abstractmethod
    def cancel_subscription(self, subscription_id: str, *, idempotency_key: str) -> SubscriptionSnapshot:
        """End a subscription at once."""

    def end_subscription(
        self, subscription_id: str, end: SubscriptionEnd, *, idempotency_key: str
    ) -> SubscriptionSnapshot:
        """End a subscription at once, as ``end`` says; one that has ended already is returned as it is."""
        if end.credits_unused:
            raise UnsupportedByGateway("This gateway cannot credit what is left of a period.")
        return self.cancel_subscription(subscription_id, idempotency_key=idempotency_key)

    def void_invoice(self, invoice_id: str, *, idempotency_key: str) -> None:
        """Take back an open invoice, which cannot be paid after that; one that is paid is refused."""
        raise UnsupportedByGateway("This gateway cannot take an invoice back.")

    def preview_end(self, subscription_id: str, customer_id: str, *, credits_unused: bool = True) -> InvoiceSnapshot:
        """Return the invoice that an end now would lead to; what is left of the period makes it negative.

        Args:
            credits_unused: ``False`` for what waits for an invoice alone.
        """
        raise UnsupportedByGateway("This gateway cannot say what is left of a period.")

    def list_subscription_invoices(self, subscription_id: str) -> Sequence[InvoiceSnapshot]:
        """Return the invoices of a subscription, the newest first."""
        raise UnsupportedByGateway("This gateway cannot list the invoices of a subscription.")

    def list_invoice_lines(self, invoice_id: str) -> Sequence[InvoiceLine]:
        """Return all lines of an invoice, of which its snapshot may have the first alone."""
        raise UnsupportedByGateway("This gateway cannot list the lines of an invoice.")

    def used_promotion_codes(self, customer_id: str) -> Collection[str]:
        """Return the ids of the codes that a customer has used at the provider, wherever they were entered."""
        return ()

    def given_back_directly(self, invoice_id: str) -> Decimal:
        """Return what went back of an invoice's payment without being noted on it: refunds, and what a bank took."""
        raise UnsupportedByGateway("This gateway cannot refund an invoice.")

    def change_trial(
        self, subscription_id: str, *, ends: datetime | None, collection_method: str = "", idempotency_key: str
    ) -> SubscriptionSnapshot:
        """Let a trial end at another moment, ``None`` for now; what has to be paid then is paid, or it is refused.

        Args:
            collection_method: of the subscription: with "send_invoice" it is paid later.
        """
        raise UnsupportedByGateway("This gateway cannot change a trial.")

    def change_discounts(
        self, subscription_id: str, change: DiscountChange, *, idempotency_key: str
    ) -> SubscriptionSnapshot:
        """Set the discounts of a running subscription."""
        raise UnsupportedByGateway("This gateway cannot change discounts.")

    def change_collection(
        self, subscription_id: str, *, collection_method: str, days_until_due: int | None, idempotency_key: str
    ) -> SubscriptionSnapshot:
        """Collect by "charge_automatically", or "send_invoice" to be paid within ``days_until_due``."""
        raise UnsupportedByGateway("This gateway has one way to collect.")

    @abstractmethod
    def pause_subscription(
        self, subscription_id: str, *, behavior: str, resumes_at: datetime | None, idempotency_key: str
    ) -> SubscriptionSnapshot:
        """Stop collecting money; ``behavior`` is "void", "keep_as_draft" or "mark_uncollectible"."""

    @abstractmethod
    def unpause_subscription(self, subscription_id: str, *, idempotency_key: str) -> SubscriptionSnapshot:
        """Collect money again; a subscription that was paused after its trial becomes active."""

    def charge_customers_default(self, subscription_id: str, *, idempotency_key: str) -> SubscriptionSnapshot:
        """Charge a subscription that has a payment method of its own on its customer's default one instead."""
        raise UnsupportedByGateway("Subscriptions have no payment methods of their own here.")

    def charge_subscription_on(
        self, subscription_id: str, payment_method_id: str, *, idempotency_key: str
    ) -> SubscriptionSnapshot:
        """Give a subscription a payment method of its own, which is one of its customer's."""
        raise UnsupportedByGateway("Subscriptions have no payment methods of their own here.")

    def pay_invoice(
        self, invoice_id: str, *, payment_method: str = "", off_session: bool = False, idempotency_key: str
    ) -> InvoiceSnapshot:
        """Charge an open invoice now.

        Args:
            payment_method: one of the customer's; empty for what its subscription is charged on.
            off_session: the customer is not there to authenticate.

        Returns:
            The invoice: paid, open while a slow payment method is under way, or, with ``requires_action`` and a client
            secret, open until the customer has authenticated.
        """
        raise UnsupportedByGateway("This gateway cannot pay an invoice on request.")

    @abstractmethod
    def retrieve_invoice(self, invoice_id: str) -> InvoiceSnapshot:
        """Ask for an invoice."""

    @abstractmethod
    def list_invoices(self, customer_id: str, *, status: str = "") -> Sequence[InvoiceSnapshot]:
        """Return the customer's invoices, the newest first; only those of a ``status`` if one is named."""

    # Reading what webhooks bring.

    @abstractmethod
    def read_subscription(self, obj: Mapping[str, Any]) -> SubscriptionSnapshot:
        """Return the snapshot of an event's object, of whichever API generation."""

    @abstractmethod
    def read_invoice(self, obj: Mapping[str, Any]) -> InvoiceSnapshot:
        """Return the snapshot of an event's object, of whichever API generation."""

    @abstractmethod
    def read_subscription_checkout(self, obj: Mapping[str, Any]) -> BillingCheckoutSnapshot:
        """Return the snapshot of an event's Checkout Session in subscription mode."""
