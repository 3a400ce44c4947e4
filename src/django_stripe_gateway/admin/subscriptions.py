"""Admin of subscriptions: read-only, and changed through the services."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from django_stripe_gateway.admin.actions import ActionsMixin
from django_stripe_gateway.admin.actions.subscriptions import SUBSCRIPTION_ACTIONS
from django_stripe_gateway.admin.base.display import EMPTY, json_column
from django_stripe_gateway.admin.base.filters import SubscriptionFilter
from django_stripe_gateway.admin.base.ownerless import OwnerlessWarningMixin
from django_stripe_gateway.admin.base.readonly import ReadOnlyAdmin, ReadOnlyInline, may_change
from django_stripe_gateway.admin.base.search import IdSearchMixin
from django_stripe_gateway.admin.invoices import InvoiceInline
from django_stripe_gateway.admin.logs import SubscriptionLogInline
from django_stripe_gateway.models import Subscription, SubscriptionItem
from django_stripe_gateway.money import display_amount

SECTIONS = (
    (None, "status customer plan price quantity metadata_shown created modified".split()),
    (
        _("Period"),
        "start current_period_start current_period_end trial_start trial_end cancel_at_period_end cancel_at "
        "fixed_end canceled_at ended_at cancellation_feedback cancellation_comment cancellation_reason "
        "past_due_since late_payment_under_way first_paid_at paid_until was_paused pause_behavior pause_resumes_at "
        "has_pending_update".split(),
    ),
    (_("Scheduled change"), "scheduled_change_at scheduled_pricing scheduled_quantity schedule_id".split()),
    (_("Terms"), "collection_method days_until_due trial_end_behavior discounts_shown".split()),
    (
        _("Provider"),
        "variant livemode account_id lost given_up provider_id price_id latest_invoice_id default_payment_method "
        "checkout_id".split(),
    ),
)


class SubscriptionItemInline(ReadOnlyInline):
    """What a subscription is charged: its plan, and what stands beside it."""

    model = SubscriptionItem
    fields = readonly_fields = ("kind", "plan", "charged", "quantity", "current_period_end", "provider_id", "price_id")
    show_change_link = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Bring plans and prices along."""
        return super().get_queryset(request).select_related("plan", "pricing")

    @admin.display(description=_("price"))
    def charged(self, item: SubscriptionItem) -> str:
        """Return what one unit costs, also at a price that is not of this site."""
        if (item.pricing is None or item.is_in_other_currency) and item.amount is not None:
            return display_amount(item.amount, item.currency)
        if item.is_in_other_currency:
            return item.currency
        return str(item.pricing or EMPTY)


@admin.register(Subscription)
class SubscriptionAdmin(ActionsMixin, OwnerlessWarningMixin, IdSearchMixin, ReadOnlyAdmin):
    """Subscriptions, newest first.

    ``has_cancel_permission`` and its kin decide who may change them; by default whoever has the permission with which
    staff do the same in the API.
    """

    action_table = SUBSCRIPTION_ACTIONS
    list_display = tuple(
        "id created status owner plan price quantity current_period_end cancel_at_period_end provider_id".split()
    )
    list_filter = ("status", SubscriptionFilter, "plan", "livemode", "created")
    list_select_related = ("customer__owner", "plan", "pricing")
    date_hierarchy = "created"
    search_fields = ("pk__exact", "customer__owner")
    search_help_text = _("Id, provider's id (sub_…, cus_…, in_…, cs_…), or the owner's name or e-mail address")
    id_fields = {
        "sub_": ("provider_id",),
        "cus_": ("customer__provider_id",),
        "in_": ("invoices__provider_id",),
        "cs_": ("checkout_id",),
    }
    inlines = (SubscriptionItemInline, InvoiceInline, SubscriptionLogInline)
    fieldsets = [(title, {"fields": tuple(names)}) for title, names in SECTIONS]
    readonly_fields = tuple(name for _title, names in SECTIONS for name in names)

    metadata_shown = json_column("metadata", _("metadata"))
    discounts_shown = json_column("discounts", _("discounts"))

    def may_act(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return whether the user may do a host's own action: who has the permission to change subscriptions."""
        return may_change(request, Subscription)

    def facts(self, subject: Any) -> list[tuple[Any, Any]]:
        """Return what the subscription is and costs."""
        return [
            *super().facts(subject),
            (_("Plan"), subject.plan or EMPTY),
            (_("Price"), self.price(subject)),
            (_("Period ends"), subject.current_period_end or EMPTY),
        ]

    def row_label(self, subject: Any) -> str:
        """Return the subscription's number and plan."""
        return f"{subject.pk} ({subject.plan})" if subject.plan else str(subject.pk)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Bring along what each is charged."""
        return super().get_queryset(request).prefetch_related("items")

    @admin.display(description=_("owner"), ordering="customer__owner")
    def owner(self, subscription: Subscription) -> str:
        """Return whose it is."""
        return str(subscription.customer.owner or EMPTY)

    @admin.display(description=_("price"), ordering="pricing__amount")
    def price(self, subscription: Subscription) -> str:
        """Return what one unit costs, or in which currency where it is another than the catalogue says."""
        pricing = subscription.pricing
        if pricing is not None and subscription.currency != pricing.currency:
            return subscription.currency
        return str(pricing or EMPTY)


class SubscriptionInline(ReadOnlyInline):
    """The subscriptions of a customer."""

    model = Subscription
    fields = readonly_fields = ("provider_id", "plan", "status", "quantity", "current_period_end")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Bring the plans along."""
        return super().get_queryset(request).select_related("plan")
