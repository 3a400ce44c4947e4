"""What a subscription is charged beside its plan: add-ons, and what a meter counts."""

from __future__ import annotations

from rest_framework.request import Request
from rest_framework.response import Response

from django_stripe_gateway.api.base import NothingSerializer
from django_stripe_gateway.api.idempotency import idempotent
from django_stripe_gateway.api.openapi.operations import operation
from django_stripe_gateway.api.pagination import OnlyPage
from django_stripe_gateway.api.subscriptions import examples
from django_stripe_gateway.api.subscriptions.actions import BillingActionView
from django_stripe_gateway.api.subscriptions.serializers import (
    AddItemSerializer,
    ChangeItemSerializer,
    SubscriptionIdSerializer,
    SubscriptionItemSerializer,
    SubscriptionSerializer,
)
from django_stripe_gateway.api.subscriptions.views import with_all_that_is_shown
from django_stripe_gateway.models import Subscription, SubscriptionItem
from django_stripe_gateway.services.subscriptions.add_items import add_item, change_item, remove_item
from django_stripe_gateway.services.transactions import payments_database


class ItemActionView(BillingActionView):
    """A view of the items of the owner's subscriptions."""

    action = "change_items"
    rate_scope = "subscriptions.items"


class ItemListView(ItemActionView):
    """The items of one subscription."""

    pagination_class = OnlyPage

    @operation(
        "subscriptions_items",
        answer=SubscriptionItemSerializer(many=True),
        query=SubscriptionIdSerializer,
        errors=(400, 404),
        examples=examples.LIST_ITEMS,
    )
    def get(self, request: Request) -> Response:
        """List what a subscription is charged, its plan among it."""
        values = self.validated(SubscriptionIdSerializer, request.query_params)
        subscription = self.get_subscription(values["subscription_id"])
        return self.page(SubscriptionItemSerializer, subscription.items.all())

    @operation(
        "subscriptions_add_item",
        request=AddItemSerializer,
        answer=SubscriptionSerializer,
        status=201,
        errors=(402, 404),
        examples=examples.ADD_ITEM,
    )
    @idempotent
    def post(self, request: Request, *, idempotency_key: str | None) -> Response:
        """Add to a running subscription what is charged beside its plan.

        The answer is the subscription. While it has `has_pending_update`, the item waits for its payment.
        """
        values = self.validated(AddItemSerializer, request.data)
        subscription = self.get_subscription(values["subscription_id"])
        pricing = self.get_add_on(values["pricing_id"], variant=subscription.variant)
        changed = add_item(
            subscription=subscription,
            pricing=pricing,
            quantity=values["quantity"],
            idempotency_key=idempotency_key,
            origin=self.origin,
        )
        return self.shown(changed, status=201)


class ItemView(ItemActionView):
    """One item of one of the owner's subscriptions."""

    path_serializer = SubscriptionItemSerializer

    @operation(
        "subscriptions_change_item",
        request=ChangeItemSerializer,
        answer=SubscriptionSerializer,
        errors=(402,),
        examples=examples.CHANGE_ITEM,
    )
    @idempotent
    def post(self, request: Request, item_id: str, *, idempotency_key: str | None) -> Response:
        """Change the quantity or the price of what is charged beside the plan.

        The plan itself has `subscriptions/change/`.
        """
        item = self.get_item(item_id)
        values = self.validated(ChangeItemSerializer, request.data)
        pricing_id = values.pop("pricing_id", None)
        if pricing_id is not None:
            values["pricing"] = self.get_add_on(pricing_id, variant=item.subscription.variant)
        return self.shown(change_item(item=item, idempotency_key=idempotency_key, origin=self.origin, **values))

    @operation("subscriptions_remove_item", answer=SubscriptionSerializer, examples=examples.REMOVE_ITEM)
    @idempotent
    def delete(self, request: Request, item_id: str, *, idempotency_key: str | None) -> Response:
        """Remove what is charged beside the plan.

        The plan itself has `subscriptions/cancel/`.
        """
        item = self.get_item(item_id)
        self.validated(NothingSerializer, request.data)
        return self.shown(remove_item(item=item, idempotency_key=idempotency_key, origin=self.origin))

    def get_item(self, item_id: str) -> SubscriptionItem:
        """Return an item that the user may change.

        Raises:
            NotFound: there is none with this id, or it is out of the user's reach.
            PermissionDenied: it is the seller's to change.
        """
        rows = SubscriptionItem.objects.using(payments_database()).select_related("pricing", "plan")
        item = self.in_reach(rows.filter(provider_id=item_id), "subscription__customer__owner")
        item.subscription = with_all_that_is_shown(Subscription.objects.filter(pk=item.subscription_id)).get()
        self.check_object_permissions(self.request, item.subscription)
        if item.provider_id != item.subscription.item_id:
            self.check_may_add(item.pricing)
        return item
