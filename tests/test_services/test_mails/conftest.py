"""A host that writes to its customers."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import django
import pytest
from django.db import transaction
from rest_framework.test import APIClient

from django_stripe_gateway.adapter import Adapter
from django_stripe_gateway.models import MailMessage
from django_stripe_gateway.services.mails.outbox import store_mail
from tests.factories import make_paid_payment
from tests.fake_smtp import FakeSmtp
from tests.fake_stripe import FakeStripe
from tests.test_billing.host import SubscriptionHost


class GermanAdapter(Adapter):
    """Writes to everybody in German."""

    def language(self, owner: Any) -> str:
        return "de"


@pytest.fixture(autouse=True)
def _mails(settings: Any) -> None:
    """Turn all kinds on, also for what was paid in test mode."""
    settings.STRIPE_GATEWAY_MAILS = True
    settings.STRIPE_GATEWAY_MAIL_TEST_MODE = True
    settings.STRIPE_GATEWAY_MAIL_FROM = "Shop <shop@example.com>"
    settings.STRIPE_GATEWAY_MAIL_SITE_NAME = "Ada's Shop"
    settings.STRIPE_GATEWAY_MAIL_ACCOUNT_URL = "/account/"


@pytest.fixture
def german(settings: Any) -> None:
    """Write to everybody in German."""
    settings.STRIPE_GATEWAY_ADAPTER = f"{__name__}.GermanAdapter"


@pytest.fixture
def host(stripe_server: FakeStripe, user: Any, api_client: APIClient) -> SubscriptionHost:
    """Return a host that sells subscriptions."""
    return SubscriptionHost(stripe_server, user, api_client)


@pytest.fixture
def smtp(settings: Any) -> Iterator[FakeSmtp]:
    """Send to a real server of the test's own."""
    with FakeSmtp() as server:
        send_to(server, settings, timeout=1)
        yield server


def send_to(server: FakeSmtp, settings: Any, *, timeout: float | None) -> None:
    """Let Django send to a server, as its version is told so."""
    backend = "django.core.mail.backends.smtp.EmailBackend"
    if django.VERSION >= (6, 1):
        options = {"host": "127.0.0.1", "port": server.port, "timeout": timeout}
        settings.MAILERS = {"default": {"BACKEND": backend, "OPTIONS": options}}
        return
    settings.EMAIL_BACKEND, settings.EMAIL_TIMEOUT = backend, timeout
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", server.port


def states() -> list[tuple[str, str]]:
    """Return the kinds of all e-mails with their states, the oldest first."""
    return list(MailMessage.objects.order_by("pk").values_list("kind", "state"))


@pytest.fixture
def queued(user: Any, settings: Any) -> MailMessage:
    """Return an e-mail that waits to be sent."""
    settings.STRIPE_GATEWAY_MAIL_DELIVERY = "command"
    payment = make_paid_payment(owner=user)
    with transaction.atomic():
        store_mail("paid", f"payment:{payment.pk}", about=payment)
    return MailMessage.objects.get()


def again(row: MailMessage) -> MailMessage:
    return MailMessage.objects.get(pk=row.pk)


def let_time_pass(**span: Any) -> None:
    """Let delays and leases run out."""
    for row in MailMessage.objects.all():
        MailMessage.objects.filter(pk=row.pk).update(next_attempt=row.next_attempt - timedelta(**span))
