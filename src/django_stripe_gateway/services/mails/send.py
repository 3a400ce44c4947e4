"""Send what is in the outbox: each e-mail once, by whoever claims it first.

An e-mail is held by a lease while it is written, and nothing was sent if its holder dies; then it is due again. Before
it is handed to the server that is noted: from here on nobody can say what a sender has done that does not come back. It
is not sent a second time by itself. It becomes ``unknown``, for staff to see and to decide.
"""

from __future__ import annotations

import logging
import smtplib
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.core import mail as django_mail
from django.db.models import F
from django.utils import timezone

from django_stripe_gateway.choices import MailState
from django_stripe_gateway.conf import gateway_settings
from django_stripe_gateway.models import MailMessage
from django_stripe_gateway.models.mails import MailMessageQuerySet
from django_stripe_gateway.services.mails.letters import Letter, write_letter
from django_stripe_gateway.services.mails.occasions import NotNeeded
from django_stripe_gateway.services.transactions import payments_database

logger = logging.getLogger(__name__)

BATCH = 200
# Longer than all waits for a server together.
LEASE = timedelta(minutes=10)
# For servers of projects that bound nothing: no webhook waits for ever.
TIMEOUT = 10
FIRST_DELAY, LONGEST_DELAY = timedelta(minutes=1), timedelta(hours=6)
# What is older is no news any more.
STALE = timedelta(days=7)
# What a server answers that has not taken an e-mail.
REFUSALS = (smtplib.SMTPResponseException, smtplib.SMTPRecipientsRefused, smtplib.SMTPNotSupportedError)
PERMANENT = 500
SUBJECTS = ("payment", "customer__owner", "subscription__plan", "subscription__pricing", "invoice")
FINAL = (MailState.SENT, MailState.SKIPPED)
KILLED = "its sender died while handing it over"


class NotTaken(Exception):
    """No server has the e-mail, for certain."""

    def __init__(self, problem: str, *, is_final: bool = False) -> None:
        super().__init__(problem)
        self.is_final = is_final


def stored_mails() -> MailMessageQuerySet:
    """Return the outbox, in the database that is written to."""
    return MailMessage.objects.using(payments_database())


def send_due_mails() -> Iterator[MailMessage]:
    """Send every e-mail that is due, once in this run, and yield each as it is afterwards; what lapsed first."""
    yield from note_lapsed()
    last = 0
    while due := list(stored_mails().due().filter(pk__gt=last).order_by("pk").values_list("pk", flat=True)[:BATCH]):
        last = due[-1]
        for pk in due:
            sent = send_mail(pk)
            if sent is not None:
                yield sent


def note_lapsed() -> list[MailMessage]:
    """Give up on what was being handed over by somebody who died; return it."""
    now = timezone.now()
    found = list(stored_mails().lapsed(now).order_by("pk")[:BATCH])
    return [row for row in found if _settle(row, MailState.UNKNOWN, KILLED)]


def send_mail(mail_pk: int) -> MailMessage | None:
    """Send one e-mail, unless it is settled or another process holds it; return it as it is afterwards.

    It can be called again, early, late, or by several workers at once. Whatever goes wrong is noted on the row.
    """
    row = _claim(mail_pk)
    if row is None:
        return None
    try:
        if row.queued < timezone.now() - STALE:
            raise NotNeeded("it is too old")
        _send(row, write_letter(row))
    except NotNeeded as reason:
        _settle(row, MailState.SKIPPED, str(reason))
    except NotTaken as problem:
        _note_failure(row, str(problem), is_final=problem.is_final)
    except Exception as error:
        if row.state == MailState.PENDING:
            # A template, the adapter, the database: it was not handed over.
            logger.exception("The e-mail %s could not be written.", row.pk)
            _note_failure(row, type(error).__name__)
        else:
            logger.error("Nobody knows whether the e-mail %s was sent (%s).", row.pk, type(error).__name__)
            _settle(row, MailState.UNKNOWN, type(error).__name__)
    return row


def _claim(mail_pk: int) -> MailMessage | None:
    now = timezone.now()
    leased = now + LEASE
    if not stored_mails().due(now).filter(pk=mail_pk).update(next_attempt=leased, attempts=F("attempts") + 1):
        return None
    # Somebody who erases, or claims what has lapsed, may have been faster.
    return stored_mails().select_related(*SUBJECTS).filter(pk=mail_pk, next_attempt=leased).first()


