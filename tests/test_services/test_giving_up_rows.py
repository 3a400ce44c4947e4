"""Staff give up on what nobody can settle: in the admin, by a permission of its own, with a line in the audit trail."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.core.management import call_command
from django.core.management.base import CommandError
from django.test import Client
from django.utils import timezone

from django_stripe_gateway.exceptions import InvalidInput, WrongState
from django_stripe_gateway.models import BillingOperation, PaymentOperation, Subscription, get_payment_model
from django_stripe_gateway.payments import give_up_operation, give_up_payment
from django_stripe_gateway.subscriptions import give_up_subscription
from tests.factories import make_user
from tests.fake_stripe import FakeStripe
from tests.test_admin.pages import own_url, payment_url, run_action, shown_messages
from tests.test_billing.host import SubscriptionHost

pytestmark = pytest.mark.django_db(transaction=True)

LIVE_KEY = "sk_live_fake"
BODY = {"gateway": "Stripe", "amount": "10.00", "currency": "USD"}


@pytest.fixture
def host(stripe_server: FakeStripe, user: Any, api_client: Any) -> SubscriptionHost:
    """Return a host on the fake Stripe."""
    return SubscriptionHost(stripe_server, user, api_client)


@pytest.fixture
def staff(client: Client) -> Callable[..., Client]:
    """Return a function that logs somebody in with permissions such as "give_up"."""

    def login(*codenames: str) -> Client:
        member = make_user(is_staff=True)
        member.user_permissions.set(Permission.objects.filter(codename__in=codenames))
        client.force_login(member)
        return client

    return login


def start_payment(host: SubscriptionHost) -> Any:
    """Return a payment that waits for its customer."""
    made = host.client.post("/api/v1/payments/create_payment/", BODY, format="json").json()
    return get_payment_model()._default_manager.get(pk=made["payment_id"])


def reconcile() -> str:
    """Reconcile, and return what was said; it must exit with 0."""
    out = StringIO()
    call_command("reconcile", older_than=0, stdout=out)
    return out.getvalue()


def leave_pending(operations: Any) -> None:
    """Let operations look as if their process had died."""
    operations.update(state="pending", leased_until=timezone.now() - timedelta(hours=2))


def test_subscription__of_another_mode(host: SubscriptionHost, settings: Any) -> None:
    before = host.subscribed(host.premium)
    leave_pending(BillingOperation.objects.filter(subscription=before))
    settings.STRIPE_GATEWAY_API_KEY = LIVE_KEY
    ended = give_up_subscription(subscription=before, reason="from the test account")
    assert ended.status == "canceled"
    line = ended.logs.get(event="given_up")
    assert (line.message, line.data["status"]) == ("from the test account", "active")
    assert not BillingOperation.objects.pending().exists()
    assert reconcile()


def test_subscription__the_provider_knows(host: SubscriptionHost) -> None:
    before = host.subscribed(host.premium)
    with pytest.raises(WrongState, match="knows this subscription"):
        give_up_subscription(subscription=before, reason="tired of it")
    with pytest.raises(InvalidInput):
        give_up_subscription(subscription=before, reason=" ")
    before.refresh_from_db()
    assert before.status == "active"


def test_payment__unknown_at_the_provider(host: SubscriptionHost) -> None:
    payment = start_payment(host)
    with pytest.raises(WrongState):
        give_up_payment(payment=payment, reason="test data")
    host.fake.delete_test_data()
    with pytest.raises(CommandError, match="give up"):
        reconcile()
    assert give_up_payment(payment=payment, reason="test data").status == "cancelled"
    assert payment.logs.filter(event="given_up", message="test data").count() == 1
    assert reconcile()


def test_operation__of_what_is_unknown(host: SubscriptionHost) -> None:
    payment = start_payment(host)
    leave_pending(PaymentOperation.objects.filter(payment=payment))
    operation = PaymentOperation.objects.get(payment=payment)
    with pytest.raises(WrongState, match="knows this payment"):
        give_up_operation(operation=operation, reason="test data")
    host.fake.delete_test_data()
    assert give_up_operation(operation=operation, reason="test data").state == "failed"
    assert operation.error["code"] == "given_up"


def test_admin__by_its_own_permission(host: SubscriptionHost, staff: Callable[..., Client], settings: Any) -> None:
    before = host.subscribed(host.premium)
    settings.STRIPE_GATEWAY_API_KEY = LIVE_KEY
    page = own_url("subscription", "give_up", before.pk)
    assert staff("view_subscription", "change_subscription").get(page).status_code == 403
    browser = staff("view_subscription", "give_up")
    asked = browser.get(page)
    assert "Why:" in asked.content.decode()
    key = str(asked.context["form"]["key"].value())
    assert "This field is required" in browser.post(page, {"key": key, "reason": ""}).content.decode()
    answer = browser.post(page, {"key": key, "reason": "of the test account"}, follow=True)
    assert any("Ended" in message for message in shown_messages(answer))
    before.refresh_from_db()
    line = before.logs.get(event="given_up")
    assert (line.source, line.message) == ("admin", "of the test account")
    assert line.actor.startswith("user:")


def test_admin__a_selection(host: SubscriptionHost, staff: Callable[..., Client], settings: Any) -> None:
    payment, before = start_payment(host), host.subscribed(host.premium)
    operations = PaymentOperation.objects.filter(payment=payment)
    leave_pending(operations)
    settings.STRIPE_GATEWAY_API_KEY = LIVE_KEY
    model = payment._meta.model_name
    browser = staff(f"view_{model}", "view_paymentoperation", "view_subscription", "give_up")
    run_action(browser, "give_up_selected", operations.get(), url=own_url("paymentoperation", "changelist"))
    assert operations.get().state == "failed"
    for row, url in ((payment, payment_url("changelist")), (before, own_url("subscription", "changelist"))):
        asked = run_action(browser, "give_up_selected", row, url=url)
        key = str(asked.context["key"])
        run_action(browser, "give_up_selected", row, url=url, confirmed="yes", key=key)
    payment.refresh_from_db()
    assert payment.status == "cancelled"
    assert Subscription.objects.get().status == "canceled"
