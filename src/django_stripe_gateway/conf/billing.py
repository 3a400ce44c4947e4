"""The settings of subscriptions: who is billed, by which account, on which terms."""

from __future__ import annotations

from django.conf import settings

from django_stripe_gateway.conf import rules, values
from django_stripe_gateway.conf.setting import Setting

# What can become of a trial that ends without a payment method, in Stripe's words.
TRIAL_END_BEHAVIORS = ("cancel", "create_invoice", "pause")
SUBSCRIPTIONS_PER_OWNER = ("one", "one_per_plan", "several")

# Not a word of Stripe's: a proration for each change, by what it costs.
INVOICE_INCREASES = "invoice_increases"


class BillingSettings:
    """Subscriptions."""

    owner_model = Setting(
        str,
        default=settings.AUTH_USER_MODEL,
        rule=rules.is_model_name,
        sentence=(
            "Model that is billed for subscriptions: the user (`AUTH_USER_MODEL`), or your organisation. Set it before "
            "the first `migrate`."
        ),
    )
    deleted_owners = Setting(
        str,
        default="refuse",
        rule=rules.one_of("refuse", "cancel", "keep"),
        sentence=(
            "What [deleting an owner](../howto/leaving.md) does while something still runs: `refuse` raises "
            "`ProtectedError`, `cancel` ends what runs, `keep` lets it go on and be charged."
        ),
    )
    billing_variant = Setting(
        values.text,
        default="",
        rule=rules.is_optional_text.worded("the name of a payment variant, or empty"),
        sentence="Payment variant whose account sells subscriptions; empty for the first of Stripe's.",
        checks="E070",
    )
    allow_repeated_trials = Setting(
        values.flag,
        default=False,
        rule=rules.is_bool,
        sentence="Let an owner have a trial of the same plan more than once.",
    )
    trials_once_per = Setting(
        str,
        default="plan",
        rule=rules.one_of("plan", "owner"),
        sentence="Whether an owner has one trial of each `plan`, or one in all (`owner`).",
    )
    trial_end_behavior = Setting(
        values.text,
        default="",
        rule=rules.one_of("", *TRIAL_END_BEHAVIORS),
        sentence=(
            "What becomes of a trial that ends without a payment method: `cancel`, `create_invoice` or `pause`; "
            "Checkout then asks for none. Empty for what Stripe does, and Checkout asks for one."
        ),
    )
    subscriptions_per_owner = Setting(
        str,
        default="one",
        rule=rules.one_of(*SUBSCRIPTIONS_PER_OWNER),
        sentence=(
            "How many subscriptions an owner may begin that run beside each other: `one` in all, `one_per_plan`, or "
            "`several`, even to the same plan."
        ),
    )
    ask_before_sale = Setting(
        values.flag,
        default=True,
        rule=rules.is_bool,
        sentence=(
            "Ask Stripe what a customer has there [before a subscription is sold](../howto/subscriptions.md#one-bill), "
            "so that what began elsewhere is not sold twice, and what is owed is known; costs two or three calls, one "
            "more after an end, and one for each customer at Stripe who has the address."
        ),
    )
    automatic_tax = Setting(
        values.flag,
        default=False,
        rule=rules.is_bool,
        sentence="Let Stripe Tax calculate taxes on subscriptions.",
    )
    proration_behavior = Setting(
        str,
        default=INVOICE_INCREASES,
        rule=rules.one_of(INVOICE_INCREASES, "create_prorations", "always_invoice", "none"),
        sentence=(
            "What a change in the middle of a period costs: `create_prorations` (with the next invoice), "
            "`always_invoice` (at once) or `none`; `invoice_increases` invoices at once what costs more, which is had "
            "once it is paid, and credits what costs less with the next invoice."
        ),
        checks="W037",
    )
    subscription_success_url = Setting(
        values.text,
        default="",
        rule=rules.is_optional_plain_page,
        sentence=(
            "Your page for customers who have subscribed on Stripe's page: the app's return page asks Stripe first, "
            "and sends them there with `status` and `subscription_id`; empty for a page of the app's."
        ),
    )
    subscription_cancel_url = Setting(
        values.text,
        default="",
        rule=rules.is_optional_plain_page,
        sentence="Your page for customers who gave up there; empty for a page of the app's.",
    )
    portal_return_url = Setting(
        values.text,
        default="",
        rule=rules.is_optional_plain_page,
        sentence="Your page that customers come back to from Stripe's portal; empty for `/`.",
    )
    max_pause_days = Setting(
        values.optional_integer,
        default=92,
        rule=rules.optional(rules.integer(1, 1825, unit="days"), "no bound"),
        sentence=(
            "For how many days customers can pause a subscription, counted from the end of what they have paid if that "
            "has passed. Your own code and your staff are not bound."
        ),
    )
    paused_is_valid = Setting(
        values.flag,
        default=False,
        rule=rules.is_bool,
        sentence="Let a paused subscription stay valid in [periods that nobody pays](../howto/change-plans.md#pause).",
    )
    past_due_grace_days = Setting(
        values.optional_integer,
        default=7,
        rule=rules.optional(rules.integer(0, 365, unit="days"), "as long as Stripe tries"),
        sentence=(
            "Days for which a subscription that was paid before stays valid when a payment has failed, and no longer "
            "than a period of its plan; 0 for none. One that was [never "
            "paid](../howto/failed-payments.md#the-first-payment) has none."
        ),
    )
    disputed_access = Setting(
        str,
        default="suspend",
        rule=rules.one_of("keep", "suspend", "cancel"),
        sentence=(
            "What a subscription gives while a bank has [taken back its money](../howto/refund-invoices.md#access), or "
            "after the dispute was lost, in the period that was paid with it: `suspend` nothing, `keep` all, `cancel` "
            "nothing and ends it at once. Inquiries take no money, and change nothing."
        ),
    )
    refunded_access = Setting(
        str,
        default="keep",
        rule=rules.one_of("keep", "end"),
        sentence=(
            "What a subscription gives for the rest of a period whose invoice was wholly "
            "[refunded](../howto/refund-invoices.md#access): `keep` all, as Stripe lets it run, or `end` nothing."
        ),
    )
