"""The page of one payment: what is shown, what can be edited, what is not there."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from payments import get_payment_model

from django_stripe_gateway.models import PaymentLog, PaymentOperation, Refund
from tests.factories import make_paid_payment, make_payment
from tests.test_admin.pages import payment_url

pytestmark = pytest.mark.django_db

UNTOUCHED = {"order_id": "", "description": "", "metadata": "{}"}
FORMSETS = {
    f"{prefix}-{name}_FORMS": "0"
    for prefix in ("refunds", "disputes", "operations", "logs")
    for name in ("TOTAL", "INITIAL")
}


def save(client: Client, payment: Any, **data: Any) -> Any:
    return client.post(payment_url("change", payment.pk), UNTOUCHED | FORMSETS | data, follow=True)


def test_page__shows_money_and_history(admin_client: Client) -> None:
    payment = make_paid_payment(refunded_amount=4)
    PaymentLog.objects.create(payment=payment, event="mismatch", message="amount differs")
    Refund.objects.create(payment=payment, provider_id="re_shown", amount=4, currency="USD")
    PaymentOperation.objects.create(payment=payment, kind="refund", amount=4, leased_until=payment.created)
    content = admin_client.get(payment_url("change", payment.pk)).content.decode()
    for text in ("10.00 USD", "4.00 USD", "re_shown", "amount differs", payment.intent_id):
        assert text in content


def test_page__number_of_queries_is_constant(admin_client: Client) -> None:
    payment = make_paid_payment()
    # The type of the content is asked for once and remembered, until a test empties the tables.
    assert admin_client.get(payment_url("change", payment.pk)).status_code == 200
    counts = []
    for _round in range(2):
        for _number in range(5):
            PaymentLog.objects.create(payment=payment, event="updated")
            Refund.objects.create(payment=payment, amount=1, currency="USD")
            PaymentOperation.objects.create(payment=payment, kind="refund", amount=1, leased_until=payment.created)
        with CaptureQueriesContext(connection) as queries:
            assert admin_client.get(payment_url("change", payment.pk)).status_code == 200
        counts.append(len(queries))
    assert counts[0] == counts[1] <= 9


def test_page__no_secrets(admin_client: Client) -> None:
    extra = {
        "session": {
            "id": "cs_test_shown",
            "client_secret": "cs_secret_hidden",
            "success_url": "https://x/?signature=s1",
        },
        "paypal_access_token": "token_hidden",
    }
    payment = make_payment(extra_data=json.dumps(extra))
    content = admin_client.get(payment_url("change", payment.pk)).content.decode()
    assert "cs_test_shown" in content
    for secret in ("cs_secret_hidden", "token_hidden", "signature=s1", payment.token):
        assert secret not in content


@pytest.mark.parametrize("extra_data", ["", "not json", "[1]", '{"other": 1}'])
def test_page__survives_any_extra_data(admin_client: Client, extra_data: str) -> None:
    payment = make_payment(extra_data=extra_data, currency="XXX")
    assert admin_client.get(payment_url("change", payment.pk)).status_code == 200


def test_save__money_and_state_stay(admin_client: Client) -> None:
    payment = make_paid_payment()
    before = get_payment_model().objects.values().get(pk=payment.pk)
    forged = {"total": "1", "captured_amount": "0", "refunded_amount": "9", "status": "refunded", "currency": "EUR"}
    forged |= {"transaction_id": "cs_forged", "intent_id": "pi_forged", "extra_data": "{}", "owner": "1", "token": "t"}
    response = save(admin_client, payment, description="a present", metadata='{"a": 1}', **forged)
    assert response.status_code == 200
    after = get_payment_model().objects.values().get(pk=payment.pk)
    changed = {name for name, value in after.items() if value != before[name]}
    assert changed == {"description", "metadata", "modified"}
    assert after["metadata"] == {"a": 1}


def test_save__does_not_undo_what_the_provider_wrote_meanwhile(admin_client: Client, monkeypatch: Any) -> None:
    payment = make_payment()
    model = get_payment_model()
    from django_stripe_gateway.admin import PaymentAdmin

    original = PaymentAdmin.save_model

    def save_late(self: Any, request: Any, obj: Any, form: Any, change: bool) -> None:
        # A webhook comes between the reading of the row and its saving.
        model.objects.filter(pk=payment.pk).update(status="confirmed", captured_amount=10)
        original(self, request, obj, form, change)

    monkeypatch.setattr(PaymentAdmin, "save_model", save_late)
    save(admin_client, payment, order_id="4711")
    payment.refresh_from_db()
    assert (payment.order_id, payment.status, payment.captured_amount) == ("4711", "confirmed", 10)


def test_page__nothing_to_add_or_delete(admin_client: Client) -> None:
    payment = make_payment()
    assert admin_client.get(payment_url("add")).status_code == 403
    assert admin_client.post(payment_url("delete", payment.pk), {"post": "yes"}).status_code == 403
    content = admin_client.get(payment_url("change", payment.pk)).content.decode()
    assert "deletelink" not in content


@pytest.mark.parametrize(
    ("status", "actions"),
    [
        ("waiting", {"cancel", "sync", "give_up"}),
        ("preauth", {"capture", "cancel", "sync", "give_up"}),
        ("confirmed", {"refund", "sync", "fees"}),
        ("refunded", {"sync", "fees"}),
        ("cancelled", {"sync"}),
    ],
)
def test_page__offers_what_the_state_allows(admin_client: Client, status: str, actions: set[str]) -> None:
    payment = make_paid_payment(status=status)
    response = admin_client.get(payment_url("change", payment.pk))
    assert {action["name"] for action in response.context["possible_actions"]} == actions
    for action in response.context["possible_actions"]:
        assert f'href="{action["url"]}"' in response.content.decode()


def test_page__viewer_is_offered_nothing(staff_client: Any) -> None:
    payment = make_paid_payment()
    response = staff_client("view_payment").get(payment_url("change", payment.pk))
    assert response.status_code == 200
    assert response.context["possible_actions"] == []
