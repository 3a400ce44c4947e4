"""Store an e-mail with the change that it tells: in the same transaction, so that neither is there without the other.

The constraint on its key makes it one e-mail, however often and by how many at once the same is said. What is stored is
sent after the commit; whatever happens to that, the row is still there, and due.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from functools import partial
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.module_loading import import_string

from django_stripe_gateway.conf import gateway_settings
from django_stripe_gateway.models import AbstractPayment, Customer, Invoice, MailMessage, Subscription
from django_stripe_gateway.services.audit import is_history
from django_stripe_gateway.services.mails.occasions import HAPPENED
from django_stripe_gateway.services.mails.send import STALE, send_mail
from django_stripe_gateway.services.transactions import payments_database

logger = logging.getLogger(__name__)

_is_silent: ContextVar[bool] = ContextVar("is_silent", default=False)


@contextmanager
def without_mails() -> Iterator[None]:
    """Write to nobody inside, whatever is announced: this site catches up with what its customers know already."""
    token = _is_silent.set(True)
    try:
        yield
    finally:
        _is_silent.reset(token)


def is_mailed(kind: str, *, livemode: bool) -> bool:
    """Return whether the settings let customers be written to about what happened in a mode."""
    if kind not in gateway_settings.mails:
        return False
    in_test_mode = gateway_settings.mail_test_mode
    return livemode or (settings.DEBUG if in_test_mode is None else in_test_mode)


def store_mail(
    kind: str,
    occurrence: str,
    *,
    about: AbstractPayment | Customer | Invoice | Subscription,
    data: Mapping[str, Any] | None = None,
    happened: datetime | None = None,
) -> None:
    """Add an e-mail to the outbox, inside of the transaction that makes the change; once for each occurrence.

    Args:
        kind: one of ``MailKind``.
        occurrence: what tells it from all others of its kind, such as "invoice:5:attempt-2".
        about: the row whose customer it goes to.
        data: what the rows will not tell any more when it is sent; nothing personal.
        happened: when, if that may have been long ago: what is old is no news.
    """
    if not is_mailed(kind, livemode=about.livemode) or is_history() or _is_silent.get():
        return
    if happened is not None and happened < timezone.now() - STALE:
        return
    key, using, now = f"{kind}:{occurrence}", payments_database(), timezone.now()
    times = {"created": now, "queued": now, "next_attempt": now}
    kept = dict(data or {}) | ({} if happened is None else {HAPPENED: happened.isoformat()})
    row = MailMessage(kind=kind, key=key, data=kept, **times, **_subjects(about))
    # One statement that leaves the transaction intact, whoever was first.
    MailMessage.objects.using(using).bulk_create([row], ignore_conflicts=True)
    transaction.on_commit(partial(deliver_soon, key), using=using, robust=True)


def _subjects(about: AbstractPayment | Customer | Invoice | Subscription) -> dict[str, Any]:
    if isinstance(about, Customer):
        return {"customer_id": about.pk}
    if isinstance(about, Subscription):
        return {"customer_id": about.customer_id, "subscription_id": about.pk}
    if isinstance(about, Invoice):
        return {"customer_id": about.customer_id, "subscription_id": about.subscription_id, "invoice_id": about.pk}
    return {"payment_id": about.pk}


def delivery() -> str:
    """Return who sends what was stored: "inline", "task" or "command"."""
    return gateway_settings.mail_delivery or gateway_settings.webhook_processing


def deliver_soon(key: str) -> None:
    """Send what was just committed, or hand it to a worker; nothing that goes wrong with it reaches the caller."""
    how = delivery()
    if how == "command":
        return
    try:
        pk = MailMessage.objects.using(payments_database()).due().filter(key=key).values_list("pk", flat=True).first()
        if pk is None:
            return
        if how == "task":
            import_string(gateway_settings.mail_enqueue)(pk)
        else:
            send_mail(pk)
    except Exception as error:
        # Its text stays out of the log: a broker's address can hold a password.
        logger.error("An e-mail could not be sent at once (%s); it is left to send_mails.", type(error).__name__)
