"""Admin of sellers' accounts, whose owners' details are at the provider alone."""

from __future__ import annotations

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from django_stripe_gateway.admin.actions import ActionsMixin
from django_stripe_gateway.admin.actions.connected_accounts import CONNECTED_ACCOUNT_ACTIONS
from django_stripe_gateway.admin.base.readonly import ReadOnlyAdmin
from django_stripe_gateway.admin.base.search import IdSearchMixin
from django_stripe_gateway.models import ConnectedAccount


@admin.register(ConnectedAccount)
class ConnectedAccountAdmin(ActionsMixin, IdSearchMixin, ReadOnlyAdmin):
    """Accounts, newest first."""

    action_table = CONNECTED_ACCOUNT_ACTIONS
    list_display = tuple(
        "id created owner provider_id variant country charges_enabled payouts_enabled disabled_reason".split()
    )
    list_filter = ("charges_enabled", "payouts_enabled", "livemode", ("deauthorized", admin.EmptyFieldListFilter))
    list_select_related = ("owner",)
    date_hierarchy = "created"
    search_fields = ("pk__exact", "owner")
    search_help_text = _("Id, provider's id (acct_…), or the owner's name or e-mail address")
    id_fields = {"acct_": ("provider_id",)}
    fields = readonly_fields = tuple(
        "owner variant provider_id country default_currency charges_enabled payouts_enabled details_submitted "
        "currently_due disabled_reason deauthorized livemode account_id created modified".split()
    )
