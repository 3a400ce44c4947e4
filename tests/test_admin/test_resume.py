"""The action that settles operations whose answer is missing."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.utils import timezone

from django_stripe_gateway.admin import PaymentOperationAdmin
from django_stripe_gateway.exceptions import ProviderUnavailable
from django_stripe_gateway.models import PaymentOperation
from django_stripe_gateway.services.payments.refund import refund_payment
from tests.factories import make_user
from tests.fake_stripe import FakeStripe
from tests.test_admin.pages import own_url, run_action, shown_messages

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def pending_refund(paid_payment: Any, stripe_server: FakeStripe) -> PaymentOperation:
    """Return the operation of a refund that Stripe made and did not answer."""
    payment = paid_payment()
    stripe_server.fault("POST", "/v1/refunds", kind="reset_after")
    with pytest.raises(ProviderUnavailable):
        refund_payment(payment=payment)
    operation: PaymentOperation = payment.operations.pending().get()
    return operation


def resume(client: Client, *operations: PaymentOperation) -> Any:
    return run_action(client, "resume_selected", *operations, url=own_url("paymentoperation", "changelist"))


def test_resume(admin_client: Client, pending_refund: PaymentOperation, stripe_server: FakeStripe) -> None:
    response = resume(admin_client, pending_refund)
    pending_refund.refresh_from_db()
    assert pending_refund.state == "succeeded"
    assert pending_refund.payment.status == "refunded"
    assert len(stripe_server.all("refund")) == 1
    assert "Succeeded" in shown_messages(response)[0]


def test_resume__under_atomic_requests(admin_client: Client, pending_refund: PaymentOperation) -> None:
    from django.db import connection

    connection.settings_dict["ATOMIC_REQUESTS"] = True
    try:
        resume(admin_client, pending_refund)
    finally:
        connection.settings_dict["ATOMIC_REQUESTS"] = False
    pending_refund.refresh_from_db()
    assert pending_refund.state == "succeeded"


def test_resume__somebody_is_working_on_it(admin_client: Client, pending_refund: PaymentOperation) -> None:
    PaymentOperation.objects.update(leased_until=timezone.now() + timedelta(minutes=1))
    response = resume(admin_client, pending_refund)
    pending_refund.refresh_from_db()
    assert pending_refund.state == "pending"
    assert [message.level_tag for message in response.context["messages"]] == ["error"]


def test_resume__provider_still_silent(
    admin_client: Client, pending_refund: PaymentOperation, stripe_server: FakeStripe
) -> None:
    stripe_server.fault("GET", "/v1/refunds", kind="reset_before", times=10)
    response = resume(admin_client, pending_refund)
    assert [message.level_tag for message in response.context["messages"]] == ["warning"]
    stripe_server.clear_faults()


def test_resume__too_many(admin_client: Client, pending_refund: PaymentOperation, monkeypatch: Any) -> None:
    monkeypatch.setattr(PaymentOperationAdmin, "max_operations_per_action", 0)
    response = resume(admin_client, pending_refund)
    assert "at most 0" in shown_messages(response)[0]


def test_resume__needs_the_permission_to_change_payments(client: Client, pending_refund: PaymentOperation) -> None:
    user = make_user(is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__endswith="_paymentoperation"))
    client.force_login(user)
    resume(client, pending_refund)
    pending_refund.refresh_from_db()
    assert pending_refund.state == "pending"
