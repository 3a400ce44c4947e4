"""What stands around the outbox: staff, doctor, checks, and those who leave."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.core import mail
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from django_stripe_gateway.checks.mails import check_mail_sender, check_mails
from django_stripe_gateway.choices import MailState
from django_stripe_gateway.models import KnownCard, MailMessage
from django_stripe_gateway.services.doctor.stuck import mails
from django_stripe_gateway.services.leaving.erase import erase_owner
from django_stripe_gateway.services.leaving.export import export_owner
from django_stripe_gateway.services.mails import wording
from django_stripe_gateway.services.mails.outbox import store_mail
from django_stripe_gateway.services.mails.send import send_due_mails
from tests.billing_factories import make_customer
from tests.factories import intent_object, make_event, make_paid_payment, make_payment
from tests.test_webhooks.support import deliver

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def sent(user: Any) -> MailMessage:
    """Return an e-mail that was sent."""
    with transaction.atomic():
        store_mail("paid", "x", about=make_paid_payment(owner=user))
    return MailMessage.objects.get()


def staff_client(user: Any, *codenames: str) -> Client:
    user.user_permissions.add(*Permission.objects.filter(codename__in=codenames))
    client = Client()
    client.force_login(user)
    return client


# Off costs nothing


@contextmanager
def statements() -> Iterator[list[str]]:
    found: list[str] = []
    with CaptureQueriesContext(connection) as captured:
        yield found
    found += [query["sql"] for query in captured.captured_queries]


@pytest.mark.parametrize(("turned_on", "expected"), [(False, 0), (["refunded"], 0), (["paid"], 1)])
def test_cost__of_the_confirming_webhook(user: Any, settings: Any, turned_on: Any, expected: int) -> None:
    settings.STRIPE_GATEWAY_MAILS = turned_on
    settings.STRIPE_GATEWAY_MAIL_DELIVERY = "command"
    payment = make_payment(transaction_id="pi_1", intent_id="pi_1", owner=user)
    with statements() as found:
        deliver(make_event("payment_intent.succeeded", intent_object(payment)))
    assert sum("mailmessage" in sql for sql in found) == expected


# Staff


def test_admin__shows_and_sends_again(sent: MailMessage, staff_user: Any) -> None:
    client = staff_client(staff_user, "view_mailmessage", "send_mail_again")
    listed = reverse("admin:django_stripe_gateway_mailmessage_changelist")
    assert b"ada@example.com" in client.get(listed).content
    page = reverse("admin:django_stripe_gateway_mailmessage_change", args=[sent.pk])
    assert next_attempt_on(client, page) == "-"
    body = {"action": "send_again_selected", "_selected_action": [sent.pk]}
    # What was sent is not sent again.
    client.post(listed, body)
    assert MailMessage.objects.get().state == MailState.SENT
    MailMessage.objects.update(state=MailState.UNKNOWN)
    client.post(listed, body)
    assert MailMessage.objects.get().state == MailState.PENDING
    assert str(timezone.now().year) in next_attempt_on(client, page)


def next_attempt_on(client: Any, page: str) -> str:
    """Return what the page of an e-mail says of its next attempt."""
    shown = client.get(page).content.decode().partition("Next attempt:")[2]
    return str(shown.partition('<div class="readonly">')[2].partition("</div>")[0])


def test_admin__who_may_only_look(sent: MailMessage, staff_user: Any) -> None:
    client = staff_client(staff_user, "view_mailmessage")
    MailMessage.objects.update(state=MailState.UNKNOWN)
    listed = reverse("admin:django_stripe_gateway_mailmessage_changelist")
    client.post(listed, {"action": "send_again_selected", "_selected_action": [sent.pk]})
    assert MailMessage.objects.get().state == MailState.UNKNOWN


def test_doctor(sent: MailMessage) -> None:
    assert list(mails(True)) == []
    MailMessage.objects.update(state=MailState.UNKNOWN)
    (finding,) = mails(True)
    assert finding.remedy.endswith("manage.py send_mails --again unknown")


# Checks


def test_check__babel(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    assert check_mails(None) == []
    monkeypatch.setattr(wording, "HAS_BABEL", False)
    assert [found.id for found in check_mails(None)] == ["django_stripe_gateway.E080"]
    settings.STRIPE_GATEWAY_MAILS = False
    assert check_mails(None) == []


@pytest.mark.parametrize("path", ["nowhere.enqueue", "django_stripe_gateway.choices.MAIL"])
def test_check__workers(settings: Any, path: str) -> None:
    settings.STRIPE_GATEWAY_MAIL_DELIVERY = "task"
    settings.STRIPE_GATEWAY_MAIL_ENQUEUE = path
    assert [found.id for found in check_mails(None)] == ["django_stripe_gateway.E081"]


def test_check__sender(settings: Any) -> None:
    assert check_mail_sender(None) == []
    settings.STRIPE_GATEWAY_MAIL_FROM = ""
    assert [found.id for found in check_mail_sender(None)] == ["django_stripe_gateway.W080"]
    settings.DEFAULT_FROM_EMAIL = "shop@example.com"
    assert check_mail_sender(None) == []


# Those who leave


def test_export(sent: MailMessage, user: Any) -> None:
    KnownCard.objects.create(customer=make_customer(user), variant="stripe", provider_id="pm_1", last4="4242")
    exported = export_owner(owner=user)
    assert [row["recipient"] for row in exported["mails"]] == ["ada@example.com"]
    assert [row["last4"] for row in exported["cards"]] == ["4242"]


def test_erase(sent: MailMessage, user: Any, settings: Any) -> None:
    settings.STRIPE_GATEWAY_MAIL_DELIVERY = "command"
    customer = make_customer(user, provider_id=None)
    KnownCard.objects.create(customer=customer, variant="stripe", provider_id="pm_1", last4="4242")
    with transaction.atomic():
        store_mail("paid", "waiting", about=sent.payment)  # type: ignore[arg-type]
    mail.outbox.clear()
    assert erase_owner(owner=user, dry_run=True).erased["mails"] == 2
    assert erase_owner(owner=user).erased["mails"] == 2
    assert set(MailMessage.objects.values_list("recipient", "state")) == {("", "sent"), ("", "skipped")}
    assert not KnownCard.objects.exists()
    assert list(send_due_mails()) == []
    assert mail.outbox == []
