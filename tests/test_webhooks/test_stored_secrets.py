"""What is stored of an event lets nobody act in its customer's name, and can be replayed all the same."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client

from django_stripe_gateway.models import WebhookEvent
from django_stripe_gateway.webhooks.inbox.secrets import without_secrets
from django_stripe_gateway.webhooks.registry import handles
from tests.factories import make_event, make_payment
from tests.test_webhooks.support import deliver

SECRET = "pi_1_secret_abcdef"


def intent_event(**fields: Any) -> dict[str, Any]:
    payment = make_payment(variant="stripe", transaction_id="pi_1", intent_id="pi_1", status="waiting")
    metadata = {"payment_id": str(payment.pk), "token": payment.token}
    intent = {
        "id": "pi_1",
        "object": "payment_intent",
        "amount": 1000,
        "currency": "usd",
        "client_secret": SECRET,
        "status": "requires_payment_method",
        "metadata": metadata,
        "livemode": False,
        **fields,
    }
    return make_event("payment_intent.payment_failed", intent)


@pytest.mark.django_db(transaction=True)
def test_stored_without_secrets(admin_client: Client) -> None:
    deliver(intent_event(latest_charge={"id": "ch_1", "nested": [{"client_secret": "src_client_secret_x"}]}))
    row = WebhookEvent.objects.get()
    assert "_secret_" not in row.body
    assert row.payload["data"]["object"]["client_secret"] is None
    assert row.payload["data"]["object"]["latest_charge"]["nested"] == [{"client_secret": None}]
    state = row.state
    call_command("replay_webhooks", "--all")
    row.refresh_from_db()
    assert row.state == state == "processed"
    page = admin_client.get(f"/admin/django_stripe_gateway/webhookevent/{row.pk}/change/").content.decode()
    assert "_secret_" not in page


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("registry")
def test_failed_event() -> None:
    """One whose handler raises is stored apart, and without secrets as well."""

    def fail(event: Any) -> None:
        raise ValueError("no")

    handles("payment_intent.payment_failed")(fail)
    assert deliver(intent_event()).status_code == 500
    assert "_secret_" not in WebhookEvent.objects.get().body


@pytest.mark.django_db(transaction=True)
def test_workers(settings: Any) -> None:
    settings.STRIPE_GATEWAY_WEBHOOK_PROCESSING = "task"
    settings.STRIPE_GATEWAY_WEBHOOK_ENQUEUE = "tests.test_webhooks.test_stored_secrets.drop"
    deliver(intent_event())
    assert "_secret_" not in WebhookEvent.objects.get().body


def drop(event_pk: int) -> None:
    """Lose an event on its way."""


@pytest.mark.parametrize(
    "event",
    [
        {"client_secret": "a_secret_b"},
        {"a": [{"confirmation_secret": {"client_secret": "pi_1_secret_2", "type": "payment_intent"}}]},
        {"object": "ephemeral_key", "secret": "ek_test_1"},
        {"client_secret": 'with "quotes" and \\ backslashes'},
        {"object": "billing_portal.session", "url": "https://billing.stripe.com/p/session/test_x"},
        {"object": "checkout.session", "url": "https://pay.shop.example/c/pay/cs_live_1#fid"},
        {"redirect_to_url": {"url": "https://hooks.stripe.com/redirect/a?client_secret=src_client_secret_1"}},
    ],
)
def test_secrets(event: dict[str, Any]) -> None:
    for body in (json.dumps(event), json.dumps(event, indent=2), json.dumps(event).replace("/", "\\/")):
        left = without_secrets(body)
        assert json.loads(left).keys() == event.keys()
        assert not any(word in left for word in ("_secret_", "ek_test", "session/", "pay/", "quotes"))


@pytest.mark.parametrize(
    "body",
    [
        '{"url": "https://shop.example/orders/1", "hosted_invoice_url": "https://invoice.stripe.com/i/1"}',
        '{"description": "they said \\"client_secret\\": \\"x\\" to me", "n": 1e1000000, "m": 0.10}',
        '{"client_secret": null, "secret": {}, "url": null}',
        '{"url": "',
    ],
)
def test_all_else_stays(body: str) -> None:
    assert without_secrets(body) == body
