"""How the admin shows amounts, links and stored JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from operator import attrgetter
from typing import Any

from django.contrib import admin
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from django_stripe_gateway.gateways.fee_values import FeesSnapshot
from django_stripe_gateway.models import get_payment_model
from django_stripe_gateway.money import display_amount

EMPTY = "-"
HIDDEN = "…"
# What opens something: the secret of an intent for the customer's browser, addresses that carry a signature.
SECRET_KEYS = frozenset({"client_secret", "cancel_url", "return_url", "success_url", "token"})


def display_money(amount: Decimal | None, currency: str) -> str:
    """Return an amount with its currency."""
    return EMPTY if amount is None else display_amount(amount, currency)


def fees_sentence(fees: FeesSnapshot) -> str:
    """Return what a provider has kept of a payment and what is left, in the currency that it was settled in."""
    values = {"fee": display_money(fees.fee, fees.currency), "net": display_money(fees.net, fees.currency)}
    if not fees.refunds or not fees.refunds.net:
        return gettext("Fee %(fee)s, net %(net)s.") % values
    values["left"] = display_money(fees.net_after_refunds, fees.currency)
    return gettext("Fee %(fee)s, net %(net)s, after refunds %(left)s.") % values


def money_column(field: str, label: Any, currency: str = "currency") -> staticmethod[[Any], str]:
    """Return a column of the money field ``field``; ``currency`` is the dotted path to its currency."""
    currency_of = attrgetter(currency)

    @admin.display(description=label, ordering=field)
    def column(obj: Any) -> str:
        return display_money(getattr(obj, field), currency_of(obj))

    return staticmethod(column)


def json_column(field: str, label: Any) -> staticmethod[[Any], str]:
    """Return a column of the JSON field ``field``, without secrets."""

    @admin.display(description=label)
    def column(obj: Any) -> str:
        return display_json(getattr(obj, field))

    return staticmethod(column)


def external_link(url: str) -> SafeString | str:
    """Return a link to a provider's page, which learns nothing of where it was followed."""
    if not url.startswith("https://"):
        return EMPTY
    return format_html('<a href="{}" target="_blank" rel="noopener noreferrer">{}</a>', url, _("Open"))


@admin.display(description=_("payment"), ordering="payment_id")
def payment_link(obj: Any) -> SafeString | str:
    """Return a link to the payment of ``obj``, without asking the database for it."""
    meta = get_payment_model()._meta
    try:
        url = reverse(f"admin:{meta.app_label}_{meta.model_name}_change", args=[obj.payment_id])
    except NoReverseMatch:
        return str(obj.payment_id)
    return format_html('<a href="{}">{}</a>', url, obj.payment_id)


def display_json(value: Any) -> SafeString | str:
    """Return ``value`` as indented JSON, without secrets."""
    if not value:
        return EMPTY
    text = json.dumps(without_secrets(value), indent=2, sort_keys=True, ensure_ascii=False, default=str)
    return format_html('<pre style="margin:0;white-space:pre-wrap;overflow-wrap:anywhere">{}</pre>', text)


def display_json_text(text: str) -> SafeString | str:
    """Return stored JSON ``text`` indented, without secrets; what is no JSON could hold some and is not shown."""
    if not text:
        return EMPTY
    try:
        value = json.loads(text)
    except ValueError:
        return str(_("(not JSON: %(length)d characters)") % {"length": len(text)})
    return display_json(value)


def without_secrets(value: Any) -> Any:
    """Return a copy of ``value`` in which the values of secret keys are hidden, at any depth."""
    if isinstance(value, Mapping):
        return {key: HIDDEN if key in SECRET_KEYS and item else without_secrets(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [without_secrets(item) for item in value]
    return value
