"""Admin of the e-mails to customers: what was sent, and what was not."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.utils import display_for_value
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from django_stripe_gateway.admin.base.display import EMPTY, json_column
from django_stripe_gateway.admin.base.readonly import ReadOnlyAdmin
from django_stripe_gateway.choices import MailState
from django_stripe_gateway.models import MailMessage
from django_stripe_gateway.services.mails.send import send_again, stored_mails

SEND_AGAIN = "django_stripe_gateway.send_mail_again"


@admin.register(MailMessage)
class MailMessageAdmin(ReadOnlyAdmin):
    """The outbox, newest first."""

    list_display = ("id", "queued", "kind", "recipient", "state", "attempts", "error", "sent")
    list_filter = ("state", "kind", "language", "queued")
    search_fields = (
        "key__exact",
        "recipient__iexact",
        "customer__provider_id__exact",
        "subscription__provider_id__exact",
        "invoice__provider_id__exact",
    )
    list_select_related = ()
    actions = ("send_again_selected",)
    fields = readonly_fields = tuple(
        "kind key state recipient language payment customer subscription invoice values attempts next_time error "
        "queued sent created".split()
    )
    values = json_column("data", _("data"))

    @admin.display(description=_("next attempt"), ordering="next_attempt")
    def next_time(self, mail: MailMessage) -> str:
        """Return when it is tried next; for one that is not, the field holds what is left of its last attempt."""
        return display_for_value(mail.next_attempt if mail.state == MailState.PENDING else None, EMPTY)

    def has_again_permission(self, request: HttpRequest) -> bool:
        """Return whether the user may let an e-mail be sent that may have arrived."""
        return request.user.has_perm(SEND_AGAIN)

    @admin.action(permissions=["again"], description=_("Send selected %(verbose_name_plural)s again"))
    def send_again_selected(self, request: HttpRequest, queryset: QuerySet[MailMessage]) -> None:
        """Take up again what was given up, or of which nobody knows; ``send_mails`` sends it."""
        pks: list[Any] = list(queryset.values_list("pk", flat=True))
        count = send_again(stored_mails().filter(pk__in=pks))
        level = messages.SUCCESS if count else messages.WARNING
        self.message_user(request, gettext("%(count)d will be sent again.") % {"count": count}, level)
