"""Admin of usage: what was counted is read-only, what staff may give is not."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from django_stripe_gateway.admin.base.display import EMPTY, json_column
from django_stripe_gateway.admin.base.readonly import ReadOnlyAdmin
from django_stripe_gateway.models import (
    LimitOverride,
    MeterEvent,
    UsageCounter,
    UsageGrant,
    UsageRecord,
    UsageReservation,
)
from django_stripe_gateway.services.usage.entitlements import entitlements_of
from django_stripe_gateway.services.usage.periods import local_day

DAYS_SHOWN = 30


class GoesWithOwnerAdmin(ReadOnlyAdmin):
    """Rows that nobody deletes, and that hold no owner back who is deleted."""

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse on this model's own pages; agree where an owner is deleted with all that is theirs."""
        match = request.resolver_match
        return match is not None and self.opts.model_name not in (match.url_name or "").split("_")


@admin.register(UsageCounter)
class UsageCounterAdmin(GoesWithOwnerAdmin):
    """What owners have used, the newest period first; a counter's page shows its owner's limit and last days."""

    list_display = ("id", "owner", "metric", "period", "starts", "used", "reserved", "extra")
    list_filter = ("metric", "period")
    list_select_related = ("owner",)
    search_fields = ("owner__pk__exact", "metric__exact", "period_key__exact")
    fields = readonly_fields = tuple(
        "owner metric period_key starts ends used reserved extra modified limit_now last_days".split()
    )

    @admin.display(description=_("limit now"))
    def limit_now(self, counter: UsageCounter) -> SafeString | str:
        """Return what the owner's plan allows of the metric at this moment."""
        allowance = entitlements_of(counter.owner).allowances.get(counter.metric)
        if allowance is None:
            return EMPTY
        if allowance.limit is None:
            return str(_("no limit; %(used)d used") % {"used": allowance.used})
        text = _("%(used)d of %(limit)d used, %(remaining)d left") % {
            "used": allowance.used,
            "limit": allowance.limit,
            "remaining": allowance.remaining,
        }
        return _bar(allowance.used, allowance.limit, str(text))

    @admin.display(description=_("last days"))
    def last_days(self, counter: UsageCounter) -> SafeString:
        """Return what was used of the metric on each of the last days."""
        entitlements = entitlements_of(counter.owner)
        today = local_day(entitlements.now, entitlements.zone)
        records = UsageRecord.objects.for_owner(counter.owner)
        history = records.per_day(counter.metric, today - timedelta(days=DAYS_SHOWN - 1), today)
        most = max(history.values())
        days = ((day.isoformat(), _bar(used, most, str(used))) for day, used in history.items())
        return format_html("<table>{}</table>", format_html_join("", "<tr><th>{}</th><td>{}</td></tr>", days))


@admin.register(UsageRecord)
class UsageRecordAdmin(ReadOnlyAdmin):
    """The ledger, newest first."""

    list_display = ("id", "created", "owner", "metric", "kind", "quantity", "period_key")
    list_filter = ("metric", "kind")
    list_select_related = ("owner",)
    search_fields = ("owner__pk__exact", "metric__exact")
    fields = readonly_fields = tuple(
        "owner metric kind quantity period_key day created awaits_meter meter_event".split()
    )


@admin.register(UsageReservation)
class UsageReservationAdmin(GoesWithOwnerAdmin):
    """Reservations, newest first."""

    list_display = ("id", "created", "owner", "metric", "quantity", "used", "state", "expires")
    list_filter = ("state", "metric")
    list_select_related = ("owner",)
    search_fields = ("pk__exact", "owner__pk__exact", "metric__exact")
    fields = readonly_fields = ("owner", "metric", "quantity", "used", "state", "expires", "created", "modified")


@admin.register(MeterEvent)
class MeterEventAdmin(ReadOnlyAdmin):
    """What was reported to the provider's meters, newest first."""

    list_display = ("id", "created", "customer", "event_name", "value", "state", "attempts")
    list_filter = ("state", "event_name")
    list_select_related = ("customer",)
    search_fields = ("identifier__exact", "customer__provider_id__exact")
    fields = readonly_fields = tuple(
        "customer metric event_name value identifier occurred state attempts problem created modified".split()
    )
    problem = json_column("error", _("error"))


class GivenAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """What staff give to one owner."""

    raw_id_fields = ("owner",)
    list_select_related = ("owner",)
    list_filter = ("metric",)
    search_fields = ("owner__pk__exact", "metric__exact")

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Write what the form has changed, and nothing that was counted since it was opened."""
        if change:
            obj.save(update_fields=form.changed_data)
        else:
            super().save_model(request, obj, form, change)


@admin.register(LimitOverride)
class LimitOverrideAdmin(GivenAdmin):
    """Limits of single owners."""

    list_display = ("id", "owner", "metric", "limit", "period", "expires", "note")
    fields = ("owner", "metric", "limit", "period", "expires", "note")


@admin.register(UsageGrant)
class UsageGrantAdmin(GivenAdmin):
    """Units given once."""

    list_display = ("id", "owner", "metric", "quantity", "drawn", "expires", "note")
    fields = ("owner", "metric", "quantity", "drawn", "expires", "note")
    readonly_fields = ("drawn",)

    def get_readonly_fields(self, request: HttpRequest, obj: UsageGrant | None = None) -> tuple[str, ...]:
        """Let nobody turn a grant that may have been drawn on into another's."""
        return ("drawn",) if obj is None else ("drawn", "owner", "metric")

    def get_queryset(self, request: HttpRequest) -> QuerySet[UsageGrant]:
        """Return the grants, newest first."""
        return super().get_queryset(request).order_by("-id")


def _bar(value: int, most: int, text: str) -> SafeString:
    return format_html('<progress value="{}" max="{}"></progress> {}', value, max(most, 1), text)
