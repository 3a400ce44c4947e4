"""Sent once, by whoever claims it, and what becomes of it when its sender dies."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.utils import timezone

from django_stripe_gateway.adapter import Adapter
from django_stripe_gateway.choices import MailState
from django_stripe_gateway.models import MailMessage
from django_stripe_gateway.services.mails import letters, outbox, send
from django_stripe_gateway.services.mails.outbox import store_mail
from django_stripe_gateway.services.mails.send import send_again, send_due_mails, send_mail, stored_mails
from tests.factories import intent_object, make_event, make_paid_payment, make_payment
from tests.fake_smtp import FakeSmtp
from tests.test_services.test_mails.conftest import again, let_time_pass
from tests.test_webhooks.support import deliver, in_threads

pytestmark = pytest.mark.django_db(transaction=True)


class Killed(BaseException):
    """The process is gone."""


def killed(*args: Any, **kwargs: Any) -> None:
    raise Killed


# Once


def test_stored__with_the_change_or_not_at_all(user: Any) -> None:
    payment = make_paid_payment(owner=user)
    with transaction.atomic():
        store_mail("paid", "x", about=payment)
        transaction.set_rollback(True)
    assert not MailMessage.objects.exists()
    assert mail.outbox == []


def test_stored__twice_leaves_the_transaction_intact(user: Any) -> None:
    payment = make_paid_payment(owner=user)
    with transaction.atomic():
        for _time in range(2):
            store_mail("paid", "x", about=payment)
        payment.order_id = "7"
        payment.save()
    payment.refresh_from_db()
    assert payment.order_id == "7"
    assert len(mail.outbox) == 1


def test_two_sweepers__send_once(queued: MailMessage, smtp: FakeSmtp) -> None:
    found = in_threads([lambda: list(send_due_mails())] * 4, 4)
    assert sum(map(len, found)) == 1
    assert len(smtp.taken) == 1
    assert again(queued).state == MailState.SENT


def test_handler_and_sweeper__send_once(user: Any, smtp: FakeSmtp) -> None:
    payment = make_payment(transaction_id="pi_1", intent_id="pi_1", owner=user)
    events = [make_event("payment_intent.succeeded", intent_object(payment)) for _number in range(2)]
    calls: list[Callable[[], Any]] = [lambda event=event: deliver(event) for event in events]  # type: ignore[misc]
    calls += [lambda: list(send_due_mails())] * 2
    in_threads(calls, len(calls))
    list(send_due_mails())
    assert len(smtp.taken) == 1
    assert MailMessage.objects.get().state == MailState.SENT


def test_many_store_the_same__one_row(user: Any, settings: Any) -> None:
    settings.STRIPE_GATEWAY_MAIL_DELIVERY = "command"
    payment = make_paid_payment(owner=user)

    def store() -> None:
        with transaction.atomic():
            store_mail("paid", "same", about=payment)

    in_threads([store] * (4 if connection.vendor == "sqlite" else 12), 4 if connection.vendor == "sqlite" else 12)
    assert MailMessage.objects.count() == 1


# Killed


def test_killed_after_commit__is_sent_later(user: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    payment = make_payment(transaction_id="pi_1", intent_id="pi_1", owner=user)
    with monkeypatch.context() as patch:
        patch.setattr(outbox, "send_mail", killed)
        with pytest.raises(Killed):
            deliver(make_event("payment_intent.succeeded", intent_object(payment)))
    payment.refresh_from_db()
    assert payment.status == "confirmed"
    assert mail.outbox == []
    list(send_due_mails())
    assert len(mail.outbox) == 1


def test_killed_while_it_is_written__is_sent_when_the_lease_is_over(
    queued: MailMessage, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(send, "write_letter", killed)
        with pytest.raises(Killed):
            send_mail(queued.pk)
    assert list(send_due_mails()) == []
    let_time_pass(minutes=11)
    assert [row.state for row in send_due_mails()] == [MailState.SENT]
    assert len(mail.outbox) == 1


@pytest.mark.parametrize("is_taken", [False, True])
def test_killed_while_it_is_handed_over__is_not_sent_again(
    queued: MailMessage, monkeypatch: pytest.MonkeyPatch, is_taken: bool
) -> None:
    """Nobody knows whether the server has it: staff see that, and decide."""
    hand_over = send._hand_over

    def die(*args: Any) -> None:
        if is_taken:
            hand_over(*args)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(send, "_hand_over", die)
        with pytest.raises(Killed):
            send_mail(queued.pk)
    let_time_pass(minutes=11)
    assert [row.state for row in send_due_mails()] == [MailState.UNKNOWN]
    assert list(send_due_mails()) == []
    assert len(mail.outbox) == is_taken
    assert send_again(stored_mails()) == 1
    assert [row.state for row in send_due_mails()] == [MailState.SENT]


def test_killed_before_it_is_marked(queued: MailMessage, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(send, "_settle", killed)
        with pytest.raises(Killed):
            send_mail(queued.pk)
    assert len(mail.outbox) == 1
    let_time_pass(minutes=11)
    list(send_due_mails())
    assert len(mail.outbox) == 1
    assert again(queued).state == MailState.UNKNOWN


def test_slow_sender__who_has_lost_the_lease_sends_nothing(
    queued: MailMessage, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = letters.write_letter

    def meanwhile(row: Any) -> Any:
        monkeypatch.setattr(send, "write_letter", write)
        let_time_pass(minutes=11)
        assert [found.state for found in send_due_mails()] == [MailState.SENT]
        return write(row)

    monkeypatch.setattr(send, "write_letter", meanwhile)
    send_mail(queued.pk)
    assert len(mail.outbox) == 1
    assert again(queued).state == MailState.SENT


# What a host does


class PickyAdapter(Adapter):
    def wants_mail(self, kind: str, owner: Any) -> bool:
        return False


class BrokenAdapter(Adapter):
    def mail_recipient(self, owner: Any, payment: Any = None) -> str:
        raise ZeroDivisionError


class HostileAdapter(Adapter):
    def mail_recipient(self, owner: Any, payment: Any = None) -> str:
        return "ada@example.com\nBcc: everybody@example.com"


@pytest.mark.parametrize(
    ("name", "state", "error"),
    [
        ("PickyAdapter", MailState.SKIPPED, "the adapter says no"),
        ("BrokenAdapter", MailState.PENDING, "ZeroDivisionError"),
        ("HostileAdapter", MailState.SKIPPED, "there is no address"),
    ],
)
def test_adapter(queued: MailMessage, settings: Any, name: str, state: str, error: str) -> None:
    settings.STRIPE_GATEWAY_ADAPTER = f"{__name__}.{name}"
    send_mail(queued.pk)
    assert (again(queued).state, again(queued).error) == (state, error)
    assert mail.outbox == []


def test_name_of_an_owner__begins_no_header(queued: MailMessage, user: Any, settings: Any) -> None:
    user.first_name, user.last_name = "Ada\r\nBcc: x@example.com", "<script>"
    user.save()
    settings.STRIPE_GATEWAY_MAIL_SITE_NAME = "Shop\nBcc: y@example.com"
    send_mail(queued.pk)
    (message,) = mail.outbox
    assert message.subject == "Your payment of $10.00 to Shop Bcc: y@example.com"
    assert "Hello Ada Bcc: x@example.com <script>," in message.body
    assert "&lt;script&gt;" in message.alternatives[0][0]
    assert "<script>" not in message.alternatives[0][0]


def test_too_old(queued: MailMessage) -> None:
    MailMessage.objects.update(queued=timezone.now() - timedelta(days=8))
    send_mail(queued.pk)
    assert again(queued).error == "it is too old"


def test_of_another_account(queued: MailMessage, settings: Any) -> None:
    settings.STRIPE_GATEWAY_API_KEY = "sk_live_other"
    send_mail(queued.pk)
    assert again(queued).error == "it is of another account or mode"


def test_template__of_the_hosts(queued: MailMessage, settings: Any, tmp_path: Any) -> None:
    folder = tmp_path / "django_stripe_gateway" / "mail"
    folder.mkdir(parents=True)
    (folder / "paid.subject.txt").write_text("Thanks for {{ amount }}\n\n")
    settings.TEMPLATES = [{**settings.TEMPLATES[0], "DIRS": [tmp_path]}]
    send_mail(queued.pk)
    assert mail.outbox[0].subject == "Thanks for $10.00"


def test_template__that_is_broken_is_tried_again(queued: MailMessage, settings: Any, tmp_path: Any) -> None:
    folder = tmp_path / "django_stripe_gateway" / "mail"
    folder.mkdir(parents=True)
    (folder / "paid.txt").write_text("{% nonsense %}")
    settings.TEMPLATES = [{**settings.TEMPLATES[0], "DIRS": [tmp_path]}]
    send_mail(queued.pk)
    assert (again(queued).state, again(queued).error) == (MailState.PENDING, "TemplateSyntaxError")


# The command, and tasks


def test_command(queued: MailMessage, capsys: Any) -> None:
    call_command("send_mails")
    assert "sent  1" in capsys.readouterr().out


def test_command__says_what_may_not_have_arrived(queued: MailMessage, smtp: FakeSmtp, capsys: Any) -> None:
    smtp.rcpt = "550 no such user"
    with pytest.raises(CommandError, match="given up"):
        call_command("send_mails")
    smtp.rcpt = "250 ok"
    call_command("send_mails", again="dead")
    assert "taken up again  1" in capsys.readouterr().out
    assert again(queued).state == MailState.SENT


ENQUEUED: list[int] = []


def enqueue(pk: int) -> None:
    ENQUEUED.append(pk)


def enqueue_nowhere(pk: int) -> None:
    raise ConnectionError("amqp://user:secret@broker")


@pytest.fixture
def _clean() -> Iterator[None]:
    ENQUEUED.clear()
    yield
    ENQUEUED.clear()


@pytest.mark.usefixtures("_clean")
def test_task(user: Any, settings: Any) -> None:
    settings.STRIPE_GATEWAY_MAIL_DELIVERY = "task"
    settings.STRIPE_GATEWAY_MAIL_ENQUEUE = f"{__name__}.enqueue"
    payment = make_payment(transaction_id="pi_1", intent_id="pi_1", owner=user)
    deliver(make_event("payment_intent.succeeded", intent_object(payment)))
    row = MailMessage.objects.get()
    assert [row.pk] == ENQUEUED
    assert mail.outbox == []
    assert [send_mail(pk) is None for pk in [row.pk, row.pk]] == [False, True]
    assert len(mail.outbox) == 1


def test_task__of_django(user: Any, settings: Any) -> None:
    pytest.importorskip("django_tasks")
    from django_stripe_gateway.services.mails import tasks

    settings.TASKS = {"default": {"BACKEND": "django_tasks.backends.immediate.ImmediateBackend", "QUEUES": []}}
    settings.STRIPE_GATEWAY_WEBHOOK_PROCESSING = "inline"
    settings.STRIPE_GATEWAY_MAIL_DELIVERY = "task"
    payment = make_payment(transaction_id="pi_1", intent_id="pi_1", owner=user)
    deliver(make_event("payment_intent.succeeded", intent_object(payment)))
    assert len(mail.outbox) == 1
    assert tasks.send_mail_message.call(MailMessage.objects.get().pk) == ""


def test_task__no_queue(user: Any, settings: Any, caplog: Any) -> None:
    settings.STRIPE_GATEWAY_MAIL_DELIVERY = "task"
    settings.STRIPE_GATEWAY_MAIL_ENQUEUE = f"{__name__}.enqueue_nowhere"
    payment = make_payment(transaction_id="pi_1", intent_id="pi_1", owner=user)
    assert deliver(make_event("payment_intent.succeeded", intent_object(payment))).status_code == 200
    assert "secret" not in caplog.text
    list(send_due_mails())
    assert len(mail.outbox) == 1


def test_purge(queued: MailMessage, capsys: Any) -> None:
    send_mail(queued.pk)
    MailMessage.objects.update(queued=timezone.now() - timedelta(days=91))
    call_command("purge_webhook_events", dry_run=True)
    assert MailMessage.objects.exists()
    call_command("purge_webhook_events")
    assert "1 e-mails deleted." in capsys.readouterr().out
    assert not MailMessage.objects.exists()
