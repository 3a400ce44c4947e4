"""Admin of payments: searchable, read-only where money is."""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.db.models import Model, Q
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from django_stripe_gateway.admin.actions import ActionsMixin
from django_stripe_gateway.admin.actions.payments import PAYMENT_ACTIONS, unexpected_amounts
from django_stripe_gateway.admin.base.display import EMPTY, display_json, external_link, fees_sentence, money_column
from django_stripe_gateway.admin.base.field_names import name_fields
from django_stripe_gateway.admin.base.filters import GatewayFilter, MoneyFilter
from django_stripe_gateway.admin.base.lists import AdminBase, LargeListMixin
from django_stripe_gateway.admin.base.readonly import KeptMixin
from django_stripe_gateway.admin.base.search import IdSearchMixin
from django_stripe_gateway.admin.given_back import DisputeInline
from django_stripe_gateway.admin.logs import PaymentLogInline
from django_stripe_gateway.admin.operations import OperationInline
from django_stripe_gateway.admin.refunds import RefundInline
from django_stripe_gateway.models import AbstractPayment
from django_stripe_gateway.services.payments.fees import stored_fees

OWN_FIELDS = frozenset(field.name for field in AbstractPayment._meta.get_fields())
SECTIONS: Sequence[tuple[Any, Sequence[str]]] = (
    (
        None,
        "status total_money authorized_money captured_money refunded_money unexpected_money owner is_guest gateway "
        "created modified".split(),
    ),
    (_("Payment method"), "payment_method_type card_brand card_last4 receipt fee_and_net".split()),
    (_("Platform"), "destination_id on_behalf_of_id application_fee_money".split()),
    (_("Order"), "order_id description metadata delivery_money tax_money capture_method".split()),
    (
        _("Provider"),
        "variant livemode account_id transaction_id intent_id failure_code decline_code message fraud_status "
        "fraud_message provider_record".split(),
    ),
    (
        _("Billing"),
        "billing_first_name billing_last_name billing_address_1 billing_address_2 billing_city billing_postcode "
        "billing_country_code billing_country_area billing_email billing_phone customer_ip_address".split(),
    ),
)


class PaymentAdminMixin(ActionsMixin, IdSearchMixin, LargeListMixin, KeptMixin, AdminBase):
    """Everything that the admin of a payment model needs; put it before ``ModelAdmin``.

    Money moves through the actions and pages only. ``editable_fields`` are this app's fields that can be edited;
    those that a host's model adds always can. ``has_capture_permission`` and its kin decide who may move it; by default
    whoever has the permission with which staff do the same in the API.
    """

    action_table = PAYMENT_ACTIONS
    editable_fields: Sequence[str] = ("order_id", "description", "metadata")
    list_display = tuple("id created status total_money captured_money refunded_money gateway order_id owner".split())
    list_filter = ("status", MoneyFilter, GatewayFilter, "capture_method", "livemode", "created")
    list_select_related = ("owner",)
    date_hierarchy = "created"
    search_fields = ("pk__exact", "order_id", "owner")
    id_fields = {"cs_": ("transaction_id",), "pi_": ("transaction_id", "intent_id"), "re_": ("refunds__provider_id",)}
    search_help_text = _("Id, order, provider's id (cs_…, pi_…, re_…), token, or the owner's name or e-mail address")
    inlines = (RefundInline, DisputeInline, OperationInline, PaymentLogInline)

    total_money = money_column("total", _("amount"))
    authorized_money = money_column("authorized_amount", _("authorised"))
    captured_money = money_column("captured_amount", _("captured"))
    refunded_money = money_column("refunded_amount", _("refunded"))
    delivery_money = money_column("delivery", _("delivery"))
    tax_money = money_column("tax", _("tax"))
    application_fee_money = money_column("application_fee", _("application fee"))

    def __init__(self, model: type[Model], admin_site: admin.AdminSite) -> None:
        name_fields(model)
        super().__init__(model, admin_site)

    @admin.display(description=_("receipt"))
    def receipt(self, payment: Any) -> SafeString | str:
        """Return a link to the provider's receipt."""
        return external_link(payment.receipt_url)

    @admin.display(description=_("fee and net"))
    def fee_and_net(self, payment: Any) -> str:
        """Return what the provider keeps, where somebody has asked."""
        fees = stored_fees(payment)
        return EMPTY if fees is None else fees_sentence(fees)

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Give the longer texts two lines to begin with."""
        formfield = super().formfield_for_dbfield(db_field, request, **kwargs)
        if formfield is not None and db_field.name in ("description", "metadata"):
            formfield.widget.attrs["rows"] = 2
        return formfield

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return the sections, with the fields that a host's model adds in one of their own."""
        if self.fieldsets or self.fields:
            return super().get_fieldsets(request, obj)
        sections = [(title, {"fields": list(names)}) for title, names in SECTIONS]
        further = [
            field.name
            for field in (*self.opts.fields, *self.opts.many_to_many)
            if field.name not in OWN_FIELDS and field.editable and not field.primary_key
        ]
        if further:
            sections.insert(1, (_("Further fields"), {"fields": further}))
        return sections

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return all of this app's fields except ``editable_fields``."""
        shown = {name for _title, names in SECTIONS for name in names}
        return [*super().get_readonly_fields(request, obj), *sorted((OWN_FIELDS | shown) - set(self.editable_fields))]

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Write the edited columns only: the others may have been changed by the provider since the form was read."""
        columns = {field.name for field in obj._meta.concrete_fields}
        edited = [name for name in form.changed_data if name in columns]
        if edited:
            obj.save(update_fields=[*edited, "modified"])

    def match_id(self, term: str) -> Q | None:
        """Return the condition for an id or a token."""
        exact = super().match_id(term)
        if exact is not None:
            return exact
        try:
            return Q(token=str(uuid.UUID(term)))
        except ValueError:
            return None

    def facts(self, subject: Any) -> list[tuple[Any, Any]]:
        """Return where the payment's money is."""
        facts = [
            *super().facts(subject),
            (gettext("Amount"), self.total_money(subject)),
            (gettext("Captured"), self.captured_money(subject)),
            (gettext("Refunded"), self.refunded_money(subject)),
        ]
        unexpected = unexpected_amounts(subject)
        return [*facts, (gettext("Not expected"), unexpected)] if unexpected else facts

    def row_label(self, subject: Any) -> str:
        """Return the payment's number and order."""
        return f"{subject.pk} ({subject.order_id})" if subject.order_id else str(subject.pk)

    @admin.display(description=_("not expected"))
    def unexpected_money(self, payment: Any) -> str:
        """Return what came and waits for a decision."""
        return unexpected_amounts(payment) or EMPTY

    @admin.display(description=_("provider's record"))
    def provider_record(self, payment: Any) -> SafeString | str:
        """Return what the provider's objects said last, without secrets."""
        return display_json(stored_objects(payment.extra_data))


def stored_objects(extra_data: str) -> dict[str, Any]:
    """Return the provider's objects in ``extra_data``; other providers of django-payments keep tokens beside them."""
    try:
        data = json.loads(extra_data or "{}")
    except ValueError:
        return {}
    if not isinstance(data, dict):
        return {}
    return {name: data[name] for name in ("session", "intent") if name in data}


class PaymentAdmin(PaymentAdminMixin, admin.ModelAdmin):  # type: ignore[type-arg]
    """Admin of the payment model, unless the host registers its own."""
