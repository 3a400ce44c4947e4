"""What staff can do to a subscription; each action goes through the service that the API uses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from django_stripe_gateway.admin.actions.give_up import give_up_action
from django_stripe_gateway.admin.actions.table import Action, ActionRequest
from django_stripe_gateway.admin.base.display import EMPTY, display_money
from django_stripe_gateway.conf.permissions import ASK_PROVIDER, PERMISSIONS
from django_stripe_gateway.exceptions import InvalidInput
from django_stripe_gateway.models import Subscription
from django_stripe_gateway.services.subscriptions.cancel import cancel_subscription, resume_subscription
from django_stripe_gateway.services.subscriptions.discounts import remove_discount
from django_stripe_gateway.services.subscriptions.give_up import give_up_subscription
from django_stripe_gateway.services.subscriptions.line import CHANGEABLE
from django_stripe_gateway.services.subscriptions.pause import unpause_subscription
from django_stripe_gateway.services.subscriptions.schedule import cancel_change
from django_stripe_gateway.services.subscriptions.sync import look_up_subscription
from django_stripe_gateway.services.subscriptions.trials import end_trial


def describe(subscription: Subscription) -> str:
    """Return where a subscription stands, in a sentence."""
    status = subscription.get_status_display()
    end = subscription.cancel_at or subscription.current_period_end
    if not subscription.on_grace_period or end is None:
        return f"{status}."
    return _("%(status)s, ends on %(date)s.") % {"status": status, "date": date_format(localtime(end))}


def _period_price(subscription: Subscription) -> str:
    pricing = subscription.pricing
    if pricing is None or pricing.currency != subscription.currency:
        return EMPTY
    return display_money(pricing.amount * subscription.quantity, pricing.currency)


def _calling(service: Callable[..., Subscription], **choices: Any) -> Callable[[Any, ActionRequest], str]:
    def run(subscription: Subscription, asked: ActionRequest) -> str:
        return describe(service(subscription=subscription, idempotency_key=asked.key, origin=asked.origin, **choices))

    return run


def _sync(subscription: Subscription, asked: ActionRequest) -> str:
    if not subscription.provider_id:
        raise InvalidInput(_("Nothing was made at the provider for this subscription."))
    return describe(look_up_subscription(subscription.pk, asked.origin))


SUBSCRIPTION_ACTIONS = (
    Action(
        name="cancel",
        permission=PERMISSIONS["cancel_subscription"],
        label=gettext_lazy("Cancel at the period's end"),
        label_all=gettext_lazy("Cancel selected %(verbose_name_plural)s at the end of their periods"),
        run=_calling(cancel_subscription),
        is_possible=lambda subscription: subscription.status in CHANGEABLE and not subscription.is_cancelled,
        question=gettext_lazy("Let this subscription end with the period that was paid for?"),
        question_all=gettext_lazy("Let these subscriptions end with the periods that were paid for?"),
        at_stake=_period_price,
    ),
    Action(
        name="end",
        permission=PERMISSIONS["cancel_subscription"],
        label=gettext_lazy("Cancel at once"),
        label_all=gettext_lazy("Cancel selected %(verbose_name_plural)s at once"),
        run=_calling(cancel_subscription, at_period_end=False),
        is_possible=lambda subscription: bool(subscription.provider_id) and not subscription.has_ended,
        question=gettext_lazy("End this subscription now? It cannot be taken back, and nothing is refunded."),
        question_all=gettext_lazy("End these subscriptions now? It cannot be taken back, and nothing is refunded."),
        at_stake=_period_price,
    ),
    Action(
        name="refund_rest",
        permission=PERMISSIONS["refund_unused"],
        label=gettext_lazy("Cancel at once and refund the rest"),
        label_all=gettext_lazy("Cancel selected %(verbose_name_plural)s at once and refund the rest"),
        run=_calling(cancel_subscription, at_period_end=False, refund_unused="refund"),
        is_possible=lambda subscription: subscription.status in CHANGEABLE,
        question=gettext_lazy("End this subscription now and give back what was paid for the rest of its period?"),
        question_all=gettext_lazy("End these subscriptions now and give back what was paid for the rest of each?"),
        at_stake=_period_price,
    ),
    Action(
        name="end_trial",
        permission=PERMISSIONS["change_trial"],
        label=gettext_lazy("End the trial"),
        label_all=gettext_lazy("End the trial of selected %(verbose_name_plural)s"),
        run=_calling(end_trial),
        is_possible=lambda subscription: subscription.on_trial,
        question=gettext_lazy("End the trial now and charge the first period?"),
        question_all=gettext_lazy("End these trials now and charge the first periods?"),
        at_stake=_period_price,
    ),
    Action(
        name="remove_discount",
        permission=PERMISSIONS["apply_discount"],
        label=gettext_lazy("Remove the discounts"),
        label_all=gettext_lazy("Remove the discounts of selected %(verbose_name_plural)s"),
        run=_calling(remove_discount),
        is_possible=lambda subscription: subscription.status in CHANGEABLE and bool(subscription.discounts),
        question=gettext_lazy("Charge the full price from the next invoice on?"),
        question_all=gettext_lazy("Charge the full prices from the next invoices on?"),
        at_stake=_period_price,
    ),
    Action(
        name="resume",
        permission=PERMISSIONS["resume_subscription"],
        label=gettext_lazy("Take back the cancellation"),
        label_all=gettext_lazy("Take back the cancellation of selected %(verbose_name_plural)s"),
        run=_calling(resume_subscription, lift_agreed_end=True),
        is_possible=lambda subscription: (
            subscription.is_valid and (subscription.on_grace_period or subscription.ends_as_agreed)
        ),
        question=gettext_lazy("Let this subscription renew again?"),
        question_all=gettext_lazy("Let these subscriptions renew again?"),
        at_stake=_period_price,
    ),
    Action(
        name="cancel_change",
        permission=PERMISSIONS["cancel_change"],
        label=gettext_lazy("Cancel the scheduled change"),
        label_all=gettext_lazy("Cancel the scheduled changes of selected %(verbose_name_plural)s"),
        run=_calling(cancel_change, any_schedule=True),
        is_possible=lambda subscription: subscription.scheduled_change is not None,
        question=gettext_lazy("Let this subscription go on as it is? Whatever was planned for it is dropped."),
        question_all=gettext_lazy(
            "Let these subscriptions go on as they are? Whatever was planned for them is dropped."
        ),
        at_stake=_period_price,
    ),
    Action(
        name="unpause",
        permission=PERMISSIONS["unpause_subscription"],
        label=gettext_lazy("End the pause"),
        label_all=gettext_lazy("End the pause of selected %(verbose_name_plural)s"),
        run=_calling(unpause_subscription),
        is_possible=lambda subscription: subscription.is_paused and not subscription.has_ended,
        question=gettext_lazy("Collect money for this subscription again?"),
        question_all=gettext_lazy("Collect money for these subscriptions again?"),
        at_stake=_period_price,
    ),
    Action(
        name="sync",
        permission=ASK_PROVIDER,
        label=gettext_lazy("Ask the provider"),
        label_all=gettext_lazy("Ask the provider about selected %(verbose_name_plural)s"),
        run=_sync,
        is_possible=lambda subscription: bool(subscription.provider_id),
        question=gettext_lazy("Ask the provider where this subscription stands?"),
    ),
    give_up_action(give_up_subscription, "subscription", lambda subscription: not subscription.has_ended),
)
