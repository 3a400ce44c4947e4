"""Accounts that close with something in them that nobody here can be asked about: another mode, or lost."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db.models import ProtectedError
from django.utils import timezone
from payments import get_payment_model

from django_stripe_gateway.exceptions import WrongState
from django_stripe_gateway.models import Customer, Subscription
from django_stripe_gateway.models.provider_accounts import known_accounts
from django_stripe_gateway.payments import create_payment, give_up_payment
from django_stripe_gateway.subscriptions import close_account, erase_owner, give_up_subscription
from tests.factories import make_payment
from tests.test_billing.host import SubscriptionHost
from tests.test_billing.rows import only_one
from tests.test_billing.test_leaving import outcomes, statuses

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _asked(settings: Any) -> Iterator[None]:
    settings.STRIPE_GATEWAY_ACCOUNT_ID = ""
    known_accounts.forget()
    yield
    known_accounts.forget()


def go_live(host: SubscriptionHost, settings: Any) -> None:
    settings.STRIPE_GATEWAY_API_KEY = "sk_live_fake"
    host.fake.add_key("sk_live_fake")


def lose(host: SubscriptionHost, settings: Any) -> None:
    Subscription.objects.update(lost=timezone.now(), missing_since=timezone.now())


@pytest.mark.parametrize("make", [go_live, lose])
def test_running(host: SubscriptionHost, user: Any, settings: Any, make: Any) -> None:
    """It is charged on, for all that anybody knows, until somebody gives up on it."""
    host.subscribed()
    make(host, settings)
    out = StringIO()
    call_command("close_account", str(user.pk), "--dry-run", stdout=out)
    assert "active, out of reach" in out.getvalue()
    for _ in range(2):
        with pytest.raises(CommandError, match="give up"):
            call_command("close_account", str(user.pk), stdout=StringIO())
    with pytest.raises(WrongState, match="give up") as refused:
        erase_owner(owner=user)
    assert refused.value.code == "still_running"
    with pytest.raises(ProtectedError, match="given up"):
        user.delete()
    if make is lose:
        # The provider knows it after all: it is cancelled there.
        return
    give_up_subscription(subscription=only_one(), reason="ended in the test account")
    call_command("close_account", str(user.pk), stdout=StringIO())
    user.delete()


def test_erased__customer_of_another_mode(host: SubscriptionHost, user: Any, settings: Any) -> None:
    """Everybody who has tested before going live has one."""
    user.email = "ada@example.com"
    user.save()
    host.subscribed()
    close_account(owner=user)
    go_live(host, settings)
    report = erase_owner(owner=user)
    customer = Customer.objects.get()
    assert customer.erased
    assert report.remaining == [
        f"customer {customer.pk} ({customer.provider_id}): it is of another account or mode. Delete it there."
    ]


def test_erased__variant_that_is_gone(host: SubscriptionHost, user: Any, settings: Any) -> None:
    host.subscribed()
    close_account(owner=user)
    Customer.objects.update(variant="gone")
    make_payment(owner=user, variant="gone", status="waiting")
    assert outcomes(close_account(owner=user)) == ["out of reach"]
    give_up_payment(payment=get_payment_model().objects.get(), reason="the variant is gone")
    assert close_account(owner=user).steps == []
    assert len(erase_owner(owner=user).remaining) == 1


def test_payment_and_invoice(host: SubscriptionHost, user: Any, settings: Any) -> None:
    host.subscribed()
    host.change_card(only_one(), "pm_card_chargeCustomerFail")
    host.fake.advance(days=32)
    host.deliver_new()
    create_payment(gateway="stripe", amount=Decimal("10"), currency="USD", owner=user)
    go_live(host, settings)
    report = close_account(owner=user)
    assert sorted(outcomes(report)) == ["for staff", "out of reach", "out of reach"]
    assert all("give up" in step.detail for step in report.steps if step.outcome == "out of reach")
    give_up_payment(payment=get_payment_model().objects.get(), reason="a test")
    give_up_subscription(subscription=only_one(), reason="a test")
    # What is only for the books fails no command.
    call_command("close_account", str(user.pk), stdout=StringIO())


def test_unheard(host: SubscriptionHost, user: Any) -> None:
    """A subscription of which no event has come."""
    subscription = host.subscribed()
    customer_id = subscription.customer.provider_id
    host.fake.cancel_subscription(subscription.provider_id)
    host.deliver_new()
    host.v1.payment_methods.attach("pm_card_visa", params={"customer": customer_id})
    method = host.fake.all("payment_method")[-1]["id"]
    items = [{"price": host.basic.stripe_price_id}]
    params = {"customer": customer_id, "default_payment_method": method, "items": items}
    host.v1.subscriptions.create(params=params)
    assert sorted(statuses(host)) == ["active", "canceled"]
    assert outcomes(close_account(owner=user)) == ["ended"]
    assert statuses(host) == ["canceled", "canceled"]


def test_unheard__silent(host: SubscriptionHost, user: Any) -> None:
    host.subscribed()
    host.fake.fault("GET", "/v1/subscriptions", kind="error_500_before", times=9)
    assert outcomes(close_account(owner=user)) == ["silent", "ended"]
