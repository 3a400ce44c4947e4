"""The settings of the default PayPal app."""

from __future__ import annotations

from django_stripe_gateway.conf import rules, values
from django_stripe_gateway.conf.setting import Setting

DAY = 24 * 60 * 60


class PayPalSettings:
    """PayPal."""

    paypal_client_id = Setting(
        values.stripped,
        default="",
        rule=rules.is_optional_text,
        sentence="Client id of the default [PayPal](../howto/paypal.md) app.",
        checks="E060",
    )
    paypal_client_secret = Setting(
        values.stripped,
        default="",
        rule=rules.is_optional_text,
        sentence="Its secret.",
        checks="E060",
    )
    paypal_webhook_ids = Setting(
        values.split_secrets,
        name="PAYPAL_WEBHOOK_ID",
        default="",
        rule=rules.is_texts,
        sentence="Ids of its webhooks; several as a list or separated by commas.",
        checks="E061",
    )
    paypal_sandbox = Setting(
        values.flag,
        default=False,
        rule=rules.is_bool,
        sentence="Use PayPal's sandbox, where no real money moves.",
        checks="W035",
    )
    paypal_api_base = Setting(
        values.address,
        default="",
        rule=rules.is_optional_address.worded("an address, or empty for PayPal's own"),
        sentence="Another server than PayPal's, for proxies and tests.",
        checks="E064",
    )
    paypal_webhook_verification = Setting(
        str,
        default="offline",
        rule=rules.one_of("offline", "api"),
        sentence="Verify PayPal's webhooks with its certificate, or, with `api`, ask PayPal each time.",
        checks="E062",
    )
    paypal_webhook_tolerance = Setting(
        int,
        default=4 * DAY,
        rule=rules.integer(1, 30 * DAY, unit="seconds"),
        sentence="Age in seconds up to which a delivery of PayPal's is accepted; PayPal repeats them for three days.",
    )
    paypal_ca_bundle = Setting(
        values.text,
        default="",
        rule=rules.is_optional_text.worded("the path of a file, or empty"),
        sentence=("File of the authorities that may issue PayPal's signing certificate; empty for those of `certifi`."),
        checks="E063",
    )
