"""Lock the payment that an event is about, and turn a contradiction into a state of the event."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable

from django_stripe_gateway.choices import LogEvent, WebhookState
from django_stripe_gateway.exceptions import ProviderError
from django_stripe_gateway.models import AbstractPayment, UnexpectedPayment, get_payment_model
from django_stripe_gateway.services.accounts import learn_accounts, unknown_accounts
from django_stripe_gateway.services.audit import write_log
from django_stripe_gateway.services.payments.unexpected import note_unexpected
from django_stripe_gateway.services.snapshots import SnapshotMismatch, SupersededAttempt
from django_stripe_gateway.services.transactions import lock_payment, payments_database
from django_stripe_gateway.webhooks.events import Event
from django_stripe_gateway.webhooks.providers import webhook_provider
from django_stripe_gateway.webhooks.registry import FetchNeeded

logger = logging.getLogger(__name__)

TOKEN_LENGTH = 36


def find_payment(
    token: str, ids: Iterable[tuple[str, str]], *, of_unexpected: bool = False, account_id: str = ""
) -> AbstractPayment | None:
    """Return the payment with a token, or with a provider's id, locked, or ``None``.

    Only our own calls write a token, but it may have been copied: an object that another payment names is that one's.

    One indexed column a query: an OR over several would make MariaDB lock every row that it reads.

    Args:
        token: what the event's object says that its payment's token is.
        ids: columns ("transaction_id", "intent_id") and ids, of which empty ones are left out.
        of_unexpected: look also for what holds unexpected money of a payment.
        account_id: the seller's account on which the object is: whose tokens it carries says who writes there, and no
            payment of another account is found, or noted to be contradicted.
    """
    payments = get_payment_model()._default_manager.using(payments_database())
    if account_id:
        payments = payments.filter(account_id=account_id)
    named = [(column, value) for column, value in dict.fromkeys(ids) if value]
    hinted: AbstractPayment | None = None
    if token and len(token) <= TOKEN_LENGTH:
        hinted = payments.select_for_update().filter(token=token).first()
        if hinted is not None and all(getattr(hinted, column) in (None, "", value) for column, value in named):
            return hinted
    for column, value in named:
        pk = payments.filter(**{column: value}).values_list("pk", flat=True).first()
        if pk is not None:
            return lock_payment(pk)
    if hinted is None and of_unexpected:
        for value in [value for column, value in named if column == "intent_id"]:
            rows = UnexpectedPayment.objects.using(payments_database()).filter(intent_id=value)
            rows = rows.filter(payment__account_id=account_id) if account_id else rows
            pk = rows.values_list("payment_id", flat=True).first()
            if pk is not None:
                return lock_payment(pk)
    return hinted


def change_payment(
    event: Event, payment: AbstractPayment | None, change: Callable[[AbstractPayment], object]
) -> WebhookState:
    """Change the locked payment of an event, or none; what contradicts it changes nothing, and is reported.

    So is an event of another account than the payment's, before anything else is looked at.

    Args:
        change: called with the payment; raises ``SnapshotMismatch`` before it has changed anything.
    """
    if payment is None:
        return WebhookState.UNMATCHED
    try:
        if not webhook_provider(event.provider).may_speak_for(event.variant, payment.variant):
            unknown = unknown_accounts(event.variant, payment.variant)
            if unknown:
                # Two keys may be of one account; only the provider can say so, and is asked once.
                raise FetchNeeded(lambda: learn_accounts(unknown))
            raise SnapshotMismatch("account differs")
        change(payment)
    except SupersededAttempt:
        logger.info("The event %s is about an earlier attempt at its payment.", event.id)
    except (SnapshotMismatch, ProviderError) as error:
        _report_mismatch(event, payment, error)
        return WebhookState.MISMATCHED
    except RecursionError:
        _report_mismatch(event, payment, SnapshotMismatch("nested too deeply"))
        return WebhookState.MISMATCHED
    return WebhookState.PROCESSED


def _report_mismatch(event: Event, payment: AbstractPayment, error: Exception) -> None:
    reason = str(error)
    logger.error("The event %s contradicts payment %s: %s.", event.id, payment.pk, reason)
    # The instance may hold values that were set before the contradiction was found.
    payment.refresh_from_db()
    write_log(payment, LogEvent.MISMATCH, event.origin, reason, {"type": event.type})
    note_unexpected(payment, error, event.id)
