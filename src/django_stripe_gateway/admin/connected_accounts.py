"""Admin of sellers' accounts, whose owners' details are at the provider alone."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from django_stripe_gateway.admin.actions import ActionsMixin
from django_stripe_gateway.admin.actions.connected_accounts import CONNECTED_ACCOUNT_ACTIONS
from django_stripe_gateway.admin.base.display import EMPTY
from django_stripe_gateway.admin.base.readonly import ReadOnlyAdmin
from django_stripe_gateway.admin.base.search import IdSearchMixin
from django_stripe_gateway.models import ConnectedAccount


@admin.register(ConnectedAccount)
class ConnectedAccountAdmin(ActionsMixin, IdSearchMixin, ReadOnlyAdmin):
    """Accounts, newest first."""

    action_table = CONNECTED_ACCOUNT_ACTIONS
    list_display = tuple(
        "id owner provider_id charges_enabled payouts_enabled disabled_reason country variant created".split()
    )
    list_filter = ("charges_enabled", "payouts_enabled", "livemode", ("deauthorized", admin.EmptyFieldListFilter))
    list_select_related = ("owner",)
    date_hierarchy = "created"
    search_fields = ("pk__exact", "owner")
    search_help_text = _("Id, provider's id (acct_…), or the owner's name or e-mail address")
    id_fields = {"acct_": ("provider_id",)}
    fields = readonly_fields = tuple(
        "owner variant provider_id country default_currency charges_enabled payouts_enabled details_submitted "
        "currently_due disabled_reason deauthorized livemode platform created modified".split()
    )

    @admin.display(description=_("account of the platform"), ordering="account_id")
    def platform(self, account: ConnectedAccount) -> str:
        """Return whose the account is; ``provider_id`` is the account's own."""
        return account.account_id or EMPTY

    def status_label(self, subject: Any) -> str:
        """Return whether payments can be taken for the seller."""
        return gettext("takes payments") if subject.is_payable else gettext("takes no payments")

    def facts(self, subject: Any) -> list[tuple[Any, Any]]:
        """Return whose account it is, and what the provider wants to know."""
        due = ", ".join(subject.currently_due) or EMPTY
        return [*super().facts(subject), (gettext("owner"), subject.owner or EMPTY), (gettext("due now"), due)]
