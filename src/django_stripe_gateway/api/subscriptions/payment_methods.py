"""A customer's payment methods, and the provider's page to manage what is paid."""

from __future__ import annotations

from typing import Any

from django.utils.http import url_has_allowed_host_and_scheme
from rest_framework.request import Request
from rest_framework.response import Response

from django_stripe_gateway.api.access import check_may
from django_stripe_gateway.api.base import NothingSerializer
from django_stripe_gateway.api.idempotency import idempotent
from django_stripe_gateway.api.openapi.operations import operation
from django_stripe_gateway.api.pagination import OnlyPage
from django_stripe_gateway.api.subscriptions import examples
from django_stripe_gateway.api.subscriptions.actions import BillingActionView
from django_stripe_gateway.api.subscriptions.serializers import (
    AddPaymentMethodSerializer,
    OpenPortalSerializer,
    PaymentMethodSerializer,
    PortalSerializer,
    SetupCheckoutSerializer,
    SetupSerializer,
)
from django_stripe_gateway.exceptions import InvalidInput
from django_stripe_gateway.services.subscriptions.customers import ensure_customer
from django_stripe_gateway.services.subscriptions.default_payment_method import (
    payment_methods_in_use,
    set_default_payment_method,
)
from django_stripe_gateway.services.subscriptions.payment_methods import (
    add_payment_method,
    list_payment_methods,
    own_payment_method,
    remove_payment_method,
    retrieve_setup,
)
from django_stripe_gateway.services.subscriptions.portal import portal_return_address, portal_url
from django_stripe_gateway.services.subscriptions.setup_checkouts import open_setup_checkout


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

        The provider is asked for them. `subscriptions` are the running ones that are charged on it.
        """
        customer = self.find_customer()
        methods = list_payment_methods(customer=customer)
        return self.page(PaymentMethodSerializer, methods, in_use=payment_methods_in_use(customer=customer))

    @operation(
        "payment_methods_add",
        request=AddPaymentMethodSerializer,
        answer=(SetupSerializer, SetupCheckoutSerializer),
        status=201,
        examples=examples.ADD_PAYMENT_METHOD,
    )
    @idempotent
    def post(self, request: Request, *, idempotency_key: str | None) -> Response:
        """Add a payment method in the browser.

        The answer has a `client_secret` to confirm with Stripe.js (a SetupIntent); with `mode` “checkout” a
        `gateway_url` to send the customer to.
        """
        check_may(request, self.action)
        values = self.validated(AddPaymentMethodSerializer, request.data)
        if values.get("mode") == "checkout":
            return_url = site_address(request, values.get("return_url"), portal_return_address(self.base_url))
            customer = ensure_customer(owner=self.billed_owner, origin=self.origin)
            default = values.get("set_default", False)
            page = open_setup_checkout(
                customer=customer, return_url=return_url, set_default=default, origin=self.origin
            )
            return self.answer(SetupCheckoutSerializer, page, status=201)
        for field in ("set_default", "return_url"):
            if field in values:
                raise InvalidInput('This is for the mode "checkout".', field=field)
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
        """Remove a payment method.

        409 `payment_method_in_use`: a subscription that renews is charged on it, and nothing else would be.
        """
        check_may(request, self.action)
        self.validated(NothingSerializer, request.data)
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
        """Charge this payment method from now on.

        Running subscriptions are charged on it too, and the next attempt at an open invoice.
        """
        check_may(request, self.action)
        self.validated(NothingSerializer, request.data)
        customer = set_default_payment_method(
            customer=self.customer(), payment_method_id=payment_method_id, origin=self.origin
        )
        method = own_payment_method(customer, payment_method_id)
        return self.answer(PaymentMethodSerializer, method, in_use=payment_methods_in_use(customer=customer))


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
        check_may(request, self.action)
        values = self.validated(OpenPortalSerializer, request.data)
        return_url = site_address(request, values.get("return_url"), portal_return_address(self.base_url))
        customer = ensure_customer(owner=self.billed_owner, origin=self.origin)
        url = portal_url(customer=customer, return_url=return_url, origin=self.origin)
        return self.answer(PortalSerializer, {"url": url}, status=201)


def site_address(request: Request, asked: str | None, own: str) -> str:
    """Return where the browser comes back to: what was asked for if that is on this site, by default ``own``.

    Raises:
        InvalidInput: it is elsewhere.
    """
    if asked is None:
        return own
    hosts = {request.get_host(), own.split("/")[2]}
    if not url_has_allowed_host_and_scheme(asked, allowed_hosts=hosts):
        raise InvalidInput("The address is not on this site.", field="return_url")
    return asked
