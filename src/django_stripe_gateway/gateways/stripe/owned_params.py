"""Which parameters of Stripe's calls are this app's alone, why, and what a host uses instead.

A path is written with dots; "*" stands for any name. Whatever is below an owned parameter is owned, too. Metadata is
not in here: a host adds keys of its own to it (``further_params``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from django_stripe_gateway.adapter import CallKind

AMOUNT = "what is charged is the payment's: override get_purchased_items(), or price_payment() of the adapter"
CURRENCY = "it is the payment's currency"
WHO = "who pays is the payment's: set its owner and billing_email, and customer_details() of the adapter"
BILLED = "who is billed is known already: owners have customers of their own"
FOUND = "it finds the payment again: give the payment an order_id, or add metadata"
CAPTURE = "use capture_method of the payment, or the variant's option capture"
RETURN = "where the customer returns is decided by the settings: use STRIPE_GATEWAY_SUCCESS_URL and …_FAILURE_URL"
RETURN_OF_PAGE = "use success_url and cancel_url, or return_url, of the service"
CLOSES = "use STRIPE_GATEWAY_CHECKOUT_EXPIRES_AFTER"
ANOTHER_PAGE = "it makes pages that nobody here knows: start_payment() makes a new one"
ITEMS = "what is sold is the plan, its quantity and its add_ons: pass them to subscribe()"
CHOSEN = "it lets the customer choose what is charged"
CHARGED = "what is charged is chosen by payment_method, confirmed apart"
STARTS = "use payment_method, collection_method and days_until_due of subscribe()"
TRIAL = "use trial_days and trial_end_behavior of subscribe()"
CYCLE = "use billing_cycle_anchor of subscribe()"
ENDS = "use auto_renew of the plan, or cancel_subscription()"
DISCOUNT = "use coupon or promotion_code of subscribe(), by which each is used once"
WITHIN = "within a page of your own a payment method is added with add_payment_method()"
MODE = "it is what this call is about"
ANSWER = "it decides what is read of the answer"
DETAILS = "use customer_details() of the adapter"
DEFAULT = "use set_default_payment_method()"
BALANCE = "what is credited changes what is charged: give discounts or refunds"
TERMS = "use destination, on_behalf_of and application_fee of create_payment() and charge(), or of price_payment()"
REFUNDED = "what is given back is decided by refund_payment()"
CATALOGUE = "it is the plan's, or its price's: change that, and push"

_ANYWHERE = {
    "expand": ANSWER,
    **dict.fromkeys(
        "api_key idempotency_key stripe_account stripe_context stripe_version headers options".split(),
        "it is no parameter of a call, but how the call is made: that is decided by the variant",
    ),
}
_PAGE = {
    "mode": MODE,
    "customer": WHO,
    "customer_account": WHO,
    "customer_email": WHO,
    "client_reference_id": FOUND,
    "currency": CURRENCY,
    "line_items": AMOUNT,
    "optional_items": CHOSEN,
    "success_url": RETURN,
    "cancel_url": RETURN,
    "return_url": RETURN,
    "expires_at": CLOSES,
    "after_expiration": ANOTHER_PAGE,
    "payment_method_options.*.capture_method": CAPTURE,
}
_BILLING_PAGE = _PAGE | {
    **dict.fromkeys(("customer", "customer_account", "customer_email"), BILLED),
    **dict.fromkeys(("success_url", "cancel_url", "return_url"), RETURN_OF_PAGE),
    "payment_intent_data": MODE,
    "expires_at": "a page that starts a subscription closes when the next one is asked for",
    "after_expiration": "it makes pages that nobody here knows: call the service again",
}
_TRIAL = dict.fromkeys(("trial_end", "trial_period_days", "trial_from_plan", "trial_settings"), TRIAL)
_TERMS = ("transfer_data", "on_behalf_of", "application_fee_amount")
_INTENT = {
    **dict.fromkeys(_TERMS, TERMS),
    **dict.fromkeys(("customer", "customer_account"), WHO),
    "amount_to_confirm": AMOUNT,
    "capture_method": CAPTURE,
    **dict.fromkeys(("payment_method", "payment_method_data", "confirmation_token", "off_session"), CHARGED),
    "error_on_requires_action": CHARGED,
    "return_url": RETURN,
    "payment_method_options.*.capture_method": CAPTURE,
}
_CUSTOMER = {
    **dict.fromkeys(("name", "email"), DETAILS),
    **dict.fromkeys(("payment_method", "source", "default_source", "card", "bank_account"), DEFAULT),
    **dict.fromkeys(("default_card", "default_bank_account", "default_alipay_account"), DEFAULT),
    "invoice_settings.default_payment_method": DEFAULT,
    "balance": BALANCE,
}

OWNED: Mapping[CallKind, Mapping[str, str]] = {
    CallKind.PAYMENT_PAGE: _PAGE
    | {
        "payment_intent_data.capture_method": CAPTURE,
        **{f"payment_intent_data.{name}": TERMS for name in _TERMS},
        "subscription_data": MODE,
        "setup_intent_data": MODE,
    },
    CallKind.PAYMENT: _INTENT
    | {
        "amount": AMOUNT,
        "currency": CURRENCY,
        **dict.fromkeys(("confirm", "confirmation_method", "mandate", "mandate_data"), CHARGED),
    },
    CallKind.CONFIRMATION: _INTENT | {"client_secret": CHARGED},
    CallKind.CHARGE: _INTENT
    | {
        "amount": AMOUNT,
        "currency": CURRENCY,
        **dict.fromkeys(("confirm", "confirmation_method", "mandate", "mandate_data", "setup_future_usage"), CHARGED),
    },
    CallKind.REFUND: {
        **dict.fromkeys(("payment_intent", "charge", "amount", "currency", "customer", "origin", "reason"), REFUNDED),
        **dict.fromkeys(("reverse_transfer", "refund_application_fee"), REFUNDED),
    },
    CallKind.CUSTOMER: _CUSTOMER,
    CallKind.CUSTOMER_UPDATE: _CUSTOMER,
    CallKind.PAYMENT_METHOD: {
        **dict.fromkeys(("customer", "customer_account", "attach_to_self", "flow_directions"), BILLED),
        **dict.fromkeys(("confirm", "payment_method", "payment_method_data", "confirmation_token"), CHARGED),
        **dict.fromkeys(("usage", "single_use", "mandate_data", "return_url", "use_stripe_sdk"), CHARGED),
    },
    CallKind.PAYMENT_METHOD_PAGE: _BILLING_PAGE
    | {
        "subscription_data": MODE,
        **dict.fromkeys(("ui_mode", "redirect_on_completion"), WITHIN),
    },
    CallKind.PORTAL: {
        **dict.fromkeys(("customer", "customer_account"), BILLED),
        "return_url": "use return_url of portal_url(), or STRIPE_GATEWAY_PORTAL_RETURN_URL",
    },
    CallKind.SUBSCRIPTION: {
        **dict.fromkeys(("customer", "customer_account"), BILLED),
        **dict.fromkeys(("items", "currency"), ITEMS),
        **dict.fromkeys(("payment_behavior", "collection_method", "days_until_due", "off_session"), STARTS),
        **dict.fromkeys(("default_payment_method", "default_source"), STARTS),
        "payment_settings.save_default_payment_method": STARTS,
        **dict.fromkeys(("cancel_at", "cancel_at_period_end"), ENDS),
        **dict.fromkeys(("discounts", "coupon", "promotion_code"), DISCOUNT),
        "billing_cycle_anchor": CYCLE,
        "billing_mode": "it decides how Stripe prorates, as the account reads it",
        **_TRIAL,
    },
    CallKind.SUBSCRIPTION_PAGE: _BILLING_PAGE
    | {
        "line_items": ITEMS,
        **dict.fromkeys(("discounts", "allow_promotion_codes"), DISCOUNT),
        "subscription_data.billing_cycle_anchor": CYCLE,
        "subscription_data.billing_mode": "it decides how Stripe prorates, as the account reads it",
        "subscription_data.items": ITEMS,
        **{f"subscription_data.{name}": reason for name, reason in _TRIAL.items()},
        "setup_intent_data": MODE,
    },
    CallKind.PRODUCT: dict.fromkeys(("id", "name", "description", "active", "default_price_data"), CATALOGUE),
    CallKind.PRICE: dict.fromkeys(
        (
            *("active", "billing_scheme", "currency", "currency_options", "custom_unit_amount", "lookup_key"),
            *("nickname", "product", "product_data", "recurring", "tiers", "tiers_mode", "transfer_lookup_key"),
            *("transform_quantity", "unit_amount", "unit_amount_decimal"),
        ),
        CATALOGUE,
    ),
}
#: What Stripe itself is asked for, as people know it.
NOUNS: Mapping[CallKind, str] = {
    CallKind.PAYMENT_PAGE: "the Checkout Session of a payment",
    CallKind.PAYMENT: "a PaymentIntent",
    CallKind.CONFIRMATION: "the confirmation of a PaymentIntent",
    CallKind.CHARGE: "the PaymentIntent of a charge",
    CallKind.REFUND: "a Refund",
    CallKind.CUSTOMER: "a Customer",
    CallKind.CUSTOMER_UPDATE: "the update of a Customer",
    CallKind.PAYMENT_METHOD: "a SetupIntent",
    CallKind.PAYMENT_METHOD_PAGE: "the Checkout Session that saves a payment method",
    CallKind.PORTAL: "a session of the billing portal",
    CallKind.SUBSCRIPTION: "a Subscription",
    CallKind.SUBSCRIPTION_PAGE: "the Checkout Session of a subscription",
    CallKind.PRODUCT: "a Product",
    CallKind.PRICE: "a Price",
}
#: Where each call has metadata of ours; elsewhere Stripe may take some, or none.
METADATA: Mapping[CallKind, tuple[str, ...]] = {
    CallKind.PAYMENT_PAGE: ("metadata", "payment_intent_data.metadata"),
    CallKind.PAYMENT_METHOD_PAGE: ("metadata", "setup_intent_data.metadata"),
    CallKind.SUBSCRIPTION_PAGE: ("metadata", "subscription_data.metadata"),
    CallKind.CONFIRMATION: (),
    CallKind.PORTAL: (),
}
#: Of a payment's page: its customer is charged what they come to, beside what was asked for.
DIFFERS = ("allow_promotion_codes", "automatic_tax", "discounts", "shipping_options")


def owned(kind: CallKind, params: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the owned parameters among ``params`` with the reason, and those that would replace one from above."""
    for path, reason in {**_ANYWHERE, **OWNED[kind]}.items():
        for found in _named(params, path.split("."), ""):
            yield found, reason


def metadata_paths(kind: CallKind) -> tuple[str, ...]:
    """Return where a call has metadata of ours."""
    return METADATA.get(kind, ("metadata",))


def _named(params: Any, steps: list[str], above: str) -> Iterator[str]:
    if not isinstance(params, Mapping):
        # A text or a list in the place of the dictionary that the parameter would be in.
        yield above
        return
    for name in list(params) if steps[0] == "*" else [steps[0]]:
        if name not in params:
            continue
        path = f"{above}.{name}" if above else name
        if len(steps) == 1:
            yield path
        else:
            yield from _named(params[name], steps[1:], path)
