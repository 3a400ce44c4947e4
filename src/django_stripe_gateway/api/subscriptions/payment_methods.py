"""A customer's payment methods, and the provider's page to manage what is paid."""

from __future__ import annotations

from typing import Any

from django.utils.http import url_has_allowed_host_and_scheme
from rest_framework.request import Request
from rest_framework.response import Response

from django_stripe_gateway.api.idempotency import idempotent
from django_stripe_gateway.api.openapi.operations import operation
from django_stripe_gateway.api.pagination import OnlyPage
from django_stripe_gateway.api.subscriptions import examples
from django_stripe_gateway.api.subscriptions.actions import BillingActionView
from django_stripe_gateway.api.subscriptions.serializers import (
    OpenPortalSerializer,
    PaymentMethodSerializer,
    PortalSerializer,
    SetupSerializer,
)
from django_stripe_gateway.exceptions import InvalidInput
from django_stripe_gateway.services.subscriptions.customers import ensure_customer
from django_stripe_gateway.services.subscriptions.payment_methods import (
    add_payment_method,
    list_payment_methods,
    own_payment_method,
    remove_payment_method,
    retrieve_setup,
    set_default_payment_method,
)
from django_stripe_gateway.services.subscriptions.portal import portal_return_address, portal_url


class PaymentMethodListView(BillingActionView):
    """The owner's payment methods."""

    action = "add_payment_method"
    rate_scope = "payment_methods"
    pagination_class = OnlyPage

    @operation(
        "payment_methods_list", answer=PaymentMethodSerializer(many=True), examples=examples.LIST_PAYMENT_METHODS
    )
    def get(self, request: Request) -> Response:
        """List your payment methods.

        The provider is asked for them.
        """
        customer = self.find_customer()
        default = customer.default_payment_method if customer is not None else ""
        methods = list_payment_methods(customer=customer)
        return self.page(PaymentMethodSerializer, methods, default_payment_method=default)

    @operation("payment_methods_add", answer=SetupSerializer, status=201, examples=examples.ADD_PAYMENT_METHOD)
    @idempotent
    def post(self, request: Request, *, idempotency_key: str | None) -> Response:
        """Add a payment method in the browser, with a SetupIntent."""
        customer = ensure_customer(owner=self.billed_owner, origin=self.origin)
        setup = add_payment_method(customer=customer, origin=self.origin)
        return self.answer(SetupSerializer, setup, status=201)

    def withheld(self, body: dict[str, Any]) -> dict[str, Any]:
        """Ask the provider again for the client secret of an answer given earlier."""
        setup = retrieve_setup(customer=self.customer(), setup_id=str(body["setup_id"]))
        return {"client_secret": setup.client_secret}


class PaymentMethodView(BillingActionView):
    """One of the owner's payment methods."""

    action = "remove_payment_method"
    rate_scope = "payment_methods"
    path_serializer = PaymentMethodSerializer

    @operation("payment_methods_remove", status=204)
    def delete(self, request: Request, payment_method_id: str) -> Response:
        """Remove a payment method."""
        remove_payment_method(customer=self.customer(), payment_method_id=payment_method_id, origin=self.origin)
        return Response(status=204)


class DefaultPaymentMethodView(BillingActionView):
    """What the owner is charged on."""

    action = "set_default_payment_method"
    rate_scope = "payment_methods"
    path_serializer = PaymentMethodSerializer

    @operation(
        "payment_methods_set_default", answer=PaymentMethodSerializer, examples=examples.SET_DEFAULT_PAYMENT_METHOD
    )
    @idempotent
    def post(self, request: Request, payment_method_id: str, *, idempotency_key: str | None) -> Response:
        """Charge this payment method from now on."""
        customer = set_default_payment_method(
            customer=self.customer(), payment_method_id=payment_method_id, origin=self.origin
        )
        method = own_payment_method(customer, payment_method_id)
        default = customer.default_payment_method
        return self.answer(PaymentMethodSerializer, method, default_payment_method=default)


class PortalView(BillingActionView):
    """The provider's page where customers manage what they pay."""

    action = "open_portal"
    rate_scope = "portal"

    @operation(
        "portal_open", request=OpenPortalSerializer, answer=PortalSerializer, status=201, examples=examples.OPEN_PORTAL
    )
    @idempotent
    def post(self, request: Request, *, idempotency_key: str | None) -> Response:
        """Open Stripe's page where customers manage what they pay."""
        values = self.validated(OpenPortalSerializer, request.data)
        own = portal_return_address(self.base_url)
        return_url = values.get("return_url", own)
        hosts = {request.get_host(), own.split("/")[2]}
        if "return_url" in values and not url_has_allowed_host_and_scheme(return_url, allowed_hosts=hosts):
            raise InvalidInput("The address is not on this site.", field="return_url")
        customer = ensure_customer(owner=self.billed_owner, origin=self.origin)
        url = portal_url(customer=customer, return_url=return_url, origin=self.origin)
        return self.answer(PortalSerializer, {"url": url}, status=201)
