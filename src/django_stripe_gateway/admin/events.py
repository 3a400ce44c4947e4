"""Admin of the webhook inbox."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from django_stripe_gateway.admin.display import display_json, display_json_text
from django_stripe_gateway.admin.lists import DatedChangeList
from django_stripe_gateway.admin.readonly import ReadOnlyAdmin
from django_stripe_gateway.models import WebhookEvent


class EventChangeList(DatedChangeList):
    """A list that leaves the events' bodies in the database."""

    def get_queryset(self, *args: Any, **kwargs: Any) -> Any:
        """Return the events without what the list does not show."""
        return super().get_queryset(*args, **kwargs).defer("body", "headers", "error")


@admin.register(WebhookEvent)
class WebhookEventAdmin(ReadOnlyAdmin):
    """Events, newest first; their bodies are shown to people who may view events, without secrets."""

    list_display = ("event_id", "received", "type", "object_id", "state", "attempts", "account", "livemode")
    list_filter = ("state", "provider", "livemode", "received")
    date_hierarchy = "received"
    search_fields = ("event_id__exact", "object_id__exact", "type__startswith")
    fields = readonly_fields = (
        "event_id",
        "provider",
        "account",
        "type",
        "object_id",
        "api_version",
        "livemode",
        "occurred",
        "received",
        "state",
        "attempts",
        "processed",
        "error",
        "delivery",
        "content",
    )

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[EventChangeList]:
        """Return the list that does not load bodies."""
        return EventChangeList

    @admin.display(description=_("body"))
    def content(self, event: WebhookEvent) -> SafeString | str:
        """Return the event, indented."""
        return display_json_text(event.body)

    @admin.display(description=_("headers"))
    def delivery(self, event: WebhookEvent) -> SafeString | str:
        """Return the headers that were kept of the delivery."""
        return display_json(event.headers)
