"""Customers and their payment methods at Stripe."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any

from django_stripe_gateway.exceptions import ProviderError
from django_stripe_gateway.gateways.billing_values import (
    BillingCheckoutSnapshot,
    CustomerRequest,
    CustomerSnapshot,
    PaymentMethodSnapshot,
    SetupCheckoutRequest,
    SetupSnapshot,
)
from django_stripe_gateway.gateways.stripe.calls import ask, seconds
from django_stripe_gateway.gateways.stripe.catalogue_objects import (
    billing_checkout_snapshot,
    customer_snapshot,
    page_url,
    payment_method_snapshot,
    setup_snapshot,
)
from django_stripe_gateway.gateways.stripe.further_params import StripeFurtherParams


class StripeCustomers(StripeFurtherParams):
    """Who is billed, and what they pay with."""

    def create_customer(self, request: CustomerRequest, *, idempotency_key: str) -> CustomerSnapshot:
        """Make a customer."""
        params = self._with_further(customer_params(request), request.further)
        return self._send(self.v1.customers.create, customer_snapshot, idempotency_key, params=params)

    def find_customer(self, request: CustomerRequest, *, since: datetime) -> CustomerSnapshot | None:
        """Return the customer that an earlier attempt has made: the first one, of which all others are copies."""
        made = self._items(
            lambda params: self.v1.customers.list(params=params), customer_snapshot, **self._made_since(since)
        )
        marked = [found for found in made if has_metadata(found.metadata, request.metadata)]
        return marked[-1] if marked else None

    def list_customers(self, email: str) -> Sequence[CustomerSnapshot]:
        """Return the customers with exactly this e-mail address."""
        return self._list(lambda params: self.v1.customers.list(params=params), customer_snapshot, email=email)

    def update_customer(self, customer_id: str, request: CustomerRequest, *, idempotency_key: str) -> CustomerSnapshot:
        """Change a customer's details."""
        params = self._with_further(customer_params(request), request.further)
        return self._update_customer(customer_id, params, idempotency_key)

    def _update_customer(self, customer_id: str, params: dict[str, Any], idempotency_key: str) -> CustomerSnapshot:
        return self._send(self.v1.customers.update, customer_snapshot, idempotency_key, customer_id, params=params)

    def retrieve_customer(self, customer_id: str) -> CustomerSnapshot:
        """Ask for a customer; one that was deleted says so."""
        return ask(lambda: self.v1.customers.retrieve(customer_id), customer_snapshot)

    def delete_customer(self, customer_id: str, *, idempotency_key: str) -> CustomerSnapshot:
        """Delete a customer for good; Stripe keeps their charges and invoices, and what is subscribed to ends.

        https://docs.stripe.com/api/customers/delete
        """
        try:
            return self._send(self.v1.customers.delete, customer_snapshot, idempotency_key, customer_id)
        except ProviderError as error:
            if not error.is_missing:
                raise
            # Deleted already, if it says so itself.
            return self.retrieve_customer(customer_id)

    def list_payment_methods(self, customer_id: str) -> Sequence[PaymentMethodSnapshot]:
        """Return the customer's payment methods, the newest first."""
        return self._list(
            lambda params: self.v1.customers.payment_methods.list(customer_id, params=params), payment_method_snapshot
        )

    def create_setup(
        self,
        customer_id: str,
        *,
        metadata: Mapping[str, str],
        idempotency_key: str,
        further: Mapping[str, Any] = MappingProxyType({}),
    ) -> SetupSnapshot:
        """Make a SetupIntent, with the payment methods that the Dashboard allows."""
        ours = {"customer": customer_id, "usage": "off_session", "metadata": dict(metadata)}
        params = self._with_further(ours, further)
        return self._send(self.v1.setup_intents.create, setup_snapshot, idempotency_key, params=params)

    def find_setup(self, customer_id: str, *, metadata: Mapping[str, str]) -> SetupSnapshot | None:
        """Return the SetupIntent that an earlier attempt has made."""
        made = self._items(
            lambda params: self.v1.setup_intents.list(params=params), setup_snapshot, customer=customer_id
        )
        return next((found for found in made if has_metadata(found.metadata, metadata)), None)

    def retrieve_setup(self, setup_id: str) -> SetupSnapshot:
        """Ask for a SetupIntent, with its client secret."""
        return ask(lambda: self.v1.setup_intents.retrieve(setup_id), setup_snapshot)

    def create_setup_checkout(self, request: SetupCheckoutRequest, *, idempotency_key: str) -> BillingCheckoutSnapshot:
        """Make a Checkout Session in setup mode, with the payment methods that the Dashboard allows."""
        params = {
            "mode": "setup",
            "customer": request.customer_id,
            "currency": request.currency.lower(),
            "success_url": request.return_url,
            "cancel_url": request.return_url,
            "metadata": dict(request.metadata),
            "setup_intent_data": {"metadata": dict(request.metadata)},
        }
        return self._make_page(self._page_with_further(params, request.further), idempotency_key, request.expires_at)

    def find_setup_checkout(self, customer_id: str, *, metadata: Mapping[str, str]) -> BillingCheckoutSnapshot | None:
        """Return the Checkout Session that an earlier attempt has made."""
        return next((page for page in self._pages_of(customer_id) if has_metadata(page.metadata, metadata)), None)

    def _make_page(
        self, params: dict[str, Any], idempotency_key: str, expires_at: datetime | None
    ) -> BillingCheckoutSnapshot:
        """Make a Checkout Session, which is worth nothing without its address, or the secret to show it with."""
        if expires_at is not None:
            params["expires_at"] = seconds(expires_at)
        page = self._send(self.v1.checkout.sessions.create, billing_checkout_snapshot, idempotency_key, params=params)
        if not (page.url or page.client_secret):
            raise ProviderError("Stripe returned a Checkout Session without a URL.", code="malformed_object")
        return page

    def _pages_of(self, customer_id: str) -> Iterator[BillingCheckoutSnapshot]:
        """Yield a customer's Checkout Sessions, the newest first."""
        return self._items(
            lambda params: self.v1.checkout.sessions.list(params=params),
            billing_checkout_snapshot,
            customer=customer_id,
        )

    def attach_payment_method(
        self, payment_method_id: str, customer_id: str, *, idempotency_key: str
    ) -> PaymentMethodSnapshot:
        """Give the customer a payment method (a test one, or one made in the browser)."""
        params = {"customer": customer_id}
        return self._send(
            self.v1.payment_methods.attach, payment_method_snapshot, idempotency_key, payment_method_id, params=params
        )

    def set_default_payment_method(
        self, customer_id: str, payment_method_id: str, *, idempotency_key: str
    ) -> CustomerSnapshot:
        """Charge this one from now on."""
        params = {"invoice_settings": {"default_payment_method": payment_method_id}}
        return self._update_customer(customer_id, params, idempotency_key)

    def detach_payment_method(self, payment_method_id: str, *, idempotency_key: str) -> PaymentMethodSnapshot:
        """Take a payment method from its customer."""
        return self._send(
            self.v1.payment_methods.detach,
            payment_method_snapshot,
            idempotency_key,
            payment_method_id,
            about_state=True,
        )

    def retrieve_payment_method(self, payment_method_id: str) -> PaymentMethodSnapshot:
        """Ask for a payment method; ``customer_id`` says whose it is."""
        return ask(lambda: self.v1.payment_methods.retrieve(payment_method_id), payment_method_snapshot)

    def create_portal_url(
        self,
        customer_id: str,
        return_url: str,
        *,
        idempotency_key: str,
        further: Mapping[str, Any] = MappingProxyType({}),
    ) -> str:
        """Return the address of Stripe's billing portal for the customer."""
        params = self._with_further({"customer": customer_id, "return_url": return_url}, further)
        return self._send(self.v1.billing_portal.sessions.create, page_url, idempotency_key, params=params)


def has_metadata(found: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    """Return whether an object carries all the metadata that our call has written."""
    return bool(wanted) and all(found.get(name) == value for name, value in wanted.items())


def customer_params(request: CustomerRequest) -> dict[str, Any]:
    """Return what is sent of a customer: the fields that are not empty, and an empty text for what is cleared.

    An empty text unsets a field (https://docs.stripe.com/api/customers/update).
    """
    params: dict[str, Any] = {"metadata": dict(request.metadata)}
    for name, value in (("email", request.email), ("name", request.name)):
        if value or name in request.cleared:
            params[name] = value
    return params
