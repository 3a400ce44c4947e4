"""What staff can do to a subscription; each move goes through the service that the API uses."""

from __future__ import annotations

from collections.abc import Mapping

from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from django_stripe_gateway.admin.moves import Move, Order
from django_stripe_gateway.exceptions import InvalidInput
from django_stripe_gateway.models import Subscription
from django_stripe_gateway.services.subscriptions.cancel import cancel_subscription
from django_stripe_gateway.services.subscriptions.line import CHANGEABLE
from django_stripe_gateway.services.subscriptions.refresh import look_up_subscription
from django_stripe_gateway.services.subscriptions.resume import resume_subscription
from django_stripe_gateway.services.subscriptions.unpause import unpause_subscription


def describe(subscription: Subscription) -> str:
    """Return where a subscription stands, in a sentence."""
    status = subscription.get_status_display()
    end = subscription.cancel_at or subscription.current_period_end
    if not subscription.on_grace_period or end is None:
        return f"{status}."
    return _("%(status)s, ends on %(date)s.") % {"status": status, "date": date_format(localtime(end))}


def _cancel(subscription: Subscription, order: Order) -> str:
    return describe(cancel_subscription(subscription=subscription, idempotency_key=order.key, origin=order.origin))


def _end(subscription: Subscription, order: Order) -> str:
    ended = cancel_subscription(
        subscription=subscription, at_period_end=False, idempotency_key=order.key, origin=order.origin
    )
    return describe(ended)


def _resume(subscription: Subscription, order: Order) -> str:
    return describe(resume_subscription(subscription=subscription, idempotency_key=order.key, origin=order.origin))


def _unpause(subscription: Subscription, order: Order) -> str:
    return describe(unpause_subscription(subscription=subscription, idempotency_key=order.key, origin=order.origin))


def _sync(subscription: Subscription, order: Order) -> str:
    if not subscription.subscription_id:
        raise InvalidInput(_("Nothing was made at the provider for this subscription."))
    return describe(look_up_subscription(subscription.pk, order.origin))


SUBSCRIPTION_MOVES: Mapping[str, Move] = {
    move.name: move
    for move in (
        Move(
            name="cancel",
            label=gettext_lazy("Cancel at the period's end"),
            question=gettext_lazy("Let this subscription end with the period that was paid for?"),
            question_all=gettext_lazy("Let these subscriptions end with the periods that were paid for?"),
            perform=_cancel,
            is_possible=lambda subscription: subscription.status in CHANGEABLE and not subscription.is_cancelled,
        ),
        Move(
            name="end",
            label=gettext_lazy("Cancel at once"),
            question=gettext_lazy("End this subscription now? It cannot be taken back, and nothing is refunded."),
            question_all=gettext_lazy("End these subscriptions now? It cannot be taken back, and nothing is refunded."),
            perform=_end,
            is_possible=lambda subscription: bool(subscription.subscription_id) and not subscription.has_ended,
        ),
        Move(
            name="resume",
            label=gettext_lazy("Take back the cancellation"),
            question=gettext_lazy("Let this subscription renew again?"),
            question_all=gettext_lazy("Let these subscriptions renew again?"),
            perform=_resume,
            is_possible=lambda subscription: subscription.on_grace_period,
        ),
        Move(
            name="unpause",
            label=gettext_lazy("End the pause"),
            question=gettext_lazy("Collect money for this subscription again?"),
            question_all=gettext_lazy("Collect money for these subscriptions again?"),
            perform=_unpause,
            is_possible=lambda subscription: subscription.is_paused and not subscription.has_ended,
        ),
        Move(
            name="sync",
            label=gettext_lazy("Ask the provider"),
            question=gettext_lazy("Ask the provider where this subscription stands?"),
            question_all="",
            perform=_sync,
            is_possible=lambda subscription: bool(subscription.subscription_id),
            asks_first=False,
        ),
    )
}
