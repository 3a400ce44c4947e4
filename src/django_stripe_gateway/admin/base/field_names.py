"""Names for the fields that have none of their own, so that the admin shows no attribute's name in another language."""

from __future__ import annotations

from typing import Any

from django.db.models import Model
from django.utils.translation import gettext_lazy as _

# Those of django-payments' ``BasePayment``, whose own words are not translated, and what our models leave unnamed.
FIELD_NAMES: dict[str, Any] = {
    "billing_address_1": _("billing address 1"),
    "billing_address_2": _("billing address 2"),
    "billing_city": _("billing city"),
    "billing_country_area": _("billing country area"),
    "billing_country_code": _("billing country code"),
    "billing_email": _("billing email"),
    "billing_first_name": _("billing first name"),
    "billing_last_name": _("billing last name"),
    "billing_phone": _("billing phone"),
    "billing_postcode": _("billing postcode"),
    "connected_account": _("connected account"),
    "created": _("created"),
    "currency": _("currency"),
    "customer": _("customer"),
    "customer_ip_address": _("customer IP address"),
    "description": _("description"),
    "former_ids": _("former ids"),
    "fraud_message": _("fraud message"),
    "fraud_status": _("fraud check"),
    "invoice": _("invoice"),
    "key": _("key"),
    "message": _("message"),
    "modified": _("modified"),
    "payment": _("payment"),
    "plan": _("plan"),
    "pricing": _("price"),
    "subscription": _("subscription"),
    "variant": _("variant"),
}


def name_fields(model: type[Model]) -> None:
    """Name the fields of ``model`` that are named after their attributes alone, for whoever looks at them.

    Only what is shown changes: a migration is made of the name that a field was given, which stays none.
    """
    for field in model._meta.fields:
        if field.verbose_name == field.name.replace("_", " ") and field.name in FIELD_NAMES:
            field.verbose_name = FIELD_NAMES[field.name]
