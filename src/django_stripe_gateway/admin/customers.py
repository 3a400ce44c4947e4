"""Admin of customers; the owner's details are with the owner and at the provider."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from django_stripe_gateway.admin.actions.customers import CUSTOMER_ACTIONS
from django_stripe_gateway.admin.actions.pages import ActionPagesMixin
from django_stripe_gateway.admin.base.atomicity import NonAtomicActionsMixin
from django_stripe_gateway.admin.base.display import EMPTY
from django_stripe_gateway.admin.base.filters import OwnerlessFilter
from django_stripe_gateway.admin.base.ownerless import OwnerlessWarningMixin
from django_stripe_gateway.admin.base.readonly import ReadOnlyAdmin
from django_stripe_gateway.admin.base.search import IdSearchMixin
from django_stripe_gateway.admin.subscriptions import SubscriptionInline
from django_stripe_gateway.models import Customer


@admin.register(Customer)
class CustomerAdmin(NonAtomicActionsMixin, ActionPagesMixin, OwnerlessWarningMixin, IdSearchMixin, ReadOnlyAdmin):
    """Customers, newest first; ``has_invoice_permission`` and ``has_item_permission`` decide who may bill them."""

    action_table = CUSTOMER_ACTIONS
    # Nobody is billed by being one of a selection.
    actions = ()
    list_display = ("id", "created", "owner", "variant", "provider_id", "livemode", "deleted")
    list_filter = (OwnerlessFilter, "livemode", ("deleted", admin.EmptyFieldListFilter), "created")
    list_select_related = ("owner",)
    date_hierarchy = "created"
    search_fields = ("pk__exact", "owner")
    search_help_text = _("Id, provider's id (cus_…, sub_…), or the owner's name or e-mail address")
    id_fields = {"cus_": ("provider_id",), "sub_": ("subscriptions__provider_id",)}
    inlines = (SubscriptionInline,)
    fields = readonly_fields = tuple(
        "owner variant provider_id former_ids default_payment_method livemode account_id deleted erased created "
        "modified".split()
    )

    def status_label(self, subject: Any) -> str:
        """Return whether the provider knows the customer."""
        return gettext("known to the provider") if subject.exists_at_provider else gettext("unknown to the provider")

    def facts(self, subject: Any) -> list[tuple[Any, Any]]:
        """Return whom it is about, and what they are charged on."""
        charged_on = subject.default_payment_method or EMPTY
        return [*super().facts(subject), (gettext("owner"), subject.owner or EMPTY), (_("payment method"), charged_on)]
