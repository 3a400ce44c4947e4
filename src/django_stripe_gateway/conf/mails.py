"""The settings of e-mails to customers: which are sent, from where, and how."""

from __future__ import annotations

from typing import Any

from django_stripe_gateway.conf import rules, values
from django_stripe_gateway.conf.setting import Setting

MAIL_KINDS = (
    "paid",
    "refunded",
    "payment_failed",
    "action_required",
    "trial_ending",
    "renewal_coming",
    "card_expiring",
)
DAY = 24 * 60 * 60


def kinds(value: Any) -> frozenset[str]:
    """Return the kinds of mails that a host has turned on: all for ``True``."""
    if isinstance(value, bool) or value is None:
        return frozenset(MAIL_KINDS if value else ())
    return frozenset(value)


def optional_flag(value: Any) -> bool | None:
    """Return whether something is switched on, ``None`` where that is left to the rest of the settings."""
    return None if value is None else values.flag(value)


class MailSettings:
    """E-mails to customers."""

    mails = Setting(
        kinds,
        default=False,
        rule=rules.Rule(
            f"True, False, or a list of some of {', '.join(MAIL_KINDS)}",
            lambda value: isinstance(value, bool) or rules.list_of(*MAIL_KINDS)(value),
        ),
        sentence=(
            "[E-mails to customers](../howto/mails.md): `True` for all kinds, or a list of some of "
            f"{', '.join(f'`{kind}`' for kind in MAIL_KINDS)}."
        ),
        checks="E080, E081, W080",
    )
    mail_from = Setting(
        values.text,
        default="",
        rule=rules.is_optional_text.worded("an e-mail address with or without a name, or empty"),
        sentence="Sender of the e-mails; empty for `DEFAULT_FROM_EMAIL`.",
        checks="W080",
    )
    mail_reply_to = Setting(
        values.text,
        default="",
        rule=rules.is_optional_text.worded("an e-mail address, or empty"),
        sentence="Address that answers go to; empty for the sender's.",
    )
    mail_site_name = Setting(
        values.text,
        default="",
        rule=rules.is_optional_text.worded("the name of your site, or empty"),
        sentence="What the e-mails call your site; empty for the name of the `Site`, or `PAYMENT_HOST`.",
    )
    mail_account_url = Setting(
        values.text,
        default="",
        rule=rules.is_optional_plain_page,
        sentence=(
            "Your page on which customers see what they have and change their card: e-mails lead there; empty for no "
            "link. `Adapter.mail_page` decides it for one customer, and gives guests none."
        ),
    )
    mail_test_mode = Setting(
        optional_flag,
        default=None,
        rule=rules.optional(rules.is_bool, "as `DEBUG` says"),
        sentence="Send e-mails about what was paid in Stripe's test mode, or PayPal's sandbox, too.",
    )
    mail_delivery = Setting(
        values.text,
        default="",
        rule=rules.one_of("", "inline", "task", "command"),
        sentence=(
            "Who sends them after the commit: the process that made the change (`inline`), a worker (`task`), or only "
            "[`send_mails`](commands.md) (`command`); empty for what `STRIPE_GATEWAY_WEBHOOK_PROCESSING` says."
        ),
        checks="E081",
    )
    mail_enqueue = Setting(
        str,
        default="django_stripe_gateway.services.mails.tasks.enqueue_mail",
        rule=rules.is_text.worded("the dotted path of a function"),
        sentence=(
            "Function that hands an e-mail, by its primary key, to a worker; the default uses Django Tasks, on the "
            "queue of `STRIPE_GATEWAY_WEBHOOK_QUEUE`."
        ),
        checks="E081",
    )
    mail_max_attempts = Setting(
        int,
        default=10,
        rule=rules.integer(1, 100),
        sentence="Attempts after which an e-mail that no server takes is `dead`.",
    )
    mail_renewal_days = Setting(
        int,
        default=180,
        rule=rules.integer(1, unit="days"),
        sentence=(
            "Length of a period from which on its renewal is announced by e-mail: by default of what is paid by the "
            "half year or longer."
        ),
    )
    mail_card_days = Setting(
        int,
        default=30,
        rule=rules.integer(1, 90, unit="days"),
        sentence="Days before a card expires from which on its customer is told, if they are charged on it.",
    )
