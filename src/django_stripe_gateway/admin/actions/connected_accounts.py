"""What staff can do to a seller's account."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from django_stripe_gateway.admin.actions.table import Action, ActionRequest
from django_stripe_gateway.conf.permissions import ASK_PROVIDER
from django_stripe_gateway.services.connect.sync import sync_connected_account


def _sync(account: Any, asked: ActionRequest) -> str:
    current = sync_connected_account(account=account)
    return _("takes payments.") if current.is_payable else _("takes no payments.")


CONNECTED_ACCOUNT_ACTIONS = (
    Action(
        name="sync",
        permission=ASK_PROVIDER,
        label=gettext_lazy("Ask the provider"),
        label_all=gettext_lazy("Ask the provider about selected %(verbose_name_plural)s"),
        run=_sync,
        is_possible=lambda account: bool(account.provider_id),
        question=gettext_lazy("Ask the provider how this account stands?"),
    ),
)
