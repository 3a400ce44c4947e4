"""Read gateways and payments."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext as _
from rest_framework.exceptions import NotFound, PermissionDenied
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework.response import Response

from django_stripe_gateway.api.access import check_may, has_permission, may_view, reaches_others
from django_stripe_gateway.api.base import GatewayAPIView, is_key
from django_stripe_gateway.api.openapi.operations import operation
from django_stripe_gateway.api.pagination import NewestFirst, OldestFirst
from django_stripe_gateway.api.payments import examples
from django_stripe_gateway.api.payments.filters import PaymentFilterSerializer, filter_payments, filter_values
from django_stripe_gateway.api.payments.serializers import (
    FeesSerializer,
    GatewaySerializer,
    PaymentLogSerializer,
    PaymentSerializer,
)
from django_stripe_gateway.conf import gateway_settings
from django_stripe_gateway.conf.permissions import ASK_PROVIDER
from django_stripe_gateway.exceptions import WrongState
from django_stripe_gateway.models import AbstractPayment, PaymentGatewayConfig, get_payment_model
from django_stripe_gateway.services.payments.fees import fetch_fees
from django_stripe_gateway.services.payments.guests import opens
from django_stripe_gateway.services.transactions import payments_database


class PaymentView(GatewayAPIView):
    """A view of payments: of the user's own, and for the seller's people of everybody's; others do not exist for it."""

    rate_scope = "payments.read"
    tag = "payments"
    path_serializer = PaymentSerializer

    def own_payments(self) -> QuerySet[Any]:
        """Return the payments of the user who asks."""
        payments: QuerySet[Any] = self._payments().filter(owner_id=self.owner.pk)
        return payments

    def _payments(self) -> QuerySet[Any]:
        payments: QuerySet[Any] = get_payment_model()._default_manager.all()
        if self.request.method not in SAFE_METHODS:
            # A replica may not yet have a payment that was made a moment ago.
            payments = payments.using(payments_database())
        return payments

    def _guests_payments(self) -> QuerySet[Any]:
        """Return the payments of those who had not signed in and have not since."""
        return self._payments().filter(is_guest=True, owner=None)

    def get_payment(self, payment_id: str) -> AbstractPayment:
        """Return a payment on which the user may act.

        Raises:
            NotFound: there is none with this id, or it is out of the user's reach.
            PermissionDenied: this is the seller's to do.
        """
        payment: AbstractPayment | None = None
        if is_key(get_payment_model(), payment_id):
            if not self.is_guest:
                payment = self.own_payments().filter(pk=payment_id).first()
            if payment is None and self.takes_guests and self.guest_token and gateway_settings.guest_payments:
                payment = self._guests_payments().filter(pk=payment_id).first()
                payment = payment if payment is not None and opens(payment, self.guest_token) else None
            if payment is None and reaches_others(self.request, self.action, get_payment_model()):
                payment = self._payments().filter(pk=payment_id).first()
        if payment is None:
            raise NotFound
        self.check_object_permissions(self.request, payment)
        check_may(self.request, self.action)
        return payment


class GatewayListView(GatewayAPIView):
    """The gateways that take payments."""

    rate_scope = "gateways"
    tag = "gateways"
    pagination_class = OldestFirst

    @operation("gateways_list", answer=GatewaySerializer(many=True), examples=examples.LIST_GATEWAYS)
    def get(self, request: Request) -> Response:
        """List the active gateways."""
        return self.page(GatewaySerializer, PaymentGatewayConfig.objects.active())


class PaymentListView(PaymentView):
    """The user's payments."""

    pagination_class = NewestFirst

    @operation(
        "payments_list",
        query=PaymentFilterSerializer,
        answer=PaymentSerializer(many=True),
        examples=examples.LIST_PAYMENTS,
    )
    def get(self, request: Request) -> Response:
        """List your payments, the newest first."""
        wanted = self.validated(PaymentFilterSerializer, filter_values(request.query_params))
        return self.page(PaymentSerializer, filter_payments(self.own_payments(), wanted))


class PaymentDetailView(PaymentView):
    """One payment."""

    takes_guests = True

    @operation("payments_read", answer=PaymentSerializer, examples=examples.READ_PAYMENT)
    def get(self, request: Request, payment_id: str) -> Response:
        """Show a payment."""
        return self.answer(PaymentSerializer, self.get_payment(payment_id), with_receipt_url=True)


class PaymentLogListView(PaymentView):
    """The audit trail of one payment."""

    takes_guests = True
    pagination_class = OldestFirst

    @operation("payments_logs", answer=PaymentLogSerializer(many=True), examples=examples.LIST_LOGS)
    def get(self, request: Request, payment_id: str) -> Response:
        """List what has happened to a payment, the oldest first."""
        return self.page(PaymentLogSerializer, self.get_payment(payment_id).logs.all())


class PaymentFeesView(PaymentView):
    """What the provider keeps of one payment: for the seller."""

    rate_scope = "payments.write"
    calls_provider = True

    @operation("payments_fees", answer=FeesSerializer, errors=(409,), examples=examples.READ_FEES)
    def get(self, request: Request, payment_id: str) -> Response:
        """Show fee and net of a payment, its refunds included.

        Only for the seller's people with the permissions to see payments and to ask the provider, which is asked once.
        """
        payment = self.get_payment(payment_id)
        if not (has_permission(request.user, ASK_PROVIDER) and may_view(request.user, get_payment_model())):
            raise PermissionDenied(_("Only the seller may do this."), code="not_allowed")
        fees = fetch_fees(payment=payment, with_refunds=True)
        if fees is None:
            raise WrongState(_("The provider has not booked this payment yet. Ask again later."), code="not_booked")
        return self.answer(FeesSerializer, fees)
