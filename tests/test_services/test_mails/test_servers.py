"""What mail servers do: take, refuse, hang, hang up."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from django_stripe_gateway.choices import MailState
from django_stripe_gateway.models import MailMessage
from django_stripe_gateway.services.mails import outbox, send
from django_stripe_gateway.services.mails.send import send_due_mails, send_mail
from tests.factories import intent_object, make_event, make_payment
from tests.fake_smtp import FakeSmtp
from tests.test_services.test_mails.conftest import again, let_time_pass, send_to
from tests.test_webhooks.support import deliver

pytestmark = pytest.mark.django_db(transaction=True)


def test_taken(queued: MailMessage, smtp: FakeSmtp) -> None:
    send_mail(queued.pk)
    (message,) = smtp.taken
    assert (message["To"], message["From"]) == ("ada@example.com", "Shop <shop@example.com>")
    assert message["Message-ID"].endswith("@shop.test>")
    assert message["Auto-Submitted"] == "auto-generated"
    assert [part.get_content_type() for part in message.walk()] == [
        "multipart/alternative",
        "text/plain",
        "text/html",
    ]


def test_nobody_listens__is_tried_again_and_then_given_up(queued: MailMessage, smtp: FakeSmtp, settings: Any) -> None:
    settings.STRIPE_GATEWAY_MAIL_MAX_ATTEMPTS = 3
    smtp.close()
    waits = []
    for _attempt in range(3):
        before = timezone.now()
        send_mail(queued.pk)
        row = again(queued)
        waits.append(round((row.next_attempt - before).total_seconds() / 60))
        assert send_mail(queued.pk) is None or row.state == MailState.DEAD
        let_time_pass(hours=7)
    assert waits[:2] == [1, 2]
    assert again(queued).state == MailState.DEAD
    assert again(queued).error == "ConnectionRefusedError"
    assert list(send_due_mails()) == []


def test_hangs__nobody_waits_longer_than_the_timeout(queued: MailMessage, smtp: FakeSmtp) -> None:
    smtp.hang = True
    send_mail(queued.pk)
    row = again(queued)
    assert (row.state, row.attempts, row.error) == (MailState.PENDING, 1, "SMTPServerDisconnected")


def test_no_timeout_in_the_settings__is_bounded_all_the_same(
    queued: MailMessage, smtp: FakeSmtp, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    send_to(smtp, settings, timeout=None)
    monkeypatch.setattr(send, "TIMEOUT", 1)
    smtp.hang = True
    send_mail(queued.pk)
    assert again(queued).error == "SMTPServerDisconnected"


def test_recipient_refused__for_good(queued: MailMessage, smtp: FakeSmtp) -> None:
    smtp.rcpt = "550 no such user"
    send_mail(queued.pk)
    assert again(queued).state == MailState.DEAD


def test_recipient_refused__for_now(queued: MailMessage, smtp: FakeSmtp) -> None:
    smtp.rcpt = "450 greylisted"
    send_mail(queued.pk)
    assert again(queued).state == MailState.PENDING
    smtp.rcpt = "250 ok"
    let_time_pass(minutes=2)
    send_mail(queued.pk)
    assert again(queued).state == MailState.SENT
    assert len(smtp.taken) == 1


def test_message_refused(queued: MailMessage, smtp: FakeSmtp) -> None:
    smtp.data = "451 try later"
    send_mail(queued.pk)
    row = again(queued)
    assert (row.state, row.error) == (MailState.PENDING, "SMTPDataError 451")


def test_hangs_up_when_it_has_it__is_not_sent_again(queued: MailMessage, smtp: FakeSmtp) -> None:
    smtp.drop_after_data = True
    send_mail(queued.pk)
    assert again(queued).state == MailState.UNKNOWN
    let_time_pass(hours=7)
    assert list(send_due_mails()) == []
    assert len(smtp.taken) == 1


def test_down__the_webhook_is_answered_all_the_same(user: Any, smtp: FakeSmtp) -> None:
    smtp.hang = True
    payment = make_payment(transaction_id="pi_1", intent_id="pi_1", owner=user)
    assert deliver(make_event("payment_intent.succeeded", intent_object(payment))).status_code == 200
    payment.refresh_from_db()
    assert payment.status == "confirmed"
    assert MailMessage.objects.get().state == MailState.PENDING


def test_confirmed_first_then_sent(user: Any, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is sent, and no host's code is run, inside of the transaction."""
    seen = []
    monkeypatch.setattr(outbox, "send_mail", lambda pk: seen.append(connection.in_atomic_block))
    payment = make_payment(transaction_id="pi_1", intent_id="pi_1", owner=user)
    deliver(make_event("payment_intent.succeeded", intent_object(payment)))
    assert seen == [False]
