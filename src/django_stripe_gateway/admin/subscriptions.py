"""Admin of subscriptions: read-only, and moved through the services."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from django_stripe_gateway.admin.atomicity import NonAtomicActionsMixin
from django_stripe_gateway.admin.display import EMPTY, display_json, display_money
from django_stripe_gateway.admin.filters import SubscriptionFilter
from django_stripe_gateway.admin.inlines import InvoiceInline, SubscriptionLogInline
from django_stripe_gateway.admin.lists import DatedListMixin
from django_stripe_gateway.admin.moves import Move
from django_stripe_gateway.admin.pages import MovePagesMixin
from django_stripe_gateway.admin.readonly import ReadOnlyAdmin
from django_stripe_gateway.admin.searching import IdSearchMixin, owner_fields
from django_stripe_gateway.admin.selecting import SelectedMovesMixin
from django_stripe_gateway.admin.subscription_moves import SUBSCRIPTION_MOVES
from django_stripe_gateway.models import Customer, Subscription

SECTIONS = (
    (None, "status customer plan price quantity metadata_shown created modified".split()),
    (
        _("Period"),
        "start current_period_start current_period_end trial_start trial_end cancel_at_period_end cancel_at "
        "canceled_at ended_at past_due_since pause_behavior pause_resumes_at has_pending_update".split(),
    ),
    (
        _("Provider"),
        "account livemode subscription_id price_id latest_invoice_id default_payment_method checkout_id".split(),
    ),
)


@admin.register(Subscription)
class SubscriptionAdmin(
    NonAtomicActionsMixin, SelectedMovesMixin, MovePagesMixin, IdSearchMixin, DatedListMixin, ReadOnlyAdmin
):
    """Subscriptions, newest first.

    ``has_cancel_permission`` and its kin decide who may; by default whoever has the permission to change subscriptions.
    """

    moves = SUBSCRIPTION_MOVES
    actions = ("cancel_selected", "end_selected", "resume_selected", "unpause_selected", "sync_selected")
    list_display = (
        "id",
        "created",
        "status",
        "owner",
        "plan",
        "price",
        "quantity",
        "current_period_end",
        "cancel_at_period_end",
        "subscription_id",
    )
    list_filter = ("status", SubscriptionFilter, "plan", "livemode", "created")
    list_select_related = ("customer__owner", "plan", "pricing")
    date_hierarchy = "created"
    search_help_text = _("Id, provider's id (sub_…, cus_…, in_…, cs_…), or the owner's name or e-mail address")
    id_fields = {
        "sub_": ("subscription_id",),
        "cus_": ("customer__customer_id",),
        "in_": ("invoices__invoice_id",),
        "cs_": ("checkout_id",),
    }
    inlines = (InvoiceInline, SubscriptionLogInline)
    fieldsets = [(title, {"fields": tuple(names)}) for title, names in SECTIONS]
    readonly_fields = tuple(name for _title, names in SECTIONS for name in names)

    def _may_move(self, request: HttpRequest) -> bool:
        return request.user.has_perm("django_stripe_gateway.change_subscription")

    def has_cancel_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return whether the user may let subscriptions end with their period."""
        return self._may_move(request)

    def has_end_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return whether the user may end subscriptions at once."""
        return self._may_move(request)

    def has_resume_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return whether the user may take back cancellations."""
        return self._may_move(request)

    def has_unpause_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return whether the user may end pauses."""
        return self._may_move(request)

    def has_sync_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return whether the user may ask the provider and have its answer written."""
        return self._may_move(request)

    @admin.action(
        permissions=["cancel"], description=_("Cancel selected %(verbose_name_plural)s at the end of their periods")
    )
    def cancel_selected(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        """Let them end with their periods."""
        return self.move_selected(request, queryset, SUBSCRIPTION_MOVES["cancel"])

    @admin.action(permissions=["end"], description=_("Cancel selected %(verbose_name_plural)s at once"))
    def end_selected(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        """End them now."""
        return self.move_selected(request, queryset, SUBSCRIPTION_MOVES["end"])

    @admin.action(
        permissions=["resume"], description=_("Take back the cancellation of selected %(verbose_name_plural)s")
    )
    def resume_selected(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        """Let them renew again."""
        return self.move_selected(request, queryset, SUBSCRIPTION_MOVES["resume"])

    @admin.action(permissions=["unpause"], description=_("End the pause of selected %(verbose_name_plural)s"))
    def unpause_selected(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        """Collect money again."""
        return self.move_selected(request, queryset, SUBSCRIPTION_MOVES["unpause"])

    @admin.action(permissions=["sync"], description=_("Ask the provider about selected %(verbose_name_plural)s"))
    def sync_selected(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        """Bring them in step with the provider."""
        return self.move_selected(request, queryset, SUBSCRIPTION_MOVES["sync"])

    def get_search_fields(self, request: HttpRequest) -> Any:
        """Return what is searched for a text: our number, and the owner."""
        model: Any = Customer._meta.get_field("owner").related_model
        return ("pk__exact", *(f"customer__owner__{name}" for name in owner_fields(model)))

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

    def amount_at_stake(self, subject: Any, move: Move) -> str:
        """Return what a period costs."""
        if subject.pricing is None:
            return EMPTY
        return display_money(subject.pricing.amount * subject.quantity, subject.pricing.currency)

    @admin.display(description=_("owner"), ordering="customer__owner")
    def owner(self, subscription: Subscription) -> str:
        """Return whose it is."""
        return str(subscription.customer.owner or EMPTY)

    @admin.display(description=_("price"), ordering="pricing__amount")
    def price(self, subscription: Subscription) -> str:
        """Return what one unit costs."""
        return str(subscription.pricing or EMPTY)

    @admin.display(description=_("metadata"))
    def metadata_shown(self, subscription: Subscription) -> SafeString | str:
        """Return what the host keeps with the subscription."""
        return display_json(subscription.metadata)
