"""The settings of the default Stripe account, and of payments."""

from __future__ import annotations

from django_stripe_gateway.conf import rules, values
from django_stripe_gateway.conf.setting import Setting

#: Seconds that Stripe lets a Checkout Session stay open, from the arrival of the request.
SHORTEST_PAGE, LONGEST_PAGE = 1800, 86400


class PaymentSettings:
    """Stripe and payments."""

    api_key = Setting(
        values.text,
        default="",
        rule=rules.is_optional_text,
        sentence="Secret or restricted key of the default account.",
        checks="E002, E004, E005, E031, W032",
    )
    account_id = Setting(
        values.text,
        default="",
        rule=rules.is_optional_account,
        sentence="Id of the default account (`acct_…`); Stripe is asked, once for each key, whether it is the key's.",
        checks="E023",
    )
    context = Setting(
        values.text,
        default="",
        rule=rules.is_optional_context,
        sentence=(
            "The account (`acct_…`) that the default key is used for, sent with each call as `Stripe-Context`: an "
            "organisation's key (`sk_org_…`) needs it."
        ),
        checks="E019",
    )
    webhook_secrets = Setting(
        values.split_secrets,
        name="WEBHOOK_SECRET",
        default="",
        rule=rules.is_texts,
        sentence="Signing secrets of the webhook endpoint; several as a list or separated by commas.",
        checks="E003, W003",
    )
    api_base = Setting(
        values.address,
        default="",
        rule=rules.is_optional_address,
        sentence="Another server than Stripe's, for proxies and tests.",
        checks="E032",
    )
    api_version = Setting(
        values.text,
        default="",
        rule=rules.is_optional_version,
        sentence="The API version to ask for; empty for the one that the SDK was made for.",
    )
    use_localstripe = Setting(
        values.flag,
        default=False,
        rule=rules.is_bool,
        sentence="Development only: pay through localstripe.",
        checks="E005, E030",
    )
    localstripe_url = Setting(
        values.address,
        default="http://127.0.0.1:8420",
        rule=rules.is_address,
        sentence="Where localstripe is.",
    )
    test_payment_method = Setting(
        str,
        default="pm_card_visa",
        rule=rules.is_text.worded('the id of a payment method such as "pm_card_visa"'),
        sentence="What payments on localstripe are confirmed with.",
    )
    timeout = Setting(
        float,
        default=20.0,
        rule=rules.seconds(above=0, most=300),
        sentence="Seconds to wait for Stripe's answer to one attempt.",
    )
    max_network_retries = Setting(
        int,
        default=2,
        rule=rules.integer(0, 10),
        sentence="Attempts that the SDK adds, under the same idempotency key, after a failed connection or a 5xx.",
    )
    pool_size = Setting(
        int,
        default=20,
        rule=rules.integer(1, 1000),
        sentence="Connections kept open to Stripe, for each account and process.",
    )
    success_url = Setting(
        values.text,
        default="",
        rule=rules.is_optional_page,
        sentence=(
            "Your page for customers who have paid. `{payment_id}` is filled in, `payment_id` and `status` are added "
            "to the query."
        ),
        checks="W031",
    )
    failure_url = Setting(
        values.text,
        default="",
        rule=rules.is_optional_page,
        sentence="Your page for customers who gave up or failed.",
        checks="W031",
    )
    checkout_expires_after = Setting(
        values.optional_integer,
        default=None,
        rule=rules.optional(rules.integer(SHORTEST_PAGE, LONGEST_PAGE, unit="seconds"), "Stripe's 24 hours"),
        sentence=(
            "Seconds that a Checkout Session of a payment, a subscription or a saved card stays open. Stripe measures "
            "from the request's arrival, by its own clock: five minutes are left at both ends, so that 1800 means 2100 "
            "and 86400 means 86100."
        ),
    )
    payment_customers = Setting(
        str,
        default="when_needed",
        rule=rules.one_of("when_needed", "always", "never"),
        sentence=(
            "Whether a one-off payment is its owner's customer's at the provider: when a card is saved or a saved one "
            "is used, always, or never."
        ),
    )
    checkout_offers_to_save = Setting(
        values.flag,
        default=False,
        rule=rules.is_bool,
        sentence="Checkout asks its customer, with a box to tick, whether the card may be kept; makes a customer.",
    )
