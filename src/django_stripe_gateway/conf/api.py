"""The settings of the HTTP API (who may ask, how often, what of it a host replaces), and the host's adapter."""

from __future__ import annotations

from django_stripe_gateway.conf import rules, values
from django_stripe_gateway.conf.setting import Setting

# What the API does, as ACTION_PERMISSIONS names it.
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
    "add_payment_method",
    "set_default_payment_method",
    "remove_payment_method",
    "open_portal",
)


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
    serializers = Setting(
        values.text_by_name,
        default={},
        rule=rules.is_path_mapping,
        sentence="Name of a serializer → dotted path of [yours](../howto/override.md).",
    )
    throttle_rates = Setting(
        values.optional_text_by_name,
        default={},
        rule=rules.is_rates,
        sentence="[Scope](http-api.md) → rate; `None`, or a scope that is not named, has no limit.",
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