def _send(row: MailMessage, letter: Letter) -> None:
    connection = _connected()
    try:
        row.recipient, row.language = letter.recipient, letter.language
        if not _move(row, MailState.SENDING, ["recipient", "language"]):
            return
        _hand_over(connection, letter)
        row.sent = timezone.now()
        _settle(row, MailState.SENT, "")
    finally:
        _close(connection)


def _connected() -> Any:
    """Return a connection to the server that is open, as far as the backend has one.

    Raises:
        NotTaken: there is none.
    """
    try:
        # Django 6.1 has several, and finds them there once a project says so.
        is_named = hasattr(django_mail, "mailers") and getattr(settings, "MAILERS", None)
        connection: Any = django_mail.mailers["default"] if is_named else django_mail.get_connection()
        if getattr(connection, "timeout", 0) is None:
            connection.timeout = TIMEOUT
        connection.open()
    except Exception as error:
        raise NotTaken(_problem(error)) from error
    return connection


def _hand_over(connection: Any, letter: Letter) -> None:
    try:
        count = connection.send_messages([letter.message])
    except smtplib.SMTPRecipientsRefused as error:
        codes = [code for code, _text in error.recipients.values()]
        is_final = bool(codes) and all(code >= PERMANENT for code in codes)
        raise NotTaken(_problem(error), is_final=is_final) from error
    except REFUSALS as error:
        raise NotTaken(_problem(error)) from error
    except Exception as error:
        status = getattr(error, "status_code", None)
        if isinstance(status, int) and 400 <= status < PERMANENT:
            # A service that is called over HTTP has refused it.
            raise NotTaken(_problem(error)) from error
        raise
    if not count:
        raise NotTaken("not taken")


def _close(connection: Any) -> None:
    try:
        connection.close()
    except Exception:
        logger.debug("The mail server has closed the connection first.")


def _problem(error: Exception) -> str:
    code = getattr(error, "smtp_code", None) or getattr(error, "status_code", None)
    return f"{type(error).__name__}{f' {code}' if isinstance(code, int) else ''}"


def _note_failure(row: MailMessage, problem: str, *, is_final: bool = False) -> None:
    if is_final or row.attempts >= gateway_settings.mail_max_attempts:
        logger.error("The e-mail %s is dead: %s.", row.pk, problem)
        _settle(row, MailState.DEAD, problem)
        return
    delay = min(FIRST_DELAY * 2 ** (row.attempts - 1), LONGEST_DELAY)
    logger.warning("The e-mail %s was not sent (%s), and is tried again.", row.pk, problem)
    _settle(row, MailState.PENDING, problem, next_attempt=timezone.now() + delay)


def _settle(row: MailMessage, state: str, error: str, *, next_attempt: datetime | None = None) -> bool:
    row.error = error[:128]
    changed = ["error", "sent"]
    if next_attempt is None:
        return _move(row, state, changed)
    return _move(row, state, changed, next_attempt=next_attempt)


def _move(row: MailMessage, state: str, columns: Sequence[str], *, next_attempt: datetime | None = None) -> bool:
    """Write a row's state if this process still holds it: the end of the lease is the token that says so."""
    held = row.next_attempt
    values = {name: getattr(row, name) for name in columns} | {"state": state}
    if next_attempt is not None:
        values["next_attempt"] = row.next_attempt = next_attempt
    row.state = state
    return bool(stored_mails().filter(pk=row.pk, next_attempt=held).exclude(state__in=FINAL).update(**values))


def send_again(mails: MailMessageQuerySet) -> int:
    """Let e-mails that were given up, or of which nobody knows, be sent once more; return how many that are."""
    now = timezone.now()
    rows = mails.filter(state__in=(MailState.DEAD, MailState.UNKNOWN))
    return rows.update(state=MailState.PENDING, attempts=0, next_attempt=now, queued=now, error="")


def purgeable_mails(before: datetime) -> MailMessageQuerySet:
    """Return the e-mails that were sent, or not needed, and were queued before a time."""
    return stored_mails().filter(state__in=FINAL, queued__lt=before)


def purge_mails(before: datetime, batch_size: int) -> Iterator[int]:
    """Delete what is settled and was queued before a time, so many at a time, and yield how many."""
    while True:
        pks = list(purgeable_mails(before).order_by("pk").values_list("pk", flat=True)[:batch_size])
        if not pks:
            return
        stored_mails().filter(pk__in=pks).delete()
        yield len(pks)
