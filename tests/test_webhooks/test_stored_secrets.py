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
# The members of Stripe's objects that its API's description says to be addresses.
ADDRESSES = """
    background_image_url cancel_url custom_mandate_url default_return_url doc_url hosted_instructions_url
    hosted_invoice_url hosted_regulatory_receipt_url hosted_verification_url hosted_voucher_url image_data_url
    image_url image_url_png image_url_svg info_url invoice_pdf logo_url mandate_url mobile_auth_url native_url
    pay_later_redirect_url pay_now_redirect_url pay_over_time_redirect_url pdf privacy_policy_url product_url
    qr_code_url receipt_url redirect_url registry_url request_log_url return_url success_url support_url
    terms_of_service_url tracking_url url
""".split()


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
        {"use_stripe_sdk": {"stripe_js": "https://hooks.stripe.com/a?client_secret=src_client_secret_abc"}},
        {"data": "open client_secret=pi_1_secret_2 \\ now"},
        {"redirect_to_url": {"url": "https://pm-redirects.stripe.com/authorize/acct_1/pay/"}},
        {"mobile_auth_url": "https://pay.stripe.com/cashapp/pay/"},
        {"native_url": "alipays://pay/"},
        {"qr": [{"data": "weixin://wxpay/pay/x"}]},
        {"hosted_voucher_url": "https://payments.stripe.com/oxxo/voucher/pay/"},
        {"hosted_verification_url": "https://payments.stripe.com/microdeposit/pay/"},
        {"recovery": {"url": "https://buy.stripe.com/r/pay/"}},
        {"url": "https://verify.stripe.com/start/pay/"},
        {"url": "https://connect.stripe.com/setup/e/acct_1/pay/"},
        {"success_url": "https://shop.example/pay/1?signature=x"},
        {"rel": "approve", "href": "https://www.paypal.com/checkoutnow/pay/?token=5O190127TN364715T"},
        {"refund_url": ["https://a.example/pay/", "HTTPS://b.example/pay/"]},
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
        '{"invoice_pdf": "https://pay.stripe.com/i/1/pdf", "hosted_invoice_url" : "https://invoice.stripe.com/i/1"}',
        '{"links": [{"href": "https://api-m.sandbox.paypal.com/v2/checkout/orders/1", "rel": "up"}]}',
        '{"related_object": {"url": "/v2/core/accounts/acct_1"}, "text": "see https://shop.example, \\"https://x\\""}',
        '{"https://shop.example/a": 1, "b,": "c"}',
        '{"description": "they said \\"client_secret\\": \\"x\\" to me", "n": 1e1000000, "m": 0.10}',
        '{"client_secret": null, "secret": {}, "url": null}',
        '{"url": "',
    ],
)
def test_all_else_stays(body: str) -> None:
    assert without_secrets(body) == body


def test_every_address_of_the_provider() -> None:
    """None is stored but those that invoices' rows are written from."""
    kept = [name for name in ADDRESSES if "://" in without_secrets(json.dumps({name: "https://stripe.example/a?b=c"}))]
    assert kept == ["hosted_invoice_url", "invoice_pdf"]
