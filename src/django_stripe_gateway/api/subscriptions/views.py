"""Read plans, subscriptions and invoices."""

from __future__ import annotations

from typing import TypeVar

from django.db.models import Model, Prefetch, QuerySet
from django.utils.translation import gettext as _
from rest_framework.exceptions import NotAuthenticated, NotFound, PermissionDenied
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework.response import Response

from django_stripe_gateway.api.access import check_may, has_permission, may, reaches_others
from django_stripe_gateway.api.base import GatewayAPIView
from django_stripe_gateway.api.openapi.operations import operation
from django_stripe_gateway.api.owners import OwnerView
from django_stripe_gateway.api.pagination import NewestFirst, OldestFirst
from django_stripe_gateway.api.subscriptions import examples
from django_stripe_gateway.api.subscriptions.invoice_serializers import InvoiceSerializer
from django_stripe_gateway.api.subscriptions.serializers import (
    ADD_ON,
    PlanFilterSerializer,
    PlanSerializer,
    SubscriptionSerializer,
)
from django_stripe_gateway.conf.permissions import CHANGE_TERMS
from django_stripe_gateway.models import Customer, Invoice, Plan, PlanPricing, Subscription, SubscriptionItem
from django_stripe_gateway.models.subscriptions import SubscriptionQuerySet
from django_stripe_gateway.services.accounts import verify_account
from django_stripe_gateway.services.subscriptions.customers import billing_variant, customer_row
from django_stripe_gateway.services.subscriptions.prices import named_pricing
from django_stripe_gateway.services.transactions import payments_database

M = TypeVar("M", bound=Model)


class BillingView(OwnerView):
    """A view of what the request's owner is billed for, and for the seller's people of what everybody is.

    What is out of the user's reach does not exist for it.
    """

    rate_scope = "subscriptions.read"
    tag = "subscriptions"

    def own_subscriptions(self) -> QuerySet[Subscription]:
        """Return the owner's subscriptions with all that is shown of them."""
        return with_all_that_is_shown(Subscription.objects.for_owner(self.billed_owner))

    def in_reach(self, rows: QuerySet[M], owner: str) -> M:
        """Return the only one of ``rows``, if the user may act on it.

        Args:
            owner: the look-up of whose it is.

        Raises:
            NotAuthenticated: the user speaks for nobody, and has no permission either.
            NotFound: there is none, or it is out of the user's reach.
            PermissionDenied: this is the seller's to do.
        """
        billed = self.billed_owner_or_none
        found = None if billed is None else rows.filter(**{owner: billed}).first()
        if found is None and reaches_others(self.request, self.action, rows.model):
            found = rows.first()
        if found is None:
            raise NotAuthenticated if billed is None else NotFound
        check_may(self.request, self.action)
        return found

    def get_subscription(self, subscription_id: str) -> Subscription:
        """Return a subscription on which the user may act.

        Raises:
            NotFound: there is none with this id, or it is out of the user's reach.
            PermissionDenied: this is the seller's to do.
        """
        subscription = self.reach_subscription(subscription_id)
        if self.request.method not in SAFE_METHODS:
            verify_account(subscription)
        return subscription

    def reach_subscription(self, subscription_id: str) -> Subscription:
        """The same, also where it is of another account than the one that is in use."""
        rows = with_all_that_is_shown(Subscription.objects.filter(provider_id=subscription_id))
        subscription = self.in_reach(rows, "customer__owner")
        self.check_object_permissions(self.request, subscription)
        return subscription

    def get_add_on(self, pricing_id: int, *, variant: str) -> PlanPricing:
        """Return a price that the user may put beside a plan, or change there.

        Raises:
            InvalidInput: there is no such price.
            PermissionDenied: customers may not add it.
        """
        is_public = not has_permission(self.request.user, CHANGE_TERMS)
        pricing = named_pricing(variant=variant, pricing_pk=pricing_id, is_public=is_public)
        self.check_may_add(pricing)
        return pricing

    def check_may_add(self, pricing: PlanPricing | None) -> None:
        """Raise ``PermissionDenied`` unless the user may add, change and remove what has this price."""
        if (pricing is None or not pricing.may_be_added) and not may(self.request.user, "any_item"):
            raise PermissionDenied(_("Only the seller adds, changes or removes this."), code="not_allowed")

    def find_customer(self) -> Customer | None:
        """Return the owner's customer in the selling account, ``None`` for whoever is none yet."""
        rows = Customer.objects.using(payments_database()).for_owner(self.billed_owner)
        return rows.filter(variant=billing_variant()).current().first()

    def customer(self) -> Customer:
        """Return the owner's customer in the selling account; the provider may not know it yet."""
        return customer_row(self.billed_owner, billing_variant())


def with_all_that_is_shown(rows: SubscriptionQuerySet) -> QuerySet[Subscription]:
    """Return subscriptions along with all that is shown of them."""
    items = Prefetch("items", SubscriptionItem.objects.select_related("pricing"))
    related = ("customer", "plan", "pricing__plan", "scheduled_pricing__plan")
    limits = ("plan__limits", "scheduled_pricing__plan__limits")
    return rows.using(payments_database()).select_related(*related).prefetch_related(*limits, items)


class PlanListView(GatewayAPIView):
    """The plans that are for sale."""

    rate_scope = "subscriptions.plans"
    # A page with prices is the first that a visitor sees.
    is_public = True
    tag = "subscriptions"
    pagination_class = OldestFirst

    @operation("plans_list", query=PlanFilterSerializer, answer=PlanSerializer(many=True), examples=examples.LIST_PLANS)
    def get(self, request: Request) -> Response:
        """List the plans that are for sale, with their prices and limits.

        With ``kind=add_on`` it lists the add-ons, which are sold beside a plan.
        """
        wanted = self.validated(PlanFilterSerializer, request.query_params.dict())
        plans = Plan.objects.offered(billing_variant()).filter(is_add_on=wanted["kind"] == ADD_ON)
        sold = PlanPricing.objects.on_sale().filter(variant=billing_variant())
        return self.page(PlanSerializer, plans.prefetch_related(Prefetch("pricing", sold, to_attr="sold"), "limits"))


class SubscriptionStatusView(BillingView):
    """The owner's subscriptions."""

    pagination_class = NewestFirst

    @operation("subscriptions_status", answer=SubscriptionSerializer(many=True), examples=examples.LIST_SUBSCRIPTIONS)
    def get(self, request: Request) -> Response:
        """List your subscriptions, the newest first."""
        return self.page(SubscriptionSerializer, self.own_subscriptions())


class InvoiceListView(BillingView):
    """The owner's invoices."""

    rate_scope = "invoices.read"
    pagination_class = NewestFirst

    @operation("invoices_list", answer=InvoiceSerializer(many=True), examples=examples.LIST_INVOICES)
    def get(self, request: Request) -> Response:
        """List your invoices, the newest first.

        Drafts are not shown.
        """
        invoices = Invoice.objects.for_owner(self.billed_owner).shown().select_related("subscription")
        invoices = invoices.prefetch_related("refunds", "credit_notes", "disputes")
        return self.page(InvoiceSerializer, invoices)
