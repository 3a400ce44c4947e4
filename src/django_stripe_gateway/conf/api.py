"""The settings of the HTTP API (who may ask, how often, what of it a host replaces), and the host's adapter."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django_stripe_gateway.conf import rules, values
from django_stripe_gateway.conf.setting import Setting

# What the API does, as ACTION_PERMISSIONS and CUSTOMER_ACTIONS name it.
PAYMENT_ACTIONS = ("create_payment", "capture_payment", "confirm_intent", "cancel_payment", "refund_payment")
SUBSCRIPTION_ACTIONS = (
    "subscribe",
    "cancel_subscription",
    "resume_subscription",
    "change_subscription",
    "change_items",
    "cancel_change",
    "change_trial",
    "apply_discount",
    "pause_subscription",
    "unpause_subscription",
    "pay_invoice",
    "refund_invoice",
    "issue_credit_note",
    "add_payment_method",
    "set_default_payment_method",
    "remove_payment_method",
    "open_portal",
)
# The same by a field of a body, or by the state of what it is about.
TERMS = ("release_payment", "capture_method", "proration", "cancel_at", "refund_unused", "any_item")
ACTIONS = (*PAYMENT_ACTIONS, *SUBSCRIPTION_ACTIONS, *TERMS)
# By these the seller's money or terms move.
SELLERS_ACTIONS = (
    "capture_payment",
    "refund_payment",
    "refund_invoice",
    "issue_credit_note",
    "change_trial",
    "pause_subscription",
    "unpause_subscription",
    *TERMS,
)
# What costs the seller nothing.
CUSTOMERS_ACTIONS = tuple(action for action in ACTIONS if action not in SELLERS_ACTIONS)
DEFAULT, EVERY = "default", "*"

# By scope: how often one caller may ask. Reading costs a query, writing a call to the provider; codes can be guessed.
THROTTLE_RATES = {
    "gateways": "300/minute",
    "payments.read": "300/minute",
    "payments.create": "30/minute",
    "payments.write": "60/minute",
    "payments.guest": "30/hour",
    "payments.return": "60/minute",
    "subscriptions.plans": "300/minute",
    "subscriptions.read": "300/minute",
    "subscriptions.write": "30/minute",
    "subscriptions.items": "60/minute",
    "subscriptions.return": "60/minute",
    "promotion_codes": "20/hour",
    "invoices.read": "300/minute",
    "payment_methods": "30/minute",
    "portal": "10/minute",
    "usage.read": "300/minute",
    "usage.write": "1200/minute",
}


def read_customer_actions(written: Any) -> frozenset[str]:
    """Return the names of what customers may do; nothing for what is no list, which is an error of the checks."""
    named = set() if isinstance(written, str) else set(values.texts(written))
    if EVERY in named:
        return frozenset(ACTIONS)
    return frozenset(named - {DEFAULT} | (set(CUSTOMERS_ACTIONS) if DEFAULT in named else set()))


def read_throttle_rates(written: Any) -> Mapping[str, str | None]:
    """Return the rate of each scope: that which the host has written, else ours; none at all for ``None``."""
    if written is None:
        return {}
    return THROTTLE_RATES | dict(values.optional_text_by_name(written))


class ApiSettings:
    """HTTP API and adapter."""

    adapter = Setting(
        str,
        default="django_stripe_gateway.adapter.Adapter",
        rule=rules.subclass_of("django_stripe_gateway.adapter.Adapter"),
        sentence="Your [adapter](adapter.md): what is yours to decide.",
    )
    authentication_classes = Setting(
        values.optional_texts,
        default=None,
        rule=rules.optional(rules.classes("authenticate"), "DRF's setting"),
        sentence="Authentication classes; DRF's setting is `DEFAULT_AUTHENTICATION_CLASSES`.",
        checks="E011",
    )
    permission_classes = Setting(
        values.texts,
        default=("rest_framework.permissions.IsAuthenticated",),
        rule=rules.classes("has_permission"),
        sentence="Permission classes.",
    )
    action_permissions = Setting(
        values.texts_by_name,
        default={},
        rule=rules.classes_by_name(PAYMENT_ACTIONS + SUBSCRIPTION_ACTIONS, "has_permission"),
        sentence=(
            "Permission classes that an action of the [API](http-api.md) needs besides "
            "`STRIPE_GATEWAY_PERMISSION_CLASSES`."
        ),
    )
    customer_actions = Setting(
        read_customer_actions,
        default=(DEFAULT,),
        rule=rules.list_of(DEFAULT, EVERY, *ACTIONS),
        sentence=(
            "What customers may do with what is their own: `default` for all that costs the seller nothing, the names "
            "of [further actions](../explanation/security.md#who-may-do-what), or `*` for everything."
        ),
        checks="W037",
    )
    guest_payments = Setting(
        values.flag,
        default=False,
        rule=rules.is_bool,
        sentence=(
            "Let whoever has not signed in [make payments](../howto/guest-checkout.md) through the API, and read, "
            "confirm and cancel their own by a token."
        ),
        checks="W037",
    )
    serializers = Setting(
        values.text_by_name,
        default={},
        rule=rules.is_path_mapping,
        sentence="Name of a serializer → dotted path of [yours](../howto/override.md).",
    )
    throttle_rates = Setting(
        read_throttle_rates,
        default={},
        rule=rules.optional(rules.rates_of(tuple(THROTTLE_RATES)), "no limit at all"),
        sentence=(
            "[Scope](http-api.md#rates) → rate, in place of the one that it has by default; `None` for a scope without "
            "a limit."
        ),
        checks="W038",
    )
    page_size = Setting(
        int,
        default=25,
        rule=rules.integer(1, 100),
        sentence="Rows on a page of a list.",
    )
    idempotency_key_ttl = Setting(
        int,
        default=24 * 60 * 60,
        rule=rules.integer(60, unit="seconds"),
        sentence="Seconds for which a repeated `Idempotency-Key` gets the first answer.",
    )
