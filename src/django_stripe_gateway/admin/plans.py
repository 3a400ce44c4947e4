"""Admin of plans, their prices and limits; an edit is pushed to Stripe when it is committed."""

from __future__ import annotations

import logging
from typing import Any

from django.contrib import admin, messages
from django.db import router, transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from django_stripe_gateway.admin.actions.table import staff_origin
from django_stripe_gateway.admin.base.atomicity import NonAtomicActionsMixin, refuse_inside_transaction
from django_stripe_gateway.admin.plan_forms import PlanForm, PlanLimitForm, PlanPricingForm, PlanPricingFormSet
from django_stripe_gateway.exceptions import GatewayError
from django_stripe_gateway.gateways.registry import bills_subscriptions
from django_stripe_gateway.models import Plan, PlanLimit, PlanPricing
from django_stripe_gateway.services.catalogue.publish import push_plan
from django_stripe_gateway.services.catalogue.rows import lock_plan, store_edited_row
from django_stripe_gateway.services.subscriptions.identify import identify_items

logger = logging.getLogger(__name__)


class PlanPricingInline(admin.StackedInline):  # type: ignore[type-arg]
    """The prices of a plan; they are deactivated, never deleted, because subscriptions keep theirs."""

    model = PlanPricing
    form = PlanPricingForm
    formset = PlanPricingFormSet
    extra = 0
    can_delete = False
    readonly_fields = ("livemode", "account_id", "stripe_price_id", "stripe_product_id", "meter_id")
    fieldsets = (
        (None, {"fields": (("amount", "currency"), ("interval", "interval_count"), ("trial_days", "is_per_seat"))}),
        (
            gettext_lazy("Who can have it"),
            {"fields": (("is_active", "is_public"), ("is_default", "may_be_added"), "lookup_key")},
        ),
        (gettext_lazy("Charged by use"), {"fields": (("usage_type", "metric"),)}),
        (gettext_lazy("At the provider"), {"fields": ("variant", readonly_fields)}),
    )


class PlanLimitInline(admin.TabularInline):  # type: ignore[type-arg]
    """What a plan allows."""

    model = PlanLimit
    form = PlanLimitForm
    extra = 0
    fields = PlanLimitForm.Meta.fields


@admin.register(Plan)
class PlanAdmin(NonAtomicActionsMixin, admin.ModelAdmin):  # type: ignore[type-arg]
    """Plans with their prices and limits."""

    form = PlanForm
    inlines = (PlanPricingInline, PlanLimitInline)
    list_display = ("name", "slug", "prices", "auto_renew", "is_default", "is_add_on", "is_active", "position")
    list_filter = ("is_active", "is_add_on", "auto_renew")
    search_fields = ("name", "slug", "description")
    actions = ("push_selected",)
    fieldsets = (
        (None, {"fields": ("name", "slug", "description")}),
        (
            gettext_lazy("How it is sold"),
            {"fields": (("is_active", "is_default", "is_add_on"), "auto_renew", "position")},
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Bring the prices along."""
        return super().get_queryset(request).prefetch_related("pricing__replaced_by")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Keep a plan's key: code and the product at Stripe know it by that."""
        return ("slug",) if obj is not None else ()

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Let nobody delete a plan that has prices: Stripe may be selling it."""
        may_delete = super().has_delete_permission(request, obj)
        return may_delete and obj is not None and not obj.pricing.exists()

    @admin.display(description=gettext_lazy("prices"))
    def prices(self, plan: Plan) -> str:
        """Return what is on sale to everybody."""
        return ", ".join(str(row) for row in plan.pricing.all() if row.is_sold and row.is_public) or "-"

    def save_model(self, request: HttpRequest, obj: Plan, form: Any, change: bool) -> None:
        """Write what was edited, and not what a push has written meanwhile."""
        if change:
            obj.save(update_fields=[*form.changed_data, "modified"])
        else:
            obj.save()

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        """Write edited prices; one with other terms than those at Stripe is replaced."""
        if formset.model is not PlanPricing:
            super().save_formset(request, form, formset, change)
            return
        lock_plan(form.instance.pk)
        for row in formset.save(commit=False):
            store_edited_row(row, PlanPricingForm.Meta.fields)
        formset.save_m2m()

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Write everything, and push it to Stripe once it is committed."""
        super().save_related(request, form, formsets, change)
        using = router.db_for_write(Plan)
        # Whatever becomes of the push: a plan that is an add-on now is nobody's plan any more.
        transaction.on_commit(identify_items, using=using, robust=True)
        transaction.on_commit(lambda: self.push(request, form.instance), using=using)

    @admin.action(description=gettext_lazy("Tell Stripe about the selected plans"), permissions=["change"])
    def push_selected(self, request: HttpRequest, queryset: QuerySet[Plan]) -> None:
        """Push plans, for example after Stripe could not be reached."""
        if refuse_inside_transaction(self, request):
            return
        for plan in queryset:
            if not self.push(request, plan):
                text = _("%(plan)s: nothing was to be changed at Stripe.") % {"plan": plan}
                self.message_user(request, text, messages.INFO)

    def push(self, request: HttpRequest, plan: Plan) -> bool:
        """Push a plan to the account of every variant that sells it; the edit is stored, whatever becomes of that.

        Returns:
            Whether there was something to say.
        """
        is_told = False
        variants = PlanPricing.objects.filter(plan=plan).order_by("variant").values_list("variant", flat=True)
        for variant in filter(bills_subscriptions, variants.distinct()):
            steps, problem = [], ""
            try:
                steps = push_plan(plan=plan, variant=variant, origin=staff_origin(request))
            except GatewayError as error:
                logger.warning("Plan %s was not pushed to variant %s: %s.", plan.pk, variant, error.code)
                problem = error.detail
            except Exception:
                logger.exception("Plan %s was not pushed to variant %s.", plan.pk, variant)
                problem = _("It failed unexpectedly; the log says why.")
            if problem:
                text = _("%(plan)s is stored, but Stripe was not told everything: %(detail)s Run “sync_plans --push”.")
                self.message_user(request, text % {"plan": plan, "detail": problem}, messages.WARNING)
                is_told = True
            elif steps:
                text = ngettext("%(count)d change made at Stripe.", "%(count)d changes made at Stripe.", len(steps))
                self.message_user(request, text % {"count": len(steps)}, messages.SUCCESS)
                is_told = True
        return is_told
