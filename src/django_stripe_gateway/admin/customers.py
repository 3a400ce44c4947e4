"""Admin of customers; the owner's details are with the owner and at the provider."""

from __future__ import annotations

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from django_stripe_gateway.admin.base.filters import OwnerlessFilter
from django_stripe_gateway.admin.base.ownerless import OwnerlessWarningMixin
from django_stripe_gateway.admin.base.readonly import ReadOnlyAdmin
from django_stripe_gateway.admin.base.search import IdSearchMixin
from django_stripe_gateway.admin.subscriptions import SubscriptionInline
from django_stripe_gateway.models import Customer


@admin.register(Customer)
class CustomerAdmin(OwnerlessWarningMixin, IdSearchMixin, ReadOnlyAdmin):
    """Customers, newest first."""

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
