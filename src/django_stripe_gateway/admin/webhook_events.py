"""Admin of the webhook inbox."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from django_stripe_gateway.admin.actions.report import reported_errors
from django_stripe_gateway.admin.actions.selection import limited_rows
from django_stripe_gateway.admin.base.atomicity import NonAtomicActionsMixin, refuse_inside_transaction
from django_stripe_gateway.admin.base.display import display_json_text, json_column
from django_stripe_gateway.admin.base.lists import DatedChangeList
from django_stripe_gateway.admin.base.readonly import ReadOnlyAdmin
from django_stripe_gateway.choices import WebhookState
from django_stripe_gateway.conf.permissions import REPLAY_EVENT
from django_stripe_gateway.models import WebhookEvent
from django_stripe_gateway.webhooks.inbox.process import oldest_first
from django_stripe_gateway.webhooks.inbox.replay import replay_or_hand_over

FAILED = (WebhookState.FAILED, WebhookState.DEAD)


class EventChangeList(DatedChangeList):
    """A list that leaves the events' bodies in the database."""

    def get_queryset(self, *args: Any, **kwargs: Any) -> Any:
        """Return the events without what the list does not show."""
        return super().get_queryset(*args, **kwargs).defer("body", "headers", "error")


@admin.register(WebhookEvent)
class WebhookEventAdmin(NonAtomicActionsMixin, ReadOnlyAdmin):
    """Events, newest first; their bodies are shown to people who may view events, without secrets."""

    list_display = tuple("event_id received type object_id state attempts variant account_id livemode".split())
    list_filter = ("state", "provider", "livemode", "received", ("account_id", admin.EmptyFieldListFilter))
    date_hierarchy = "received"
    search_fields = (
        *(f"{name}__exact" for name in ("event_id", "account_id", "object_id", "related_id")),
        "type__startswith",
    )
    actions = ("replay_selected",)
    change_list_template = "admin/django_stripe_gateway/event_change_list.html"
    max_events_per_action = 100
    fields = readonly_fields = tuple(
        "event_id provider variant account_id type object_id related_id api_version livemode occurred received state "
        "attempts processed next_attempt leased_until reason error delivery content".split()
    )

    delivery = json_column("headers", _("headers"))

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[EventChangeList]:
        """Return the list that does not load bodies."""
        return EventChangeList

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Show how the inbox stands above the list."""
        stats = WebhookEvent.objects.stats() if self.has_view_permission(request) else None
        return super().changelist_view(request, {"inbox": stats, **(extra_context or {})})

    def has_replay_permission(self, request: HttpRequest) -> bool:
        """Return whether the user may replay events, which can change payments and subscriptions."""
        return request.user.has_perm(REPLAY_EVENT)

    @admin.action(permissions=["replay"], description=_("Replay selected %(verbose_name_plural)s"))
    def replay_selected(self, request: HttpRequest, queryset: QuerySet[WebhookEvent]) -> None:
        """Handle the selected events again, the oldest first."""
        too_many = gettext("Select at most %(count)d events at once.")
        times = queryset.order_by().values_list("pk", "occurred", "received")
        rows = limited_rows(self, request, times, self.max_events_per_action, too_many)
        if not rows or refuse_inside_transaction(self, request):
            return
        done: dict[str, int] = {}
        for pk, *_times in sorted(rows, key=lambda row: oldest_first(*row)):
            with reported_errors(self, request, gettext("Event %(id)s") % {"id": pk}):
                row = replay_or_hand_over(pk)
                state = row.state if row is not None else ""
                done[state] = done.get(state, 0) + 1
        for state, count in done.items():
            self._report(request, state, count)

    def _report(self, request: HttpRequest, state: str, count: int) -> None:
        outcome = WebhookState(state).label if state else gettext("Left alone: a worker is handling it")
        level = messages.ERROR if state in FAILED else messages.SUCCESS if state else messages.WARNING
        self.message_user(request, f"{outcome} ({count})", level)

    @admin.display(description=_("body"))
    def content(self, event: WebhookEvent) -> SafeString | str:
        """Return the event, indented."""
        return display_json_text(event.body)
